"""The settings of an exchange: what cannot be is said, with what would be right."""

from typing import Any

import pytest

from ordergate.adapters.brokers.ccxt import CcxtSettings
from ordergate.adapters.brokers.ccxt.settings import Wallet
from ordergate.application.ports.brokers import Deduplication
from ordergate.config import Config, ConfigError, assembled
from ordergate.config.secret_places import places_in
from ordergate.domain.operations import Operation

GOOD: dict[str, Any] = {
    "adapter": "ccxt",
    "symbols": ["BTC/USDT"],
    "api_key_env": "BINANCE_KEY",
    "secret_env": "BINANCE_SECRET",
}


def config(**change: Any) -> Config:
    section = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    return assembled({"brokers": {"paper": {}, "binance": section}}, "orders.toml")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"symbols": []}, "symbols: is missing"),
        ({"symbols": ["BTCUSDT"]}, "write such as BTC/USDT"),
        ({"symbols": ["BTC/USDT:USDT"]}, "is no symbol of market = 'spot'"),
        ({"symbols": ["BTC/USDT"], "market": "linear"}, "write such as BTC/USDT:USDT"),
        ({"symbols": ["BTC/USD:BTC"], "market": "linear"}, "is no symbol of market = 'linear'"),
        ({"symbols": ["BTC/USDT", "BTC/USDT"]}, "one is written twice"),
        ({"deadline_ms": 26_000}, "deadline_ms is 26000: it must be from 1 to 25000"),
        ({"receive_window_ms": 60_001}, "receive_window_ms is 60001"),
        ({"api_key_env": None}, "write one of api_key_env, api_key_file, api_key_secret"),
        ({"secret_env": None}, "write one of secret_env, secret_file, secret"),
        ({"secret_env": "a secret!"}, "is no name of a variable; the secret itself does not go here"),
        ({"secret": "mts1b/binance#secret"}, "write one of"),
        ({"api_kee": "x"}, "api_kee"),
        ({"poll_ms": 30_001}, "poll_ms is 30001"),
        ({"max_calls_per_s": 0}, "max_calls_per_s"),
        ({"options": {"recvWindow": 60_000}}, "options.recvWindow: is set by ordergate"),
        ({"options": {"maxRetriesOnFailure": 3}}, "nothing is sent again without proof"),
        ({"options": {"order": {"maxRetriesOnFailure": 1}}}, "options.order.maxRetriesOnFailure: is set by"),
        ({"options": {"order": {"defaultMaxRetriesOnFailure": 1}}}, "nothing is sent again without proof"),
        ({"options": {"defaultType": "swap"}}, "write market"),
        ({"options": {"createMarketBuyOrderRequiresPrice": False}}, "counts as money: send a limit order"),
        (
            {"options": {"createOrder": {"createMarketBuyOrderRequiresPrice": False}}},
            "options.createOrder.create",
        ),
        ({"options": {"defaultCreateMarketBuyOrderRequiresPrice": False}}, "counts as money"),
        ({"options": {"tgtCcy": "quote_ccy"}}, "count as money: send a limit order"),
    ],
)
def test_what_cannot_be(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match="binance") as error:
        config(**change)
    assert text in str(error.value)


def test_secrets_are_found_by_the_one_helper() -> None:
    named = {place.setting for place in places_in(config(password_file="/run/secrets/x"))}
    assert named == {
        "brokers.binance.api_key_env",
        "brokers.binance.secret_env",
        "brokers.binance.password_file",
    }


def test_what_is_known_of_binance_alone_is_claimed_of_it_alone() -> None:
    known = CcxtSettings(symbols=("BTC/USDT",)).capabilities()
    assert (known.deduplication, known.proves_absence) == (Deduplication.WHILE_OPEN, True)
    perp = CcxtSettings(market=Wallet.LINEAR, symbols=("BTC/USDT:USDT",)).capabilities()
    assert (perp.deduplication, perp.proves_absence) == (Deduplication.WHILE_OPEN, False)
    other = CcxtSettings(exchange="kraken", symbols=("BTC/USDT",)).capabilities()
    assert (other.deduplication, other.proves_absence) == (Deduplication.NONE, False)


def test_grace_is_longer_than_what_makes_a_request_void() -> None:
    settings = CcxtSettings(symbols=("BTC/USDT",))
    assert settings.capabilities().grace_s > settings.window_s + 2


def test_a_wallet_trades_one_kind() -> None:
    spot = CcxtSettings(symbols=("BTC/USDT",))
    perp = CcxtSettings(market=Wallet.LINEAR, symbols=("BTC/USDT:USDT",))
    assert spot.capabilities().operations == {Operation.SPOT_TRADE}
    assert perp.capabilities().operations == {Operation.PERP_TRADE}


def test_its_calls_are_bounded_as_every_broker_s() -> None:
    assert config(max_calls_per_s=5).brokers["binance"].max_calls_per_s == 5
