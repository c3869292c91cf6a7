"""Rules of funds in the configuration: what they say, what cannot be, and when a change of them counts."""

from pathlib import Path

import pytest

from ordergate.config import Config, ConfigError, load
from ordergate.config.changing import compare
from ordergate.domain.configuration import KeyClass
from ordergate.domain.instruments import AssetClass
from ordergate.domain.operations import Operation
from ordergate.domain.routing import Route
from tests.services.sharded import TOML

GOOD = """
[brokers.one]
max_calls_per_s = 5
[brokers.two]
[funds.paper-momentum]
broker = "one"
unlimited = true
asset_classes = ["crypto", "fx"]
[[funds.paper-momentum.routes]]
asset_classes = ["crypto"]
operations = ["spot_trade", "borrow"]
symbols = ["BTC/USDT"]
brokers = ["one", "two"]
[[funds.paper-momentum.routes]]
brokers = ["two"]
"""


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    return load(path)


def test_rules_are_the_funds_in_their_order(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD)
    (fund,) = config.fund_values()
    assert fund.routes == (
        Route(
            brokers=("one", "two"),
            asset_classes=(AssetClass.CRYPTO,),
            operations=(Operation.SPOT_TRADE, Operation.BORROW),
            symbols=("BTC/USDT",),
        ),
        Route(brokers=("two",)),
    )
    assert (config.brokers["one"].max_calls_per_s, config.brokers["two"].max_calls_per_s) == (5, None)


def test_a_fund_without_rules_has_none(tmp_path: Path) -> None:
    (fund,) = loaded(tmp_path, "").fund_values()
    assert fund.routes is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('["one", "two"]', '["one", "x"]', "routes[0].brokers: 'x' is no broker; there are one, two"),
        ('["one", "two"]', '["one", "one"]', "routes[0].brokers: 'one' is named twice"),
        ('brokers = ["two"]', "brokers = []", "routes[1].brokers: is empty: name at least one of one, two"),
        ('brokers = ["two"]', 'symbols = ["EURUSD"]', "missing required field `brokers`"),
        ('["BTC/USDT"]', '[""]', "routes[0].symbols: "),
        ('operations = ["spot_trade", "borrow"]', 'operations = ["lend"]', "Invalid enum value 'lend'"),
        ('brokers = ["two"]', 'brokers = ["two"]\nasset_classes = ["equities"]', "the fund trades no equities; it trades crypto, fx"),
        ('brokers = ["two"]', 'broker = ["two"]', "`broker`"),
        ("max_calls_per_s = 5", "max_calls_per_s = 0", ">= 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, GOOD.replace(old, new, 1))
    assert told in str(caught.value)


def test_a_rule_names_no_broker_of_another_shard(tmp_path: Path) -> None:
    rule = '\n[[funds.alpha.routes]]\nbrokers = ["paper-eu", "paper-us"]\n'
    with pytest.raises(
        ConfigError, match=r"brokers\.paper-us: fund alpha lies in shard eu, fund beta in shard us"
    ):
        loaded(tmp_path, TOML.format(beta="us") + rule)


def test_a_broker_that_rules_alone_name_lies_where_their_fund_does(tmp_path: Path) -> None:
    more = '\n[brokers.spare]\n[[funds.alpha.routes]]\nbrokers = ["spare"]\n'
    config = loaded(tmp_path, TOML.format(beta="us") + more)
    assert list(config.shard("eu").brokers) == ["paper-eu", "spare"]
    assert config.shard("eu").fund_values()[0].routes == (Route(brokers=("spare",)),)


def test_a_change_of_rules_counts_at_once(tmp_path: Path) -> None:
    before, after = loaded(tmp_path, GOOD), loaded(tmp_path, GOOD.replace('["one", "two"]', '["two", "one"]'))
    (change,) = compare(before, after)
    assert (change.key, change.key_class) == ("funds.paper-momentum.routes", KeyClass.HOT)
    told = change.told()
    assert '"brokers":["two","one"]' in (told.new or "")
