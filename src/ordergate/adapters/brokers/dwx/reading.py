"""What the expert advisor writes, as it came: text that may be half a file, or none at all."""

from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

import msgspec
from msgspec import Struct, field

from ordergate.domain.money import ONE

T = TypeVar("T")
_BOM: Final = b"\xff\xfe"
POSITIONS: Final = {"buy": 1, "sell": -1}
"""What is open, and its sign."""
PENDING: Final = {"buylimit": 1, "selllimit": -1, "buystop": 1, "sellstop": -1}


class Unreadable(Exception):
    """What is there, or is not, tells nothing."""


class Closing(StrEnum):
    """What the server says of how it closed something by itself."""

    STOP_LOSS = "[sl]"
    TAKE_PROFIT = "[tp]"
    STOP_OUT = "so:"


class Row(Struct, frozen=True, kw_only=True):
    """An order, a position, or what became of one; money in the account's currency, times are the broker's own."""

    magic: int
    symbol: str
    lots: Decimal
    type: str
    open_price: Decimal
    open_time: str
    commission: Decimal
    swap: Decimal
    comment: str
    stop_loss: Decimal = field(name="SL")
    take_profit: Decimal = field(name="TP")
    pnl: Decimal
    close_price: Decimal | None = None
    close_time: str | None = None

    @property
    def sign(self) -> int:
        """+1 of what buys."""
        return POSITIONS.get(self.type) or PENDING.get(self.type, 0)

    @property
    def is_position(self) -> bool:
        """It has been opened; else it waits, or waited, for its price."""
        return self.type in POSITIONS

    @property
    def closing(self) -> Closing | None:
        """What the server noted where it closed this by itself."""
        return next((how for how in Closing if how in self.comment), None)


class Account(Struct, frozen=True, kw_only=True):
    """Whose orders they are."""

    number: int
    currency: str
    free_margin: Decimal
    leverage: Decimal = ONE


class Orders(Struct, frozen=True, kw_only=True):
    """Everything that is open in the account, by ticket, also what is not ours."""

    account: Account = field(name="account_info")
    rows: dict[str, Row] = field(name="orders")


class Message(Struct, frozen=True, kw_only=True):
    """What the expert advisor said; errors have a type."""

    type: str
    time: str
    message: str = ""
    error_type: str = ""
    description: str = ""

    @property
    def text(self) -> str:
        """As a person reads it."""
        return self.message or f"{self.error_type}: {self.description}"


def text_of(data: bytes) -> str:
    """The terminal writes in its own code page: what is ours is ASCII, and the rest is nobody's business here."""
    return data.decode("utf-16", errors="replace") if data.startswith(_BOM) else data.decode("latin-1")


def orders_of(data: bytes) -> Orders:
    """Raises Unreadable."""
    return _decoded(data, _ORDERS, "DWX_Orders.txt")


def messages_of(data: bytes) -> dict[str, Message]:
    """By the terminal's count of milliseconds, which begins anew with the machine. Raises Unreadable."""
    return _decoded(data, _MESSAGES, "DWX_Messages.txt")


def history_of(data: bytes) -> dict[str, Row]:
    """By ticket. Raises Unreadable."""
    return _decoded(data, _HISTORY, "DWX_Historic_Trades.txt")


def raw_of(row: Row) -> str:
    """For the journal."""
    return msgspec.json.encode(row).decode()


_ORDERS: Final = msgspec.json.Decoder(Orders)
_MESSAGES: Final = msgspec.json.Decoder(dict[str, Message])
_HISTORY: Final = msgspec.json.Decoder(dict[str, Row])


def _decoded(data: bytes, decoder: msgspec.json.Decoder[T], name: str) -> T:
    try:
        return decoder.decode(text_of(data))
    except (msgspec.DecodeError, ValueError) as error:
        raise Unreadable(f"{name} cannot be read: {error}") from None
