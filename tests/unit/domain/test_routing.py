"""Which broker an order goes to: every way there is."""

from itertools import product

import pytest

from ordergate.domain.instruments import AssetClass
from ordergate.domain.operations import Operation
from ordergate.domain.routing import Route, Routed, later, routed

CRYPTO, EQUITY = AssetClass.CRYPTO, AssetClass.EQUITIES
BTC = Route(brokers=("kraken",), symbols=("BTC/USDT",))
COINS = Route(brokers=("binance", "kraken", "backup"), asset_classes=(CRYPTO,))
ALL = Route(brokers=("other",))
LOANS = Route(brokers=("chain",), asset_classes=(CRYPTO,), operations=(Operation.BORROW, Operation.REPAY))
SPOT = Operation.SPOT_TRADE


def where(rules, down=(), *, asset_class=CRYPTO, operation=SPOT, symbol="ETH/USDT"):
    return routed(rules, "paper", asset_class, operation, symbol, lambda broker: broker in down)


@pytest.mark.parametrize(
    ("rules", "symbol", "asset_class", "wanted"),
    [
        ((), "ETH/USDT", CRYPTO, Routed("paper")),
        ((COINS,), "AAPL", EQUITY, Routed("paper")),
        ((BTC,), "ETH/USDT", CRYPTO, Routed("paper")),
        ((BTC, COINS), "BTC/USDT", CRYPTO, Routed("kraken", BTC.brokers)),
        ((COINS, BTC), "BTC/USDT", CRYPTO, Routed("binance", COINS.brokers)),
        ((BTC, COINS), "ETH/USDT", CRYPTO, Routed("binance", COINS.brokers)),
        ((BTC, COINS, ALL), "AAPL", EQUITY, Routed("other", ALL.brokers)),
        (
            (Route(brokers=("x",), asset_classes=(EQUITY,), symbols=("BTC/USDT",)),),
            "BTC/USDT",
            CRYPTO,
            Routed("paper"),
        ),
    ],
)
def test_the_first_rule_that_fits_counts(rules, symbol, asset_class, wanted) -> None:
    assert where(rules, symbol=symbol, asset_class=asset_class) == wanted


@pytest.mark.parametrize("down", list(product((False, True), repeat=3)))
def test_the_first_broker_that_is_not_down_gets_it_and_the_first_where_all_are(down) -> None:
    names = [name for name, is_down in zip(COINS.brokers, down, strict=True) if is_down]
    up = [name for name in COINS.brokers if name not in names]
    assert where((COINS,), names) == Routed([*up, "binance"][0], COINS.brokers)


@pytest.mark.parametrize(
    ("route", "broker", "wanted"),
    [
        (None, "paper", []),
        (("a", "b", "c"), "a", ["b", "c"]),
        (("a", "b", "c"), "b", ["c"]),
        (("a", "b", "c"), "c", []),
        (("a", "b", "c"), "elsewhere", []),
    ],
)
def test_a_route_is_gone_along_one_way(route, broker, wanted) -> None:
    assert list(later(route, broker)) == wanted


@pytest.mark.parametrize("operation", Operation)
def test_a_rule_may_be_for_some_operations(operation: Operation) -> None:
    lent = operation in LOANS.operations
    wanted = Routed("chain", LOANS.brokers) if lent else Routed("binance", COINS.brokers)
    assert where((LOANS, COINS), operation=operation) == wanted
    assert where((LOANS,), operation=operation, asset_class=EQUITY).route is None
