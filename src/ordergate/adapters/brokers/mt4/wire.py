"""What is in the bridge's files: one JSON object on a line, ended by its length and CRC.

`docs/reference/mt4-bridge.md` is the protocol. Numbers with a fraction are text there, and decimals here. What is not
whole, or not as the page says, cannot be read.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from ordergate.domain.money import plain

_END: Final = re.compile(
    rb'(?P<body>.*),"length":(?P<length>\d{1,9}),"crc32":"(?P<crc>[0-9a-f]{8})"\}\n', re.DOTALL
)
_LENGTH_OF_AN_ID: Final = 26
T = TypeVar("T", bound=Struct)


class Unreadable(Exception):
    """It is not whole, or not what the protocol has there."""


class Account(Struct, frozen=True, kw_only=True):
    """`account.json`: the terminal's heartbeat, and the account."""

    run: int
    n: int
    gmt: int
    gen: int
    session: str
    journal: str
    journal_since: int
    stream: str
    ready: bool
    why: str
    connected: bool
    trade_allowed: bool
    calling: str
    account: int
    server: str
    company: str
    currency: str
    leverage: Decimal
    demo: bool
    balance: Decimal
    equity: Decimal
    free: Decimal
    offset_s: int
    offset_known: bool
    event: int
    missing: int

    @property
    def place(self) -> tuple[int, int]:
        """Rises with each writing, as long as the journal is the same."""
        return self.run, self.n


class Row(Struct, frozen=True, kw_only=True):
    """An order or a position as the terminal has it; `ref` is the request of ours that began it, where it is known.

    Attributes:
        type: buy and sell are open positions; buylimit, selllimit, buystop and sellstop work.
        price, open_time: of its opening; of one that works where it is to open, and when it was placed.
    """

    ticket: int
    id: str
    ref: str
    symbol: str
    type: str
    lots: Decimal
    price: Decimal
    open_time: int
    sl: Decimal
    tp: Decimal
    expiry: int
    magic: int
    comment: str
    commission: Decimal
    swap: Decimal
    profit: Decimal

    @property
    def is_open(self) -> bool:
        """Whether it is a position, and not an order that works."""
        return self.type in ("buy", "sell")


class Closed(Row, frozen=True, kw_only=True):
    """A position, or a part of one, that has ended."""

    close_price: Decimal
    close_time: int
    left: Decimal
    reason: str
    by: str
    by_ref: str
    commission_open: Decimal


class Deleted(Row, frozen=True, kw_only=True):
    """An order that worked, and has ended without an execution."""

    close_time: int
    reason: str
    by: str
    by_ref: str


class Still(Row, frozen=True, kw_only=True):
    """A ticket that was told before the file began.

    Attributes:
        open: whether it has not ended.
    """

    open: bool


class Moved(Row, frozen=True, kw_only=True):
    """What a partial close has left goes on under another ticket."""

    from_: int = msgspec.field(name="from")
    to: int


class Begin(Struct, frozen=True, kw_only=True):
    """The beginning of a file of events: what their numbers count in."""

    stream: str


class Event(Struct, frozen=True, kw_only=True):
    """What all lines of the events begin with."""

    kind: str
    n: int
    gmt: int
    server_time: int


class Result(Struct, frozen=True, kw_only=True):
    """`res-<id>.json`: what became of a command; of a seal, what became of its target; of a history, its rows."""

    id: str
    ref: str
    gen: int
    seq: int
    op: str
    state: str
    why: str
    code: int
    text: str
    gmt: int
    ticket: int
    target: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    complete: bool = False
    more: bool = False


class Symbol(Struct, frozen=True, kw_only=True):
    """A symbol as the terminal has it."""

    symbol: str
    digits: int
    point: Decimal
    lot_size: Decimal
    lot_min: Decimal
    lot_max: Decimal
    lot_step: Decimal
    stop_level: int
    tick_size: Decimal
    margin: Decimal
    trade_allowed: bool
    currency_base: str
    currency_profit: str
    execution: str


class Tick(Struct, frozen=True, kw_only=True):
    """A quote."""

    symbol: str
    bid: Decimal
    ask: Decimal
    time: int


class Orders(Struct, frozen=True, kw_only=True):
    """`orders.json`: what is open and what works, of everybody; all events up to `event` are in it, and no others."""

    run: int
    n: int
    event: int
    complete: bool
    count: int
    rows: tuple[Row, ...]

    @property
    def place(self) -> tuple[int, int]:
        """Rises with each writing."""
        return self.run, self.n


def line_of(values: Mapping[str, Any]) -> bytes:
    """One whole line."""
    body = json.dumps(values, separators=(",", ":"), ensure_ascii=True)[:-1].encode()
    return body + f',"length":{len(body)},"crc32":"{zlib.crc32(body):08x}"}}\n'.encode()


def values_in(line: bytes) -> dict[str, Any]:
    """What a whole line says.

    Raises:
        Unreadable: it is cut, or was changed.
    """
    end = _END.fullmatch(line)
    if (
        end is None
        or int(end["length"]) != len(end["body"])
        or int(end["crc"], 16) != zlib.crc32(end["body"])
    ):
        raise Unreadable("it is not whole")
    try:
        said = json.loads(end["body"] + b"}")
    except ValueError as error:
        raise Unreadable(str(error)) from error
    if not isinstance(said, dict):
        raise Unreadable("it is no object")
    return said


def read_as(kind: type[T], said: Mapping[str, Any]) -> T:
    """What was said, as that.

    Raises:
        Unreadable: a key is missing, or of another type.
    """
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError as error:
        raise Unreadable(f"{kind.__name__}: {error}") from error


def rows_as(kind: type[T], said: Mapping[str, Any]) -> tuple[T, ...]:
    """The `rows` of a snapshot. Raises as `read_as`."""
    rows = said.get("rows")
    if not isinstance(rows, list):
        raise Unreadable("it has no rows")
    return tuple(read_as(kind, row) for row in rows)


def id_of(ref: str) -> str:
    """The id of the command with that ref."""
    return base64.b32encode(hashlib.sha256(ref.encode()).digest()).decode().lower()[:_LENGTH_OF_AN_ID]


def written(number: Decimal) -> str:
    """A number as files have it."""
    return f"{plain(number):f}"
