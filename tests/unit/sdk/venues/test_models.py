"""Orders for venues: what they need, and what is said where it is missing."""

import math

import pytest
from pydantic import ValidationError

from ordergate.sdk.venues import Order, OrderOperation, VenueType
from tests.unit.sdk.venues.gates import spot

TRANSFER = {
    "venue": "wallet", "operation": "transfer", "source_venue": "wallet", "target_venue": "binance", "token": "USDT",
    "amount": 5000,
}  # fmt: skip


def test_there_are_twelve_operations() -> None:
    assert len(OrderOperation) == 12
    assert OrderOperation("spot_trade").value == "spot_trade"


def test_an_order_as_it_is_written() -> None:
    order = Order(venue="binance", operation="spot_trade", pair="BTC/USDT", side="BUY", amount=0.5)
    assert order.operation is OrderOperation.SPOT_TRADE
    assert (order.order_type, order.execution_mode, order.timestamp_group) == (
        "market",
        "sequential",
        "default",
    )
    assert (order.price, order.metadata, order.is_atomic()) == (None, {}, False)
    assert Order(**order.to_dict()) == order


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amount": 0}, "amount must be positive"),
        ({"amount": -1}, "amount must be positive"),
        ({"amount": math.nan}, "finite number"),
        ({"amount": math.inf}, "finite number"),
        ({"price": 0}, "price must be positive"),
        ({"slippage_tolerance": -0.01}, "slippage_tolerance must not be negative"),
        ({"pair": None}, "spot_trade requires 'pair' parameter"),
        ({"side": None}, "spot_trade requires 'side' parameter"),
        ({"operation": "perp_trade", "pair": ""}, "perp_trade requires 'pair' parameter"),
        ({"operation": "perp_trade", "side": None}, "perp_trade requires 'side' parameter"),
        ({"operation": "supply"}, "supply requires 'token_in' parameter"),
        ({"operation": "stake"}, "stake requires 'token_in' parameter"),
        ({"operation": "swap"}, "swap requires 'token_in' parameter"),
        (TRANSFER | {"source_venue": None}, "transfer requires 'source_venue' parameter"),
        (TRANSFER | {"target_venue": None}, "transfer requires 'target_venue' parameter"),
        (TRANSFER | {"token": None}, "transfer requires 'token' parameter"),
        ({"execution_mode": "atomic"}, "atomic_group_id required when execution_mode is atomic"),
        ({"atomic_group_id": "g"}, "sequence_in_group required when atomic_group_id is provided"),
        ({"side": "UP"}, "Input should be 'BUY', 'SELL', 'LONG' or 'SHORT'"),
        ({"operation": "teleport"}, "Input should be 'spot_trade'"),
        ({"order_type": "stop"}, "Input should be 'market' or 'limit'"),
        ({"quantity": 1}, "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_what_is_missing_or_wrong_is_said(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("(", r"\(")):
        spot(**changes)


@pytest.mark.parametrize(
    ("side", "name", "value", "message"),
    [
        ("LONG", "take_profit", 100, "take_profit must be higher than entry price for LONG positions"),
        ("SHORT", "take_profit", 100, "take_profit must be lower than entry price for SHORT positions"),
        ("LONG", "stop_loss", 100, "stop_loss must be lower than entry price for LONG positions"),
        ("SHORT", "stop_loss", 100, "stop_loss must be higher than entry price for SHORT positions"),
    ],
)
def test_levels_lie_on_their_side_of_the_entry(side: str, name: str, value: float, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spot(side=side, price=100, **{name: value})
    sign = 1 if (side == "LONG") == (name == "take_profit") else -1
    assert getattr(spot(side=side, price=100, **{name: 100 + sign}), name) == 100 + sign


def test_levels_without_a_price_and_of_buys_are_not_compared() -> None:
    assert spot(side="LONG", take_profit=1).take_profit == 1
    assert spot(side="BUY", price=100, take_profit=1).take_profit == 1


def test_what_is_assigned_is_checked() -> None:
    order = spot()
    with pytest.raises(ValidationError, match="amount must be positive"):
        order.amount = -1


def test_newer_names_are_taken() -> None:
    order = Order(**{**TRANSFER, "token": None, "source_token": "USDT", "operation_id": "op-1"})
    assert (order.moved_token, order.operation_id) == ("USDT", "op-1")


@pytest.mark.parametrize(
    ("venue", "kind"),
    [
        ("binance", VenueType.CEX), ("Bybit", VenueType.CEX), ("okx", VenueType.CEX), ("aave", VenueType.DEFI),
        ("aave_v3", VenueType.DEFI), ("morpho", VenueType.DEFI), ("etherfi", VenueType.DEFI), ("lido", VenueType.DEFI),
        ("instadapp", VenueType.DEFI_MIDDLEWARE), ("uniswap", VenueType.DEFI_MIDDLEWARE),
        ("curve", VenueType.DEFI_MIDDLEWARE), ("wallet", VenueType.WALLET), ("nobody_knows", VenueType.DEFI),
    ],
)  # fmt: skip
def test_the_kinds_of_venues(venue: str, kind: VenueType) -> None:
    assert spot(venue=venue).get_venue_type() is kind


def test_what_an_order_is() -> None:
    assert spot().is_cex_trade()
    transfer = Order(**TRANSFER)
    assert transfer.is_wallet_transfer()
    lent = Order(venue="aave_v3", operation="supply", token_in="USDT", amount=1)
    assert lent.is_defi_operation()
    assert not lent.is_cex_trade()
