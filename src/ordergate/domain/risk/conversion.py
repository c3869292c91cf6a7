"""What an amount in one currency is worth in another, by the rates at hand."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from ordergate.domain.market import Quote, mid
from ordergate.domain.money import ONE, divide

PLACES = 24
"""Digits behind the point of a rate that is the inverse of a quoted one."""


class Rates:
    """Rates by fixed ones and quotes.

    Args:
        fixed: such as `{"USDT/USD": 1}`.
        quote: the last quote of a symbol, if it is fresh enough to count; else None.
    """

    def __init__(self, fixed: Mapping[str, Decimal], quote: Callable[[str], Quote | None]) -> None:
        self._fixed, self._quote = fixed, quote
        self._known: dict[tuple[str, str], Decimal | None] = {}

    def rate(self, source: str, target: str) -> Decimal | None:
        """What one unit of `source` is worth in `target`; None where no rate leads there, directly or by the dollar."""
        if source == target:
            return ONE
        key = source, target
        if key not in self._known:
            self._known[key] = self._direct(source, target) or self._by_the_dollar(source, target)
        return self._known[key]

    def to_usd(self, currency: str) -> Decimal | None:
        """What one unit is worth in US dollars."""
        return self.rate(currency, "USD")

    def _by_the_dollar(self, source: str, target: str) -> Decimal | None:
        if "USD" in (source, target):
            return None
        first, second = self._direct(source, "USD"), self._direct("USD", target)
        return first * second if first is not None and second is not None else None

    def _direct(self, source: str, target: str) -> Decimal | None:
        there = self._pair(source, target)
        if there is not None:
            return there
        back = self._pair(target, source)
        return divide(ONE, back, PLACES) if back else None

    def _pair(self, base: str, currency: str) -> Decimal | None:
        fixed = self._fixed.get(f"{base}/{currency}")
        if fixed is not None:
            return fixed
        for symbol in (f"{base}{currency}", f"{base}/{currency}"):
            quote = self._quote(symbol)
            if quote is not None and _is_price(quote.bid) and _is_price(quote.ask):
                return mid(quote.bid, quote.ask)
        return None


def _is_price(number: Decimal) -> bool:
    return number.is_finite() and number > 0
