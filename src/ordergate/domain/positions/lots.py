"""Tax lots: which open lot a closing fill takes first, one small function a method."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
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
        realized_pnl: in the instrument's currency, of what was closed, fees apart.
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


def fifo(lots: Iterable[Lot]) -> Iterable[Lot]:
    """First in, first out. `lots` come oldest first."""
    return lots


ORDERS: Final[Mapping[TaxLotMethod, LotOrder]] = {TaxLotMethod.FIFO: fifo}
