"""What a terminal is to its caller: beside it (LocalTerminal) or on another machine (RemoteTerminal).

Nothing here knows orders or accounts of ours: names of the package's functions go in, what they return comes out. The
one thing added is the journal: a command is written down before it is given to the terminal, once and never again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

OURS = 0
"""The code of an error that the agent says itself; the package has none such (1 is fine, all others are negative)."""

LOOKS_ON = 0
"""The epoch of a session that only reads: it ends nobody's, and nobody ends it."""

READS = frozenset({
    "account_info", "history_deals_get", "history_deals_total", "history_orders_get", "history_orders_total",
    "order_calc_margin", "order_calc_profit", "order_check", "orders_get", "orders_total", "positions_get",
    "positions_total", "symbol_info", "symbol_info_tick", "symbol_select", "symbols_get", "symbols_total",
    "terminal_info", "version",
})  # fmt: skip
"""What may be asked. None of it trades; symbol_select only shows a symbol in the terminal's list."""

CLAIMED, ANSWERED, FAILED, BROKEN = "claimed", "answered", "failed", "broken"
EXPIRED, SEALED, REFUSED = "expired", "sealed", "refused"
NEVER_GIVEN = frozenset({EXPIRED, SEALED, REFUSED})
"""States of a command that was never given to the terminal, and never will be."""


@dataclass(frozen=True)
class Hello:
    """Where one is.

    Attributes:
        version: what the package's version() says, joined by spaces.
        login: of the account, by account_info().
        server: of the account, by account_info().
        now: the agent's clock, seconds since the epoch, UTC. It never goes back while the agent runs.
        journal_id: made with the journal. Another one than before: that journal is lost, and what it does not have
            is not proven absent.
        epoch: of this session.
        began: on the agent's clock, when the journal was made, or later: of what was given before it knows nothing.
        keeps_s: how long the journal remembers what it knows the end of.
    """

    version: str
    login: int
    server: str
    now: float
    journal_id: str
    epoch: int
    began: float
    keeps_s: float


@dataclass(frozen=True)
class Reply:
    """What a function returned: structs as dicts, tuples as lists; and last_error() right after it.

    An error with the code OURS is the agent's: the function raised (its arguments are wrong), or its answer is too
    large for a frame. The value is None then.
    """

    value: Any
    error: tuple[int, str]


@dataclass(frozen=True)
class Command:
    """A request for order_send.

    Attributes:
        id: 1 to 64 printable ASCII characters, no blanks. Given to the terminal at most once, whoever sends it.
        request: of int, float and str by name, as order_send takes it.
        expires_at: on the agent's clock (Hello.now); from then on it is not given to the terminal any more.
    """

    id: str
    request: dict[str, Any]
    expires_at: float

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or re.fullmatch(r"[!-~]{1,64}", self.id) is None:
            raise ValueError(f"id is {self.id!r}: must be 1 to 64 printable ASCII characters without blanks")
        if not isinstance(self.request, dict) or not isinstance(self.expires_at, (int, float)):
            raise ValueError(
                f"request is {self.request!r}, expires_at {self.expires_at!r}: a dict and a number"
            )


@dataclass(frozen=True)
class Record:
    """What the journal knows of a command.

    Attributes:
        id: the command's.
        position: in the journal, rising, never used twice.
        request: the command's; of a sealed id that was never sent, empty.
        at: when it was claimed, or ended without being given; the agent's clock.
        state: `claimed`: it was given to order_send, or was about to be, and nothing is known of the result: the
            call is still going on, or the agent died in it. `answered`: order_send returned a struct: result.
            `failed`: it returned None: error is last_error(). `broken`: the deadline passed, or the worker died, in
            the call: unknown. `expired`, `sealed`, `refused`: never given to the terminal; error says why.
        result: of order_send, as a dict.
        error: code (OURS: the agent's own words) and text.
    """

    id: str
    position: int
    request: dict[str, Any]
    at: float
    state: str
    result: dict[str, Any] | None
    error: tuple[int, str] | None


class Refused(Exception):
    """The login or the key is refused: the same again will be refused again."""


class Unreachable(Exception):
    """No answer.

    Attributes:
        sent: whether the request can have reached the agent. Of a send that is not False: ask for its record.
    """

    def __init__(self, text: str, *, sent: bool) -> None:
        super().__init__(text)
        self.sent = sent


class Terminal(Protocol):
    """A MetaTrader 5 terminal that does one thing at a time.

    All methods but close raise Unreachable. Nothing is tried twice inside.

    Attributes:
        taken_over: a later session has ended this one; it does not come back.
    """

    taken_over: bool

    async def open(self) -> Hello:
        """Begins, or begins again after a failure. Raises Refused."""

    async def ask(self, name: str, *args: Any, **kwargs: Any) -> Reply:
        """Calls a function of READS; times are integers. Raises ValueError for another name."""

    async def send(self, command: Command) -> Record:
        """Gives it to order_send, unless the journal knows its id: then it only tells that record."""

    async def record(self, id: str, *, seal: bool = False) -> Record | None:
        """What the journal knows of a command; an unknown id is sealed, if so asked: it will never be sent."""

    async def records(self, after: int = 0) -> list[Record]:
        """The next 1,000 (or fewer, if they are large) after that position, in order; none: that was the last."""

    async def close(self) -> None:
        """Ends it; what is being done is done to its end before."""
