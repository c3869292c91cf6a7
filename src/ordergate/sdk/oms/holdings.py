"""What a fund holds: positions, the lots that they consist of, and what they are worth."""

from datetime import date, datetime
from decimal import Decimal

from ordergate.application.queries import Shown
from ordergate.domain.positions.lots import Lot
from ordergate.sdk.oms.records import Exact, Record


class TaxLot(Record):
    """What one fill opened; quantities are signed, below zero is short."""

    lot_id: str
    fund_id: str
    symbol: str
    open_date: date
    open_qty: Exact
    open_price: Exact
    close_date: date | None = None
    close_qty: Exact = Decimal(0)
    close_price: Exact | None = None

    @classmethod
    def of(cls, lot: Lot) -> "TaxLot":
        """The lot as booked; `close_price` is that of the fill that closed the last of it."""
        return cls(
            lot_id=lot.lot_id,
            fund_id=lot.fund_id,
            symbol=lot.symbol,
            open_date=lot.opened_at.date(),
            open_qty=lot.quantity,
            open_price=lot.price,
            close_date=None if lot.closed_at is None else lot.closed_at.date(),
            close_qty=lot.quantity - lot.remaining,
            close_price=lot.close_price,
        )


class Rate(Record):
    """What one unit of a currency is worth in another.

    Attributes:
        source: the symbols of quotes or the fixed pairs that it follows from.
        time: of the oldest quote in it; None without any.
    """

    rate: Decimal
    source: str
    time: datetime | None = None


class Position(Record):
    """What a fund holds of a symbol.

    Attributes:
        quantity: signed, in the instrument's unit.
        avg_price: None when flat.
        last_price: what closing would bring: the bid of a long, the ask of a short; None without a quote.
        market_value_usd: signed; None without a quote, or without a rate from the instrument's currency.
        unrealized_pl_usd, realized_pl_usd: None likewise; realized since the first fill, fees apart.
        realized_pl_ytd_usd: by fills of the present calendar year, in UTC.
        usd_rate: what the amounts in dollars were made with; None where there is no rate.
        fund_currency: the fund's base currency.
        market_value_fund and the following: the same as in dollars, in that currency; `fund_rate` is theirs.
        tax_lots: the open ones, oldest first.
    """

    fund_id: str
    symbol: str
    quantity: Exact
    avg_price: Exact | None = None
    last_price: Exact | None = None
    market_value_usd: Decimal | None = None
    unrealized_pl_usd: Decimal | None = None
    realized_pl_usd: Decimal | None = None
    realized_pl_ytd_usd: Decimal | None = None
    usd_rate: Rate | None = None
    fund_currency: str = "USD"
    market_value_fund: Decimal | None = None
    unrealized_pl_fund: Decimal | None = None
    realized_pl_fund: Decimal | None = None
    realized_pl_ytd_fund: Decimal | None = None
    fund_rate: Rate | None = None
    last_updated: datetime
    tax_lots: tuple[TaxLot, ...] = ()

    @classmethod
    def of(cls, shown: Shown, lots: list[Lot]) -> "Position":
        """The position as it is shown."""
        return cls(
            **{name: shown[name] for name in _SAME},
            avg_price=shown["average_price"],
            last_price=shown["price"],
            usd_rate=_rate(shown["usd_rate"]),
            fund_rate=_rate(shown["fund_rate"]),
            last_updated=shown["updated_at"],
            tax_lots=tuple(TaxLot.of(lot) for lot in lots),
        )


_SAME = tuple(
    set(Position.model_fields)
    - {"avg_price", "last_price", "usd_rate", "fund_rate", "last_updated", "tax_lots"}
)


def _rate(shown: Shown | None) -> Rate | None:
    return None if shown is None else Rate(**shown)
