"""Slippage by hand: positive is adverse."""

from decimal import Decimal

import pytest

from ordergate.domain.instruments import built_in
from ordergate.domain.market import Quote, mid
from ordergate.domain.orders.states import Side
from ordergate.domain.slippage import MaxSlippage, Slippage, bound_at, slippage
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


@pytest.mark.parametrize(("symbol", "side", "reference", "most", "bound"), [
    ("AAPL", "buy", "100", MaxSlippage(bps=D(10)), "100.1"),
    ("AAPL", "sell", "100", MaxSlippage(bps=D(10)), "99.9"),
    ("AAPL", "short", "100.005", MaxSlippage(bps=D(10)), "99.91"),  # 99.904995: a worse tick would be beyond it
    ("AAPL", "cover", "100.005", MaxSlippage(bps=D(10)), "100.1"),  # 100.105005
    ("EURUSD", "buy", "1.085", MaxSlippage(pips=D("1.5")), "1.08515"),
    ("EURUSD", "sell", "1.085", MaxSlippage(pips=D("1.55")), "1.08485"),
    ("AAPL", "sell", "100", MaxSlippage(bps=D(10_000)), None),  # zero is no price
    ("AAPL", "buy", "100", MaxSlippage(pips=D(1)), None),  # it has no pips
])  # fmt: skip
def test_the_worst_price_within_a_bound(symbol, side, reference, most, bound) -> None:
    instrument = built_in(symbol)
    assert instrument is not None
    found = bound_at(D(reference), Side(side), most, instrument)
    assert found == (None if bound is None else D(bound))
    if found is not None:
        slip = slippage(Side(side), found, D(reference), instrument.pip_size)
        assert not most.exceeded_by(slip)
        tick_further = found + Side(side).sign * instrument.tick
        assert most.exceeded_by(slippage(Side(side), tick_further, D(reference), instrument.pip_size))
