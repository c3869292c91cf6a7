"""Signals in both dialects, what they mean as orders, and what becomes of those that mean none."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.application.view import SignalRouting
from ordergate.domain.errors import Code, Invalid
from ordergate.domain.instruments import AssetClass
from ordergate.domain.orders.states import OrderType, Side, State
from ordergate.domain.signals import SIGNAL_FIELDS, Signal, SubmitSignal, parse_signal
from ordergate.testing.playbook import FUND, Playbook

D = Decimal
ONE: dict[str, Any] = {
    "signal_id": "sig-1", "symbol": "EURUSD", "signal_type": "BUY", "position_size": "0.5", "entry_price": "1.085",
    "stop_loss": "1.08", "take_profit": "1.1", "timestamp": "2026-01-05T14:00:00Z", "confidence": 0.8,
    "strategy_id": "trend", "order_manager": "May, 2", "fund_id": "fund", "risk_approval_status": "approved", "approved": True,
    "expires_at": "2026-01-05T16:00:00Z", "model_version": "3", "feature_importance": {"rsi": 0.2},
}  # fmt: skip
OTHER: dict[str, Any] = {
    "id": "sig-2", "symbol": "XAUUSD", "direction": "short", "volume": D("0.10"), "timestamp_ms": 1767625200000,
    "valid_until": "2026-01-05T16:00:00+01:00", "timeframe": "H1", "reason": "trend", "checks": [],
}  # fmt: skip


def refusal(body: Any) -> tuple[Code, str | None]:
    with pytest.raises(Invalid) as caught:
        parse_signal(body)
    return caught.value.code, caught.value.pointer


def test_one_dialect() -> None:
    assert parse_signal(ONE) == Signal(
        signal_id="sig-1", symbol="EURUSD", action="buy", quantity=D("0.5"), entry_price=D("1.085"),
        time=datetime(2026, 1, 5, 14, tzinfo=UTC), stop_loss=D("1.08"), take_profit=D("1.1"),
        expires_at=datetime(2026, 1, 5, 16, tzinfo=UTC), strategy_id="trend", fund_id="fund",
        order_manager="May, 2",
    )  # fmt: skip


def test_the_other_dialect() -> None:
    assert parse_signal(OTHER) == Signal(
        signal_id="sig-2", symbol="XAUUSD", action="short", quantity=D("0.1"),
        time=datetime(2026, 1, 5, 15, tzinfo=UTC), expires_at=datetime(2026, 1, 5, 15, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize(("action", "side"), [
    ("buy", Side.BUY), ("sell", Side.SELL), ("long", Side.BUY), ("short", Side.SHORT),
    ("close_long", Side.SELL), ("close_short", Side.COVER), ("CLOSE_SHORT", Side.COVER),
])  # fmt: skip
def test_actions(action: str, side: Side) -> None:
    assert parse_signal(ONE | {"signal_type": action}).side is side


LEVELS = {"entry_price": "1.0812", "stop_loss": "1.08", "take_profit": "1.09"}
TURNED = LEVELS | {"stop_loss": "1.09", "take_profit": "1.08"}


@pytest.mark.parametrize(("action", "levels", "wrong"), [
    ("buy", LEVELS, None), ("long", LEVELS, None), ("sell", TURNED, None), ("short", TURNED, None),
    ("buy", TURNED, "#/stop_loss"), ("long", LEVELS | {"stop_loss": "1.09"}, "#/stop_loss"),
    ("buy", LEVELS | {"take_profit": "1.08"}, "#/take_profit"), ("sell", LEVELS, "#/stop_loss"),
    ("short", TURNED | {"take_profit": "1.0813"}, "#/take_profit"),
    ("buy", LEVELS | {"stop_loss": "1.0812", "take_profit": "1.0812"}, None),
    ("buy", TURNED | {"entry_price": None}, None), ("buy", {"stop_loss": None} | {"take_profit": "1.08"}, "#/take_profit"),
    ("close_long", TURNED, None), ("close_short", LEVELS, None),
])  # fmt: skip
def test_levels_lie_on_their_sides_of_the_entry_price(action: str, levels: Any, wrong: str | None) -> None:
    signal = parse_signal(ONE | {"signal_type": action} | levels)
    if wrong is None:
        signal.check_levels()
        return
    with pytest.raises(Invalid) as caught:
        signal.check_levels()
    assert (caught.value.code, caught.value.pointer) == (Code.BAD_VALUE, wrong)
    assert str(getattr(signal, wrong[2:])) in str(caught.value)


def test_a_signal_that_contradicts_itself_makes_no_order() -> None:
    book = Playbook()
    answer = book.step(SubmitSignal(parse_signal(ONE | {"stop_loss": "1.09"}))).answer
    assert (answer.order, answer.refusal.pointer) == (None, "#/stop_loss")
    book.expect("SignalRefused")


@pytest.mark.parametrize("action", ["hold", "neutral", "up"])
def test_an_action_that_makes_no_order(action: str) -> None:
    with pytest.raises(Invalid) as caught:
        _ = parse_signal(ONE | {"signal_type": action}).side
    assert caught.value.code is Code.SIGNAL_NO_ORDER


@pytest.mark.parametrize(("said", "approved", "why"), [
    ({}, True, None),
    ({"approved": True}, True, None),
    ({"risk_approval_status": "approved"}, True, None),
    ({"approved": None, "risk_approval_status": None}, True, None),
    ({"approved": False}, False, "approved is false"),
    ({"risk_approval_status": "pending"}, False, "risk_approval_status is pending"),
    ({"risk_approval_status": "rejected"}, False, "risk_approval_status is rejected"),
    ({"risk_approval_status": "APPROVED"}, False, "risk_approval_status is APPROVED"),
    ({"approved": False, "risk_approval_status": "approved"}, False, "approved is false"),
    ({"approved": True, "risk_approval_status": "rejected"}, False, "risk_approval_status is rejected"),
])  # fmt: skip
def test_approval(said: dict[str, Any], approved: bool, why: str | None) -> None:
    signal = parse_signal(OTHER | said)
    assert (signal.approved, signal.disapproval) == (approved, why)


@pytest.mark.parametrize(("wrong", "code", "field"), [
    ({"leverage": 10}, Code.UNKNOWN_FIELD, "leverage"),
    ({"approved": "yes"}, Code.WRONG_TYPE, "approved"),
    ({"approved": 1}, Code.WRONG_TYPE, "approved"),
    ({"risk_approval_status": 1}, Code.WRONG_TYPE, "risk_approval_status"),
    ({"risk_approval_status": ""}, Code.BAD_VALUE, "risk_approval_status"),
    ({"risk_approval_status": "x" * 300}, Code.BAD_VALUE, "risk_approval_status"),
    ({"volume": "0"}, Code.NOT_POSITIVE, "volume"),
    ({"volume": 0.1}, Code.WRONG_TYPE, "volume"),
    ({"entry_price": "-1"}, Code.NOT_POSITIVE, "entry_price"),
    ({"direction": 1}, Code.WRONG_TYPE, "direction"),
    ({"id": ""}, Code.BAD_VALUE, "id"),
    ({"fund_id": "a b"}, Code.BAD_VALUE, "fund_id"),
    ({"timestamp_ms": "1767625200000"}, Code.BAD_VALUE, "timestamp_ms"),
    ({"timestamp_ms": -1}, Code.BAD_VALUE, "timestamp_ms"),
    ({"timestamp_ms": True}, Code.BAD_VALUE, "timestamp_ms"),
    ({"timestamp_ms": 10**14}, Code.BAD_VALUE, "timestamp_ms"),
    ({"valid_until": "noon"}, Code.BAD_VALUE, "valid_until"),
])  # fmt: skip
def test_what_is_wrong_is_named(wrong: dict[str, Any], code: Code, field: str) -> None:
    assert refusal(OTHER | wrong) == (code, f"#/{field}")


@pytest.mark.parametrize(("missing", "pointer"), [("id", "#/signal_id"), ("symbol", "#/symbol"),
                                                  ("direction", "#/signal_type")])  # fmt: skip
def test_what_is_needed(missing: str, pointer: str) -> None:
    assert refusal({name: value for name, value in OTHER.items() if name != missing}) == (
        Code.MISSING,
        pointer,
    )


@pytest.mark.parametrize("body", [None, [], "buy"])
def test_a_signal_is_an_object(body: Any) -> None:
    assert refusal(body) == (Code.WRONG_TYPE, None)


def test_every_field_is_known_once() -> None:
    assert len(set(SIGNAL_FIELDS)) == len(SIGNAL_FIELDS)
    assert {*ONE, *OTHER} <= set(SIGNAL_FIELDS)


# -- What becomes of a signal ------------------------------------------------------------------------------------


def routed(routing: SignalRouting | None = None) -> Playbook:
    book = Playbook()
    book.engine.view.signals = routing or SignalRouting(fund="fund")
    return book


def test_an_approved_signal_is_an_order() -> None:
    book = routed()
    order = book.step(SubmitSignal(parse_signal(ONE))).answer.order
    assert (order.state, order.side, order.quantity) == (State.SUBMITTED, Side.BUY, D("0.5"))
    assert (order.order_type, order.limit_price) == (OrderType.MARKET, None)
    assert (order.signal_id, order.idempotency_key, order.strategy_id) == ("sig-1", None, "trend")
    assert order.order_manager == "May, 2"
    assert (order.entry_price, order.stop_loss, order.take_profit) == (D("1.085"), D("1.08"), D("1.1"))
    assert order.expires_at == datetime(2026, 1, 5, 16, tzinfo=UTC)


def test_a_signal_that_comes_when_its_time_is_over_is_refused_and_one_that_came_in_time_stands() -> None:
    book = routed()
    first = book.step(SubmitSignal(parse_signal(ONE))).answer
    book.now = datetime(2026, 1, 5, 16, tzinfo=UTC)
    again = book.step(SubmitSignal(parse_signal(ONE)))
    assert (again.answer.order, again.answer.replayed) == (first.order, True)
    late = book.step(SubmitSignal(parse_signal(ONE | {"signal_id": "sig-2"})))
    assert (late.answer.order, late.answer.refusal.code) == (None, "signal_expired")
    assert [type(entry.event).__name__ for entry in late.entries] == ["SignalRefused"]
    book.now -= timedelta(microseconds=1)
    assert book.step(SubmitSignal(parse_signal(ONE | {"signal_id": "sig-3"}))).answer.order is not None


@pytest.mark.parametrize(("order_type", "limit", "stop"), [
    ("limit", D("1.085"), None), ("stop", None, D("1.085")), ("stop_limit", D("1.085"), D("1.085")),
])  # fmt: skip
def test_the_routing_names_the_type(order_type: str, limit: Decimal | None, stop: Decimal | None) -> None:
    book = routed(SignalRouting(fund="fund", order_type=order_type))
    order = book.step(SubmitSignal(parse_signal(ONE))).answer.order
    assert (order.order_type, order.limit_price, order.stop_price) == (OrderType(order_type), limit, stop)


def test_the_same_signal_again_is_the_same_order() -> None:
    book = routed()
    first = book.step(SubmitSignal(parse_signal(ONE))).answer
    again = book.step(SubmitSignal(parse_signal(ONE | {"position_size": "0.50"})))
    assert (again.answer.order, again.answer.replayed, again.entries) == (first.order, True, [])


@pytest.mark.parametrize(("said", "code"), [
    ({"approved": False}, Code.SIGNAL_NOT_APPROVED),
    ({"risk_approval_status": "pending"}, Code.SIGNAL_NOT_APPROVED),
    ({"signal_type": "hold"}, Code.SIGNAL_NO_ORDER),
    ({"position_size": None}, Code.MISSING),
    ({"fund_id": "nobody"}, Code.UNKNOWN_FUND),
    ({"symbol": "nothing"}, Code.UNKNOWN_SYMBOL),
    ({"position_size": "0.001"}, Code.BELOW_MINIMUM),
])  # fmt: skip
def test_a_signal_that_makes_no_order_is_journalled_with_its_reason(said: dict[str, Any], code: Code) -> None:
    book = routed()
    answer = book.step(SubmitSignal(parse_signal(ONE | said))).answer
    assert (answer.order, answer.refusal.code) == (None, code)
    assert book.engine.state.orders.rows == {}
    (refusal,) = book.engine.state.refusals.rows.values()
    assert (refusal.signal_id, refusal.code, refusal.number) == ("sig-1", code, book.entries[-1].index)
    assert refusal.reason == str(answer.refusal)


def test_a_disapproval_without_words_says_so() -> None:
    book = routed()
    answer = book.step(SubmitSignal(replace(parse_signal(ONE), approved=False))).answer
    assert answer.refusal.detail == "not approved"


def test_the_same_signal_with_other_content_is_refused() -> None:
    book = routed()
    book.step(SubmitSignal(parse_signal(ONE)))
    answer = book.step(SubmitSignal(parse_signal(ONE | {"position_size": "1"}))).answer
    assert answer.refusal.code is Code.KEY_REUSED


def test_a_routing_to_no_type_of_order_is_a_refusal() -> None:
    book = routed(SignalRouting(fund="fund", order_type="iceberg"))
    assert book.step(SubmitSignal(parse_signal(ONE))).answer.refusal.code is Code.BAD_VALUE


def test_a_routing_without_price_is_a_refusal() -> None:
    book = routed(SignalRouting(fund="fund", order_type="limit"))
    body = {name: value for name, value in ONE.items() if name != "entry_price"}
    assert book.step(SubmitSignal(parse_signal(body))).answer.refusal.code is Code.PRICE_MISSING


def test_a_signal_that_risk_refuses_is_a_rejected_order() -> None:
    book = Playbook(replace(FUND, asset_classes=(AssetClass.EQUITIES,)))
    book.engine.view.signals = SignalRouting(fund="fund")
    order = book.step(SubmitSignal(parse_signal(ONE))).answer.order
    assert (order.state, order.reason_code) == (State.REJECTED, "RISK_ASSET_CLASS")
