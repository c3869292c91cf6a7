"""What a token is worth in another by the quotes of a venue: of their pair, either way round, or by way of dollars."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote
from ordergate.domain.money import DIGITS, divide

_BETWEEN: Final = ("USDT", "USDC", "USD")
"""What most tokens are quoted in, the first first."""
TOO_MUCH: Final = Decimal(10) ** DIGITS
"""From here on amounts are not counted."""
Pairs = Mapping[tuple[str, str], Quote]


def pairs_of(markets: Iterable[tuple[Instrument, Quote]]) -> Pairs:
    """The quotes by base and currency, the first of each; contracts that never settle exchange no tokens."""
    pairs: dict[tuple[str, str], Quote] = {}
    for instrument, quote in markets:
        if not instrument.perpetual:
            pairs.setdefault((instrument.base, instrument.currency), quote)
    return pairs


def exchanged(amount: Decimal, token: str, into: str, pairs: Pairs) -> Decimal | None:
    """What comes out for `amount` of a token, before slippage and fee; None where no quotes lead there.

    Sold at the bid, bought at the ask. Sizes are not used up: they are of the book, and a swap is none of its orders.
    `TOO_MUCH` stands for all that is more.
    """
    for way in _ways(token, into):
        left: Decimal | None = amount
        for given, got in way:
            left = None if left is None else _over_one_pair(left, given, got, pairs)
        if left is not None:
            return left
    return None


def _ways(token: str, into: str) -> Iterator[tuple[tuple[str, str], ...]]:
    yield ((token, into),)
    for between in _BETWEEN:
        if between not in (token, into):
            yield (token, between), (between, into)


def _over_one_pair(amount: Decimal, given: str, got: str, pairs: Pairs) -> Decimal | None:
    sold, bought = pairs.get((given, got)), pairs.get((got, given))
    if sold is not None:
        return min(amount * sold.bid, TOO_MUCH)
    if bought is None:
        return None
    return TOO_MUCH if amount >= TOO_MUCH * bought.ask else divide(amount, bought.ask, DIGITS)
