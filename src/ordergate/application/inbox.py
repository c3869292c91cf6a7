"""What waits for the runner: the kill switch first, reports and cancels next, then everything else."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from ordergate.application.engine import Command
from ordergate.application.entry import Origin
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.reports import AnyReport, Report
from ordergate.domain.risk.commands import AnswerGate, ThrowSwitch

BATCH_MOST: Final = 512


class Barrier(Struct, frozen=True):
    """Nothing to do; answered once everything before it is committed."""


class Preview(Struct, frozen=True):
    """A command that is answered as if it were run, and changes nothing."""

    command: Command


Given = Command | AnyReport | Barrier | Preview


class Item(Struct):
    """An input on its way; `done` is None where nobody waits, `then` what is done once it is committed, before anything
    else is stepped.
    """

    given: Given
    origin: Origin
    raw: str | None
    done: asyncio.Future[Any] | None
    then: Callable[[], None] | None = None

    def answer(self, answer: Any, error: Exception | None = None) -> None:
        """Tells whoever waits, unless he has been told or has gone."""
        if self.done is None or self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(answer)


def is_urgent(given: Given) -> bool:
    """Whether it must not wait behind new orders: what brokers say, and what only takes back."""
    if isinstance(given, AnswerGate):
        return not given.approved
    return isinstance(given, (Report, CancelOrder, ThrowSwitch))


def refuse(items: Sequence[Item], error: Exception) -> list[Item]:
    """Tells those who gave commands; the reports are left, and wait."""
    for item in items:
        if not isinstance(item.given, Report):
            item.answer(None, error)
    return [item for item in items if isinstance(item.given, Report)]


class Inbox:
    """Queues of items: what stops trading, what is urgent, and the rest."""

    def __init__(self) -> None:
        self._switches: deque[Item] = deque()
        self._urgent: deque[Item] = deque()
        self._normal: deque[Item] = deque()

    def __len__(self) -> int:
        return len(self._switches) + len(self._urgent) + len(self._normal)

    @property
    def normal(self) -> int:
        """How many wait that are not urgent."""
        return len(self._normal)

    def put(self, item: Item) -> None:
        """Behind those of its kind."""
        if isinstance(item.given, ThrowSwitch):
            self._switches.append(item)
        else:
            (self._urgent if is_urgent(item.given) else self._normal).append(item)

    def put_back(self, items: Sequence[Item]) -> None:
        """In front of everything but the kill switch, as they stood."""
        self._urgent.extendleft(reversed(items))

    def take(self) -> list[Item]:
        """A batch of them; one that something is to be done after is the last."""
        items: list[Item] = []
        for queue in (self._switches, self._urgent, self._normal):
            while queue and len(items) < BATCH_MOST:
                items.append(queue.popleft())
                if items[-1].then is not None:
                    return items
        return items

    def take_all(self) -> list[Item]:
        """Every one."""
        items = [*self._switches, *self._urgent, *self._normal]
        self._switches.clear()
        self._urgent.clear()
        self._normal.clear()
        return items
