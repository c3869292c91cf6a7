"""What the market says: an input to decisions, never an entry of the journal."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.money import EXACT, TWO, plain, text


class Quote(Struct, frozen=True, gc=False):
    """Best bid and ask of a symbol.

    Attributes:
        bid_size, ask_size: in the instrument's unit; None is unlimited.
        pinned: set by hand, and so never stale.
    """

    symbol: str
    time: datetime
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    pinned: bool = False


def check_sides(bid: Decimal, ask: Decimal) -> None:
    """Refuses a market that somebody types with its sides the wrong way round; those of a feed may cross.

    Raises:
        Invalid: the bid is above the ask.
    """
    if bid > ask:
        detail = f"{text(bid)} is above the ask, {text(ask)}: whoever buys pays the ask, which is no less"
        raise Invalid(Code.BAD_VALUE, detail, "#/bid")


def mid(bid: Decimal, ask: Decimal) -> Decimal:
    """Halfway between bid and ask, exactly."""
    return plain(EXACT.divide(bid + ask, TWO))
