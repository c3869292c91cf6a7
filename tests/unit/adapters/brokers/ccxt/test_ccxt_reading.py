"""Orders and trades as ccxt tells them: read whole, or not at all."""

from decimal import Decimal
from typing import Any

import pytest

from ordergate.adapters.brokers.ccxt.known import KNOWN
from ordergate.adapters.brokers.ccxt.reading import (
    Place,
    Unreadable,
    executed,
    order_in,
    place_of,
    standing,
    trade_in,
)
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.reports import Acknowledged, Confirmed, End, Ended
from ordergate.domain.orders.states import Side

SPOT: dict[str, Any] = {"symbol": "BTC/USDT"}
PERP: dict[str, Any] = {"symbol": "BTC/USDT:USDT", "contract": True, "contractSize": "0.01", "settle": "USDT"}
TRADE: dict[str, Any] = {
    "id": "7",
    "order": "1001",
    "timestamp": 1_700_000_000_123,
    "side": "sell",
    "amount": "0.50",
    "price": "50000.10",
    "fee": {"cost": "0.001", "currency": "BNB"},
    "info": {"realizedPnl": "-1.50"},
}
ORDER: dict[str, Any] = {
    "id": "1001",
    "clientOrderId": "ord-000001.1",
    "status": "open",
    "amount": "2",
    "filled": "0.5",
    "timestamp": 5,
}
BINANCE = KNOWN["binance"]


def test_a_trade_is_told_exactly_and_its_fee_in_its_own_currency() -> None:
    said = executed(trade_in(TRADE, SPOT), "b", "ord-000001.1")
    assert (said.exec_id, said.broker_order_id) == ("BTC/USDT#7", "BTC/USDT#1001")
    assert (said.quantity, said.price, said.side) == (Decimal("0.5"), Decimal("50000.1"), Side.SELL)
    assert (said.fee, said.fee_currency, said.deltas) == (Decimal("0.001"), "BNB", None)
    assert said.time.microsecond == 123_000


def test_contracts_become_base_units_and_what_was_realized_is_told() -> None:
    said = executed(trade_in(TRADE, PERP), "b", None)
    assert said.quantity == Decimal("0.005")
    assert said.deltas == (
        Delta("b:Perp:BTCUSDT", Decimal("-0.005"), "trade"),
        Delta("b:BaseToken:USDT", Decimal("-1.5"), "trade"),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"order": None},
        {"amount": None},
        {"amount": "NaN"},
        {"price": "Infinity"},
        {"price": "x"},
        {"timestamp": None},
        {"side": None},
        {"fee": {"cost": "1", "currency": None}},
        {"fees": [{"cost": "1", "currency": "BNB"}, {"cost": "1", "currency": "USDT"}]},
    ],
)
def test_half_a_trade_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        trade_in({**TRADE, **change}, SPOT)


@pytest.mark.parametrize("change", [{"id": None}, {"status": None}, {"amount": None}, {"filled": None}])
def test_half_an_order_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        order_in({**ORDER, **change}, SPOT, BINANCE)


@pytest.mark.parametrize(
    ("status", "kind", "end"),
    [
        ("open", Acknowledged, None),
        ("canceling", Acknowledged, None),
        ("something", Acknowledged, None),
        ("closed", Ended, End.CANCELED),
        ("canceled", Ended, End.CANCELED),
        ("expired", Ended, End.EXPIRED),
        ("rejected", Ended, End.REJECTED),
    ],
)
def test_how_an_order_stands(status: str, kind: type, end: End | None) -> None:
    found = order_in({**ORDER, "status": status}, SPOT, BINANCE)
    said = standing(found, "b")
    assert type(said) is kind
    assert getattr(said, "end", None) is end
    assert found.works is (kind is Acknowledged)


def test_an_order_that_is_closed_is_filled_only_where_all_of_it_is() -> None:
    filled = order_in({**ORDER, "status": "closed", "filled": "2"}, SPOT, BINANCE)
    assert type(standing(filled, "b")) is Confirmed
    part = standing(order_in({**ORDER, "status": "closed"}, SPOT, BINANCE), "b")
    assert isinstance(part, Ended)
    assert part.reason == "closed at the exchange"


def test_a_place_is_found_again_from_its_name() -> None:
    place = Place("BTC/USDT:USDT", "12")
    assert place_of(place.name) == place
    assert [place_of(said) for said in (None, "", "12", "#12", "BTC/USDT#")] == [None] * 5
