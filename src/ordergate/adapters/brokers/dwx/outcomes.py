"""What a message of the expert advisor proves of the one command that is under way.

Its replies name nobody. An error refuses a command only if its type belongs to that command, its words are known to
mean that nothing was done, and nothing else was said since the command was given. A success counts where it names a
ticket, or what was asked for. All else proves nothing.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.dwx.reading import Message
from ordergate.domain.orders.reports import INSUFFICIENT_MARGIN

_SENT: Final = re.compile(r"Successfully sent order (\d+): (.+), (\w+), (\d+\.\d+), (\d+\.?\d*)")
_CLOSED: Final = re.compile(r"Successfully closed order: (\d+), (.+), (-?\d+\.\d+)")
_READ: Final = "Successfully read historic trades."


class Means(Enum):
    """What an error says of a command."""

    REFUSED = "rejected"
    UNCLEAR = "unknown"


TYPES: Final[Mapping[str, Means]] = {
    "OPEN_ORDER_WRONG_FORMAT": Means.REFUSED,
    "OPEN_ORDER_MAXIMUM_NUMBER": Means.REFUSED,
    "OPEN_ORDER_TYPE": Means.REFUSED,
    "OPEN_ORDER_LOTSIZE_OUT_OF_RANGE": Means.REFUSED,
    "OPEN_ORDER_LOTSIZE_TOO_LARGE": Means.REFUSED,
    "OPEN_ORDER_PRICE_ZERO": Means.REFUSED,
    "OPEN_ORDER": Means.UNCLEAR,  # as its words say
    "CLOSE_ORDER_WRONG_FORMAT": Means.REFUSED,
    "CLOSE_ORDER_SELECT_TICKET": Means.REFUSED,
    "CLOSE_ORDER_TICKET": Means.UNCLEAR,  # as its words say
    "WRONG_FORMAT_START_IDENTIFIER": Means.UNCLEAR,  # a command was destroyed, and it says not whose
    "WRONG_FORMAT_END_IDENTIFIER": Means.UNCLEAR,
    "WRONG_FORMAT_COMMAND": Means.UNCLEAR,
}
"""The errors that can be about an order; UNCLEAR unless `WORDS` has theirs."""
WORDS: Final[Mapping[str, str]] = {
    "invalid trade parameters": "3",
    "invalid price": "129",
    "invalid stops": "130",
    "invalid trade volume": "131",
    "market is closed": "132",
    "trade is disabled": "133",
    "not enough money": "134",
    "price changed": "135",
    "off quotes": "136",
    "requote": "138",
    "order is locked": "139",
    "long positions only allowed": "140",
    "too many requests": "141",
    "modification denied because order too close to market": "145",
    "expirations are denied by broker": "147",
    "amount of open and pending orders has reached the limit": "148",
    "hedging is prohibited": "149",
    "prohibited by FIFO rules": "150",
    "invalid function parameter value": "4051",
    "unknown symbol": "4106",
    "invalid price parameter for trade function": "4107",
    "invalid ticket": "4108",
    "trade is not allowed in the expert properties": "4109",
    "longs are not allowed in the expert properties": "4110",
    "shorts are not allowed in the expert properties": "4111",
}
"""MetaTrader 4's errors, in the expert advisor's words, after which nothing was done. Of its others (trade timeout,
no connection, common error, busy, trade context is busy, a number without words) the order may be there."""
_NO_MONEY: Final = "134"
_WORDED: Final = ("OPEN_ORDER", "CLOSE_ORDER_TICKET")
_NO_REPLIES: Final = ("GET_BID_ASK", "OPEN_CHART", "HISTORIC_", "SUBSCRIBE_", "BAR_DATA_")
"""Errors that no order can have led to, by their beginning."""
_ADVICE: Final[Mapping[str, str]] = {
    "OPEN_ORDER_MAXIMUM_NUMBER": "raise the expert advisor's input MaximumOrders, which is 1 unless it is set",
    "OPEN_ORDER_LOTSIZE_TOO_LARGE": "raise the expert advisor's input MaximumLotSize, which is 0.01 unless it is set",
    "CLOSE_ORDER_SELECT_TICKET": "the terminal knows no such ticket",
}


class Opens(Struct, frozen=True):
    """The command that opens an order, as its replies would name it."""

    symbol: str
    type: str
    lots: Decimal


class Closes(Struct, frozen=True):
    """The command that closes or deletes a ticket."""

    ticket: str


class Asks(Struct, frozen=True):
    """The command that asks for the history."""


Asked = Opens | Closes | Asks


class Reply(Struct, frozen=True):
    """What a message is to a command.

    Attributes:
        done: it was done, and the message names what only it can have been; False where it was refused; None where the
            message is of its kind and proves neither.
        ticket: that an order got.
    """

    done: bool | None
    reason: str
    ticket: str | None = None


def is_reply(message: Message) -> bool:
    """Whether it can be about a command of anybody's, but for a question about the history."""
    if message.type == "ERROR":
        return not message.error_type.startswith(_NO_REPLIES)
    return message.message.startswith("Successfully") and message.message != _READ


def reply_to(asked: Asked, message: Message) -> Reply | None:
    """What a message is to a command; None where it cannot be about it."""
    if message.type == "ERROR":
        return _error(asked, message)
    return _success(asked, message)


def _success(asked: Asked, message: Message) -> Reply | None:
    said = message.message
    if isinstance(asked, Asks):
        return Reply(done=True, reason=said) if said == _READ else None
    if isinstance(asked, Closes):
        found = _CLOSED.fullmatch(said)
        return Reply(True, said, asked.ticket) if found and found[1] == asked.ticket else None
    found = _SENT.fullmatch(said)
    if found is None or (found[2], found[3], Decimal(found[4])) != (asked.symbol, asked.type, asked.lots):
        return None
    return Reply(True, said, found[1])


def _error(asked: Asked, message: Message) -> Reply | None:
    kind, said = message.error_type, message.text
    if isinstance(asked, Asks):
        return Reply(False, said) if kind == "HISTORIC_TRADES" else None
    if not kind.startswith(("OPEN_ORDER" if isinstance(asked, Opens) else "CLOSE_ORDER", "WRONG_FORMAT")):
        return None
    if isinstance(asked, Closes) and not _names(asked.ticket, kind, message.description):
        return None
    if kind not in TYPES:
        return None
    if TYPES[kind] is Means.REFUSED or (kind in _WORDED and _words(message.description) in WORDS):
        advice = _ADVICE.get(kind)
        if WORDS.get(_words(message.description)) == _NO_MONEY:
            return Reply(False, f"{INSUFFICIENT_MARGIN}: {said}")
        return Reply(False, said if advice is None else f"{said} ({advice})")
    return Reply(None, said)


def _names(ticket: str, kind: str, description: str) -> bool:
    """Whether an error about closing is about that ticket, where it names one."""
    if kind not in ("CLOSE_ORDER_SELECT_TICKET", "CLOSE_ORDER_TICKET"):
        return kind in TYPES
    return re.search(rf"\b{ticket}\b", description) is not None


def _words(description: str) -> str:
    return description.rpartition(": ")[2]
