"""The order body that all doors share: what is taken, and what a refusal says."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.orders.commands import ORDER_FIELDS, SubmitOrder, parse_order
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

D = Decimal
BODY: dict[str, Any] = {
    "idempotency_key": "k", "fund_id": "fund", "symbol": "AAPL", "side": "buy", "quantity": "100",
    "order_type": "limit", "limit_price": "180.50",
}  # fmt: skip


def refusal(body: Any) -> tuple[Code, str | None]:
    with pytest.raises(Invalid) as caught:
        parse_order(body)
    return caught.value.code, caught.value.pointer


NOT_OF_A_STOP = {"max_slippage_bps", "max_slippage_pips", "operation", "terms"}


def test_a_whole_order() -> None:
    more = {
        "order_id": "mine-1", "order_type": "stop_limit", "stop_price": 181, "tif": "gtc", "strategy_id": "s",
        "broker": "paper", "actor": "ann", "signal_id": "sig", "retry_of": "ord-0", "thesis": "because",
        "entry_price": "180", "stop_loss": "170", "take_profit": D(200), "expires_at": "2026-02-01T00:00:00Z",
        "lots": ["ord-1.x", "ord-2.x"], "order_manager": "Rebalance of 26 May, 2",
    }  # fmt: skip
    assert parse_order(BODY | more) == SubmitOrder(
        fund_id="fund", symbol="AAPL", side=Side.BUY, quantity=D(100), order_type=OrderType.STOP_LIMIT,
        key_kind="idempotency_key", key="k", tif=TimeInForce.GTC, order_id="mine-1", limit_price=D("180.5"),
        stop_price=D(181), strategy_id="s", broker="paper", actor="ann", signal_id="sig", retry_of="ord-0",
        thesis="because", entry_price=D(180), stop_loss=D(170), take_profit=D(200),
        expires_at=datetime(2026, 2, 1, tzinfo=UTC), lots=("ord-1.x", "ord-2.x"),
            order_manager="Rebalance of 26 May, 2",
    )  # fmt: skip
    assert {*BODY, *more} == set(ORDER_FIELDS) - NOT_OF_A_STOP


def test_nothing_said_and_null_are_the_same() -> None:
    assert parse_order(BODY | {"tif": None, "stop_price": None}) == parse_order(BODY)


@pytest.mark.parametrize("name", ["idempotency_key", "fund_id", "symbol", "side", "quantity", "order_type"])
def test_what_is_needed(name: str) -> None:
    without = {field: value for field, value in BODY.items() if field != name}
    assert refusal(without) == refusal(BODY | {name: None}) == (Code.MISSING, f"#/{name}")


@pytest.mark.parametrize("body", [None, [], "order", 1])
def test_an_order_is_an_object(body: Any) -> None:
    assert refusal(body) == (Code.WRONG_TYPE, None)


@pytest.mark.parametrize(("wrong", "code", "field"), [
    ({"qty": "1"}, Code.UNKNOWN_FIELD, "qty"),
    ({"side": "BUY"}, Code.BAD_VALUE, "side"),
    ({"side": 1}, Code.BAD_VALUE, "side"),
    ({"side": ["buy"]}, Code.BAD_VALUE, "side"),
    ({"order_type": "iceberg"}, Code.BAD_VALUE, "order_type"),
    ({"tif": "forever"}, Code.BAD_VALUE, "tif"),
    ({"quantity": "0"}, Code.NOT_POSITIVE, "quantity"),
    ({"quantity": 1.5}, Code.WRONG_TYPE, "quantity"),
    ({"quantity": "NaN"}, Code.BAD_NUMBER, "quantity"),
    ({"limit_price": "-1"}, Code.NOT_POSITIVE, "limit_price"),
    ({"limit_price": None}, Code.PRICE_MISSING, "limit_price"),
    ({"stop_price": "1"}, Code.PRICE_UNEXPECTED, "stop_price"),
    ({"order_type": "market"}, Code.PRICE_UNEXPECTED, "limit_price"),
    ({"order_type": "stop", "limit_price": None}, Code.PRICE_MISSING, "stop_price"),
    ({"order_type": "stop_limit"}, Code.PRICE_MISSING, "stop_price"),
    ({"thesis": 1}, Code.WRONG_TYPE, "thesis"),
    ({"thesis": "x" * 4001}, Code.BAD_VALUE, "thesis"),
    ({"order_id": "a.b"}, Code.BAD_VALUE, "order_id"),
    ({"expires_at": "tomorrow"}, Code.BAD_VALUE, "expires_at"),
])  # fmt: skip
def test_what_is_wrong_is_named(wrong: dict[str, Any], code: Code, field: str) -> None:
    assert refusal(BODY | wrong) == (code, f"#/{field}")


def test_a_refusal_reads_with_its_field() -> None:
    with pytest.raises(Invalid, match=r"^side: 'up' is none of buy, sell, short, cover$"):
        parse_order(BODY | {"side": "up"})


@pytest.mark.parametrize(("change", "code", "pointer"), [
    ({"tif": "gtd"}, Code.MISSING, "#/expires_at"),
    ({"tif": "opg", "order_type": "stop", "stop_price": 180, "limit_price": None}, Code.BAD_VALUE, "#/tif"),
    ({"order_manager": ""}, Code.BAD_VALUE, "#/order_manager"),
    ({"order_manager": "x" * 256}, Code.BAD_VALUE, "#/order_manager"),
    ({"order_manager": "a\nb"}, Code.BAD_VALUE, "#/order_manager"),
    ({"order_manager": 7}, Code.WRONG_TYPE, "#/order_manager"),
    ({"max_slippage_bps": 0}, Code.NOT_POSITIVE, "#/max_slippage_bps"),
    ({"max_slippage_bps": 5, "max_slippage_pips": 5}, Code.BAD_VALUE, "#/max_slippage_bps"),
    ({"max_slippage_pips": 5, "order_type": "stop", "stop_price": 180, "limit_price": None},
     Code.BAD_VALUE, "#/max_slippage_pips"),
])  # fmt: skip
def test_times_in_force_and_bounds_that_cannot_be(change, code, pointer) -> None:
    with pytest.raises(Invalid) as refused:
        parse_order(BODY | change)
    assert (refused.value.code, refused.value.pointer) == (code, pointer)


def test_a_bound_makes_another_order_and_none_leaves_it_as_it_was() -> None:
    plain_order = parse_order(BODY)
    assert parse_order(BODY | {"max_slippage_bps": None}).fingerprint() == plain_order.fingerprint()
    assert parse_order(BODY | {"max_slippage_bps": 5}).fingerprint() != plain_order.fingerprint()


def test_the_same_order_of_another_manager_is_another_order() -> None:
    one, two = (parse_order(BODY | {"order_manager": name}).fingerprint() for name in ("a", "b"))
    assert len({one, two, parse_order(BODY).fingerprint()}) == 3
    assert parse_order(BODY | {"order_manager": None}).fingerprint() == parse_order(BODY).fingerprint()
