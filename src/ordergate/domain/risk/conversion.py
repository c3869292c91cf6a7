"""What an amount in one currency is worth in another, by the rates at hand."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.domain.market import Quote, mid
from ordergate.domain.money import ONE, divide

PLACES = 24
"""Digits behind the point of a rate that is the inverse of a quoted one."""


class Rate(Struct, frozen=True, gc=False):
    """What one unit of a currency is worth in another.

    Attributes:
        source: the symbols of quotes or the fixed pairs that it follows from.
        time: of the oldest quote in it; None without any.
    """

    rate: Decimal
    source: str
    time: datetime | None = None


_COINS: Final = ("USDT", "USDC")
SAME: Final = Rate(ONE, "same currency")


class Rates:
    """Rates by fixed ones and quotes.

    Args:
        fixed: such as `{"USDT/USD": 1}`.
        quote: the last quote of a symbol, if it is fresh enough to count; else None.
    """

    def __init__(self, fixed: Mapping[str, Decimal], quote: Callable[[str], Quote | None]) -> None:
        self._fixed, self._quote = fixed, quote
        self._known: dict[tuple[str, str], Rate | None] = {}

    def rate(self, source: str, target: str) -> Decimal | None:
        """What one unit of `source` is worth in `target`; None where no rate leads there: see `found`."""
        found = self.found(source, target)
        return None if found is None else found.rate

    def found(self, source: str, target: str) -> Rate | None:
        """As `rate`, with where it comes from: a pair, or two by way of the dollar, or of a coin that stands for it."""
        if source == target:
            return SAME
        key = source, target
        if key not in self._known:
            self._known[key] = self._near(source, target) or self._by_the_dollar(source, target)
        return self._known[key]

    def to_usd(self, currency: str) -> Decimal | None:
        """What one unit is worth in US dollars."""
        return self.rate(currency, "USD")

    def _by_the_dollar(self, source: str, target: str) -> Rate | None:
        if "USD" in (source, target):
            return None
        return _both(self._near(source, "USD"), self._near("USD", target))

    def _near(self, source: str, target: str) -> Rate | None:
        """Directly; from and to the dollar also by a coin that tokens are quoted in."""
        found = self._direct(source, target)
        for coin in _COINS if "USD" in (source, target) else ():
            if found is None and coin not in (source, target):
                found = _both(self._direct(source, coin), self._direct(coin, target))
        return found

    def _direct(self, source: str, target: str) -> Rate | None:
        there = self._pair(source, target)
        if there is not None:
            return there
        back = self._pair(target, source)
        return None if back is None else Rate(divide(ONE, back.rate, PLACES), f"1 / {back.source}", back.time)

    def _pair(self, base: str, currency: str) -> Rate | None:
        fixed = self._fixed.get(f"{base}/{currency}")
        if fixed:
            return Rate(fixed, f"fixed {base}/{currency}")
        for symbol in (f"{base}{currency}", f"{base}/{currency}"):
            quote = self._quote(symbol)
            if quote is not None and _is_price(quote.bid) and _is_price(quote.ask):
                return Rate(mid(quote.bid, quote.ask), symbol, quote.time)
        return None


def _both(first: Rate | None, second: Rate | None) -> Rate | None:
    if first is None or second is None:
        return None
    times = [time for time in (first.time, second.time) if time is not None]
    return Rate(first.rate * second.rate, f"{first.source}, {second.source}", min(times, default=None))


def _is_price(number: Decimal) -> bool:
    return number.is_finite() and number > 0
