"""Slippage by hand: positive is adverse."""

from decimal import Decimal

import pytest

from ordergate.domain.market import Quote, mid
from ordergate.domain.orders.states import Side
from ordergate.domain.slippage import Slippage, slippage
from ordergate.testing.playbook import START

D = Decimal


@pytest.mark.parametrize(("side", "price", "benchmark", "pip", "bps", "pips"), [
    ("buy", "101", "100", None, "100", None),
    ("buy", "99", "100", None, "-100", None),
    ("sell", "99", "100", None, "100", None),
    ("sell", "101", "100", None, "-100", None),
    ("short", "99.5", "100", None, "50", None),
    ("cover", "100.5", "100", None, "50", None),
    ("buy", "1.08515", "1.085", "0.0001", "1.3825", "1.5"),
    ("short", "1.08485", "1.085", "0.0001", "1.3825", "1.5"),
    ("sell", "150.123", "150.1", "0.01", "-1.5323", "-2.3"),
    ("buy", "100", "100", "0.01", "0", "0"),
])  # fmt: skip
def test_by_hand(side: str, price: str, benchmark: str, pip: str | None, bps: str, pips: str | None) -> None:
    found = slippage(Side(side), D(price), D(benchmark), None if pip is None else D(pip))
    assert found == Slippage(D(bps), None if pips is None else D(pips))


def test_without_a_benchmark_there_is_none() -> None:
    assert slippage(Side.BUY, D(1), None, D("0.01")) == Slippage()


def test_against_nothing_there_are_only_pips() -> None:
    assert slippage(Side.BUY, D("0.5"), D(0), D("0.1")) == Slippage(None, D(5))


def test_the_mid_is_exact() -> None:
    quote = Quote("EURUSD", START, D("1.08500"), D("1.08513"))
    assert str(mid(quote.bid, quote.ask)) == "1.085065"
