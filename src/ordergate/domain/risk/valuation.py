"""What a position is worth at the last prices, in its currency and in US dollars; for showing, never for books.

What has no quote or no rate is None: nothing is guessed. Amounts in dollars that a rate has made are rounded half to
even to 10 places.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Final

from msgspec import Struct

from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote
from ordergate.domain.money import EXACT, ONE, ZERO, divide
from ordergate.domain.positions.position import Position
from ordergate.domain.risk.conversion import SAME, Rate, Rates

_PLACES: Final = 10


class Market(Struct, frozen=True, kw_only=True):
    """What positions are valued at.

    Attributes:
        quotes: the last one of each symbol; how old they are is for the reader to judge.
        rates: fixed ones, such as `{"USDT/USD": 1}`.
        year: the present calendar year, in UTC.
    """

    year: int
    quotes: Mapping[str, Quote]
    rates: Mapping[str, Decimal]

    def to_usd(self) -> Rates:
        """What currencies are worth."""
        return Rates(self.rates, self.quotes.get)


class Valuation(Struct, frozen=True, kw_only=True):
    """Of one position; amounts are in the instrument's currency but for those in dollars.

    Attributes:
        price: what closing would bring: the bid of a long, the ask of a short.
        priced_at: the time of that quote.
        market_value: signed.
        realized_ytd: by fills of the present year.
    """

    price: Decimal | None
    priced_at: datetime | None
    market_value: Decimal | None
    unrealized: Decimal | None
    realized_ytd: Decimal
    rate: Rate | None
    market_value_usd: Decimal | None
    unrealized_usd: Decimal | None
    realized_usd: Decimal | None
    realized_ytd_usd: Decimal | None


def value(position: Position, instrument: Instrument, market: Market) -> Valuation:
    """The worth of a position; what is flat is worth 0 without any quote."""
    with localcontext(EXACT):
        price, priced_at = _closing_price(position, market.quotes.get(position.symbol))
        worth = _worth(position, instrument, price)
        unrealized = None if worth is None else worth - position.cost
        ytd = position.realized_in_year if position.year == market.year else ZERO
        rate = SAME if instrument.currency == "USD" else market.to_usd().found(instrument.currency, "USD")
        return Valuation(
            price=price,
            priced_at=priced_at,
            market_value=worth,
            unrealized=unrealized,
            realized_ytd=ytd,
            rate=rate,
            market_value_usd=_in_usd(worth, rate),
            unrealized_usd=_in_usd(unrealized, rate),
            realized_usd=_in_usd(position.realized_pnl, rate),
            realized_ytd_usd=_in_usd(ytd, rate),
        )


def _closing_price(position: Position, quote: Quote | None) -> tuple[Decimal | None, datetime | None]:
    if quote is None or not position.quantity:
        return None, None
    return (quote.bid if position.quantity > 0 else quote.ask), quote.time


def _worth(position: Position, instrument: Instrument, price: Decimal | None) -> Decimal | None:
    if not position.quantity:
        return ZERO
    return None if price is None else position.quantity * price * instrument.contract_size


def _in_usd(amount: Decimal | None, rate: Rate | None) -> Decimal | None:
    if not amount or rate is SAME:
        return amount
    return None if rate is None else divide(amount * rate.rate, ONE, _PLACES)
