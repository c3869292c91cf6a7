"""Tax lots: which open lot a closing fill takes first, one small function a method."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Final

from msgspec import Struct

from ordergate.domain.funds import TaxLotMethod
from ordergate.domain.money import ZERO


class Lot(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What one fill opened.

    Attributes:
        number: counts the lots of the position from 1.
        quantity: signed as opened: below zero is short.
        remaining: signed, what is still open.
        realized_pnl: in the instrument's currency, of what was closed, fees apart; 0 where the cost is averaged, for
            then it is the position that realises.
    """

    lot_id: str
    fund_id: str
    symbol: str
    number: int
    quantity: Decimal
    remaining: Decimal
    price: Decimal
    opened_at: datetime
    closed_at: datetime | None = None
    close_price: Decimal | None = None
    realized_pnl: Decimal = ZERO


LotOrder = Callable[[Iterable[Lot]], Iterable[Lot]]
"""From open lots, oldest first, to the order in which a closing fill takes them."""


class Matching(Struct, frozen=True, gc=False):
    """How a closing fill is matched with open lots.

    Attributes:
        order: which lot it takes first; of equal ones the oldest.
        pooled: what it realises follows from the position's whole cost, not from the prices of the lots it takes.
    """

    order: LotOrder
    pooled: bool = False


def fifo(lots: Iterable[Lot]) -> Iterable[Lot]:
    """The oldest first."""
    return lots


def lifo(lots: Iterable[Lot]) -> Iterable[Lot]:
    """The newest first."""
    return reversed(list(lots))


def hifo(lots: Iterable[Lot]) -> Iterable[Lot]:
    """That of the highest price first, whether the position is long or short.

    A long position realises the least profit that way. A short one realises the most, for what it sold highest is
    what it covers first: `loifo` is the one that defers a short position's profit. Beancount's HIFO does the same.
    """
    return sorted(lots, key=_price, reverse=True)  # equal ones stay as they come, the oldest first


def loifo(lots: Iterable[Lot]) -> Iterable[Lot]:
    """That of the lowest price first, whether the position is long or short."""
    return sorted(lots, key=_price)


def specific(named: Sequence[str]) -> LotOrder:
    """Those of that name first, in the order in which they are named, then the oldest.

    Names of lots that are not open (any more) are passed over.
    """
    place = {lot_id: number for number, lot_id in enumerate(named)}

    def order(lots: Iterable[Lot]) -> Iterable[Lot]:
        return sorted(lots, key=lambda lot: place.get(lot.lot_id, len(place)))

    return order if named else fifo


_price = attrgetter("price")
_MATCHINGS: Final[Mapping[TaxLotMethod, Matching]] = {
    TaxLotMethod.FIFO: Matching(fifo),
    TaxLotMethod.LIFO: Matching(lifo),
    TaxLotMethod.HIFO: Matching(hifo),
    TaxLotMethod.LOIFO: Matching(loifo),
    TaxLotMethod.AVERAGE: Matching(fifo, pooled=True),
    TaxLotMethod.SPECIFIC: Matching(fifo),
}


def matching(method: TaxLotMethod, named: Sequence[str] | None = None) -> Matching:
    """How a method matches.

    Args:
        named: ids of lots that the closing order names; `specific` alone looks at them.
    """
    if named and method is TaxLotMethod.SPECIFIC:
        return Matching(specific(named))
    return _MATCHINGS[method]
