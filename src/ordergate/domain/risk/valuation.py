"""What a position is worth at the last prices: in its currency, in the fund's, and in US dollars.

For showing, never for books. What has no quote or no rate is None: nothing is guessed. Amounts that a rate has made are
rounded half to even to 10 places.
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

USD: Final = "USD"
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

    def conversion(self) -> Rates:
        """What currencies are worth."""
        return Rates(self.rates, self.quotes.get)


class Converted(Struct, frozen=True, kw_only=True):
    """The worth of a position in another currency, or the same.

    Attributes:
        rate: that all of it was made with, profits too; None where there is none.
    """

    currency: str
    rate: Rate | None
    market_value: Decimal | None
    unrealized: Decimal | None
    realized: Decimal | None
    realized_ytd: Decimal | None


class Valuation(Struct, frozen=True, kw_only=True):
    """Of one position, in the instrument's currency.

    Attributes:
        price: what closing would bring: the bid of a long, the ask of a short.
        priced_at: the time of that quote.
        market_value: signed.
        realized_ytd: by fills of the present year.
        in_usd, in_fund: the same in US dollars, and in the fund's base currency.
    """

    price: Decimal | None
    priced_at: datetime | None
    market_value: Decimal | None
    unrealized: Decimal | None
    realized_ytd: Decimal
    in_usd: Converted
    in_fund: Converted


def value(position: Position, instrument: Instrument, market: Market, base_currency: str) -> Valuation:
    """The worth of a position of a fund with that base currency; what is flat is worth 0 without any quote."""
    with localcontext(EXACT):
        price, priced_at = _closing_price(position, market.quotes.get(position.symbol))
        worth = _worth(position, instrument, price)
        unrealized = None if worth is None else worth - position.cost
        ytd = position.realized_in_year if position.year == market.year else ZERO
        rates = market.conversion()

        def converted(currency: str) -> Converted:
            rate = rates.found(instrument.currency, currency)
            return Converted(
                currency=currency,
                rate=rate,
                market_value=exchanged(worth, rate),
                unrealized=exchanged(unrealized, rate),
                realized=exchanged(position.realized_pnl, rate),
                realized_ytd=exchanged(ytd, rate),
            )

        return Valuation(
            price=price,
            priced_at=priced_at,
            market_value=worth,
            unrealized=unrealized,
            realized_ytd=ytd,
            in_usd=converted(USD),
            in_fund=converted(base_currency),
        )


def _closing_price(position: Position, quote: Quote | None) -> tuple[Decimal | None, datetime | None]:
    if quote is None or not position.quantity:
        return None, None
    return (quote.bid if position.quantity > 0 else quote.ask), quote.time


def _worth(position: Position, instrument: Instrument, price: Decimal | None) -> Decimal | None:
    if not position.quantity:
        return ZERO
    return None if price is None else position.quantity * price * instrument.contract_size


def exchanged(amount: Decimal | None, rate: Rate | None) -> Decimal | None:
    """The amount at a rate, to 10 places; None where either is missing, but nothing is nothing in every currency."""
    if not amount or rate is SAME:
        return amount
    return None if rate is None else divide(amount * rate.rate, ONE, _PLACES)
