"""What a market does not take is said before anything is sent, and nothing is rounded."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.ccxt.steps import contract_size, wrong
from ordergate.application.ports.brokers import Send
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

MARKET: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "active": True,
    "precision": {"amount": "0.00001000", "price": "0.01000000"},
    "limits": {
        "amount": {"min": "0.00001000", "max": "9000"},
        "price": {"min": "0.01", "max": "1000000"},
        "cost": {"min": "5", "max": "9000000"},
        "market": {"min": "0", "max": "120"},
    },
}
SEND = Send(
    client_id="ord-000001.1",
    symbol="BTC/USDT",
    side=Side.BUY,
    quantity=Decimal("0.01"),
    order_type=OrderType.LIMIT,
    tif=TimeInForce.GTC,
    limit_price=Decimal("50000.01"),
)
TICK_SIZE = 4


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, None),
        (
            {"quantity": Decimal("0.010001")},
            "quantity: 0.010001 is no multiple of 0.00001: 0.01 or 0.01001 is",
        ),
        (
            {"limit_price": Decimal("50000.005")},
            "limit_price: 50000.005 is no multiple of 0.01: 50000 or 50000.01 is",
        ),
        ({"quantity": Decimal("10000")}, "quantity: 10000 is above the maximum of 9000"),
        ({"quantity": Decimal("0.00005")}, "quantity times limit_price: 2.5000005 is below the minimum of 5"),
        ({"limit_price": None}, "limit_price: is missing: a limit order needs one"),
        ({"quantity": Decimal("NaN")}, "quantity: NaN is no number above zero"),
        ({"limit_price": Decimal(-1)}, "limit_price: -1 is no number above zero"),
        ({"order_type": OrderType.MARKET, "limit_price": None, "quantity": Decimal("0.00005")}, None),
        (
            {"order_type": OrderType.MARKET, "limit_price": None, "quantity": Decimal(121)},
            "quantity: 121 is above the maximum of 120",
        ),
        (
            {"order_type": OrderType.MARKET, "limit_price": None, "tif": TimeInForce.FOK},
            "tif: a market order cannot be fok here: it trades what there is and ends",
        ),
    ],
)
def test_terms(change: dict[str, Any], text: str | None) -> None:
    assert wrong(replace(SEND, **change), MARKET, TICK_SIZE) == text


def test_other_ways_to_tell_precision() -> None:
    places = {**MARKET, "precision": {"amount": "5", "price": "2"}}
    assert wrong(SEND, places, 2) is None
    assert "no multiple of 0.01" in (wrong(replace(SEND, limit_price=Decimal("1000.001")), places, 2) or "")
    digits = {**MARKET, "precision": {"amount": "5", "price": "5"}}
    assert "more than 5 digits" in (wrong(SEND, digits, 3) or "")
    assert wrong(replace(SEND, limit_price=Decimal("50001")), digits, 3) is None


def test_a_market_without_limits_takes_what_is_a_number() -> None:
    assert wrong(SEND, {"precision": {}, "limits": {}}, TICK_SIZE) is None


def test_contracts_are_counted_by_their_size() -> None:
    perp = {**MARKET, "contract": True, "contractSize": "0.1", "precision": {"amount": "1"}, "limits": {}}
    assert contract_size(perp) == Decimal("0.1")
    assert wrong(replace(SEND, quantity=Decimal("0.3")), perp, TICK_SIZE) is None
    assert "quantity: 0.25 is no multiple" in (
        wrong(replace(SEND, quantity=Decimal("0.25")), perp, TICK_SIZE) or ""
    )


def test_a_market_that_is_closed() -> None:
    text = wrong(SEND, {**MARKET, "active": False}, TICK_SIZE)
    assert text == "symbol: BTC/USDT is not traded at the exchange now"
