"""What the terminal's journal knows of our commands, as far as this session needs it.

A command's id is its request's client id; of an order that is sent in steps `#2` and so on, of one that is sent again
after it was proven never to have been sent `~2` and so on. The magics of orders are known from here, too.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.agent.port import CLAIMED, NEVER_GIVEN, Record
from ordergate.adapters.brokers.mt5.naming import (
    attempt_id,
    client_id_in,
    client_id_of,
    magic_of,
    step_id,
)
from ordergate.adapters.brokers.mt5.outcomes import (
    DONE,
    NOT_TAKEN,
    NOTHING,
    TAKEN,
    UNKNOWN,
    Verdict,
    has_ended,
    verdict_of,
)

STEPS: Final = "steps"
"""In a request, beside what the package reads: how many steps the order has."""
_ASKED: Final = frozenset({"action", "order", "price", "stoplimit", STEPS})
_ANSWERED: Final = frozenset({"retcode", "order", "deal", "comment"})
_ORDERS: Final = (c.ACTION_DEAL, c.ACTION_PENDING)


class Past(Struct):
    """A command.

    Attributes:
        record: None where the journal was not heard since it was sent.
        under_way: our own call has not come back.
        disproved: it said nothing of its end, and was proven to have changed nothing.
        lost: its journal is gone, and had not told its end: another one proves nothing of it.
        since: on our loop's clock: it had been given by then, if it ever was.
    """

    id: str
    action: int
    order: int
    record: Record | None
    steps: int = 1
    under_way: bool = False
    disproved: bool = False
    lost: bool = False
    since: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """What became of it, as far as its record says."""
        if self.disproved:
            return NOT_TAKEN
        return UNKNOWN if self.record is None else verdict_of(self.record)

    @property
    def is_open(self) -> bool:
        """Whether the journal may say more than it did."""
        return not self.lost and (self.record is None or self.record.state == CLAIMED)

    @property
    def came_back(self) -> bool:
        """Whether the call ended: then nothing more comes of it by itself."""
        return self.record is not None and has_ended(self.record)

    @property
    def ticket(self) -> int | None:
        """Of the order, where the result names one."""
        result = {} if self.record is None or self.record.result is None else self.record.result
        ticket = result.get("order")
        return ticket if isinstance(ticket, int) and ticket > 0 else None


class Commands:
    """All commands that the journal has, and those of this session.

    Attributes:
        doubtful: the last change of an order, by its ticket, where it may have been done.
        position: in the journal, up to where it was read.
    """

    def __init__(self) -> None:
        self._known: dict[str, Past] = {}
        self._magics: dict[int, str] = {}
        self._changed: dict[int, str] = {}
        self.doubtful: dict[int, Past] = {}
        self.position = 0

    def take(self, records: Iterable[Record], at: float) -> None:
        """Takes what the journal says, in its order."""
        for record in records:
            self.position = max(self.position, record.position)
            self.heard(record, at)

    def read_anew(self) -> None:
        """The journal is another one, which is read from its beginning; what was known stays known."""
        self.position = 0
        for past in self._known.values():
            past.lost = past.lost or past.is_open

    def heard(self, record: Record, at: float) -> Past:
        """Takes a record."""
        past = self._known.get(record.id)
        if past is None:
            past = self._known[record.id] = _past(record, at)
        if record.request:
            past.action, past.order = _number(record.request, "action"), _number(record.request, "order")
            past.steps = _number(record.request, STEPS) or 1
        past.record = _slim(record)
        client_id = client_id_of(record.id)
        if past.action in _ORDERS:
            self.learn(client_id)
        if past.action == c.ACTION_MODIFY:
            self._heard_change(past, client_id)
        return past

    def _heard_change(self, past: Past, client_id: str) -> None:
        if past.verdict in (DONE, NOTHING):
            self.changed(past.order, client_id)
        elif past.verdict in (TAKEN, UNKNOWN):
            self.doubtful[past.order] = past
        elif self.doubtful.get(past.order) is past:
            del self.doubtful[past.order]

    def begin(self, id_: str, request: dict[str, Any], at: float) -> Past:
        """One is about to be sent: from now on its order is ours."""
        past = Past(id_, _number(request, "action"), _number(request, "order"), None, since=at)
        past.steps, past.under_way = _number(request, STEPS) or 1, True
        self._known[id_] = past
        if past.action in _ORDERS:
            self.learn(client_id_of(id_))
        return past

    def forget(self, id_: str) -> None:
        """It was proven that it never left this process."""
        self._known.pop(id_, None)

    def learn(self, client_id: str) -> None:
        """An order of that id may be at the terminal."""
        self._magics[magic_of(client_id)] = client_id

    def owner(self, magic: Any, comment: Any) -> str | None:
        """Our client id of what bears these; None where it is somebody else's."""
        if not isinstance(magic, int) or magic <= 0:
            return None
        return self._magics.get(magic) or client_id_in(str(comment), magic)

    def latest(self, ticket: int, client_id: str) -> str:
        """Under which client id an order works: that of the last change that was done."""
        return self._changed.get(ticket, client_id)

    def changed(self, ticket: int, client_id: str) -> None:
        """A change of an order was done."""
        self._changed[ticket] = client_id
        self.doubtful.pop(ticket, None)

    def unheard(self) -> list[str]:
        """Orders of this session, or steps of them, whose call has come back without any record."""
        open_ = (past for past in self._known.values() if past.record is None and not past.lost)
        return [past.id for past in open_ if not past.under_way and past.action in _ORDERS]

    def attempts(self, id_: str) -> list[Past]:
        """All attempts at a command, the first first."""
        found, number = list[Past](), 1
        while (past := self._known.get(attempt_id(id_, number))) is not None:
            found.append(past)
            number += 1
        return found

    def steps(self, client_id: str) -> list[Past]:
        """The last attempt at each step of an order, the first step first; none where nothing is known of one."""
        found, number = list[Past](), 1
        while attempts := self.attempts(step_id(client_id, number)):
            if attempts[-1].action not in _ORDERS and not _is_sealed(attempts[-1]):
                break
            found.append(attempts[-1])
            number += 1
        return found

    def free(self, id_: str) -> str:
        """The id of the next attempt at a command."""
        return attempt_id(id_, len(self.attempts(id_)) + 1)

    def changes(self, ticket: int) -> list[Past]:
        """Changes of an order, in the journal's order."""
        return [
            past for past in self._known.values() if past.action == c.ACTION_MODIFY and past.order == ticket
        ]


def may_be_there(past: Past) -> bool:
    """Whether an order can have come of it."""
    return past.verdict in (DONE, TAKEN, UNKNOWN)


def _slim(record: Record) -> Record:
    """What is used of it later: a journal can be long."""
    request = {name: value for name, value in record.request.items() if name in _ASKED}
    result = record.result
    kept = None if result is None else {name: value for name, value in result.items() if name in _ANSWERED}
    return replace(record, request=request, result=kept)


def _past(record: Record, at: float) -> Past:
    request = record.request
    return Past(record.id, _number(request, "action"), _number(request, "order"), record, since=at)


def _is_sealed(past: Past) -> bool:
    return past.record is not None and past.record.state in NEVER_GIVEN and past.action == 0


def _number(request: dict[str, Any], name: str) -> int:
    value = request.get(name, 0)
    return value if isinstance(value, int) else 0
