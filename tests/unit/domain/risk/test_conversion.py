"""Rates: by a pair, by the dollar, and by coins that stand for it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ordergate.domain.market import Quote
from ordergate.domain.risk.conversion import Rates

EARLY, LATE = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)


def quoted(symbol: str, price: str, at: datetime = LATE) -> Quote:
    return Quote(symbol, at, Decimal(price), Decimal(price))


QUOTES = {
    one.symbol: one
    for one in (quoted("ETH/USDT", "3000", EARLY), quoted("EURUSD", "1.25"), quoted("SOL/USDC", "150"))
}
RATES = Rates({"USDT/USD": Decimal("0.99"), "USDC/USD": Decimal(1)}, QUOTES.get)


@pytest.mark.parametrize(
    ("source", "target", "rate"),
    [
        ("EUR", "USD", "1.25"),
        ("ETH", "USD", "2970"),
        ("SOL", "USD", "150"),
        ("ETH", "USDT", "3000"),
        ("ETH", "EUR", "2376"),
        ("USDT", "EUR", "0.792"),
        ("ETH", "BTC", None),
        ("BTC", "USD", None),
    ],
)
def test_a_rate_follows_from_pairs(source: str, target: str, rate: str | None) -> None:
    assert RATES.rate(source, target) == (None if rate is None else Decimal(rate))


def test_where_a_rate_comes_from_and_how_old_it_is() -> None:
    found = RATES.found("ETH", "USD")
    assert found is not None
    assert (found.source, found.time) == ("ETH/USDT, fixed USDT/USD", EARLY)


def test_the_dollar_in_a_coins_token() -> None:
    assert RATES.rate("USD", "ETH") == pytest.approx(Decimal(1) / 2970)


def test_without_what_the_coin_is_worth_there_is_no_rate() -> None:
    assert Rates({}, QUOTES.get).rate("ETH", "USD") is None
