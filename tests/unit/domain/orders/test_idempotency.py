"""One key, one order: the same request again, other content, and the end of the window."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.domain.errors import Code, Conflict, Invalid, Refused
from ordergate.domain.funds import Fund
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import Configure, parse_order
from ordergate.domain.orders.states import OrderType, Phase, Side, State
from ordergate.testing.playbook import BROKER, FUND, START, Playbook

from .situations import rows

D = Decimal
BODY: dict[str, Any] = {
    "idempotency_key": "k", "fund_id": "fund", "symbol": "AAPL", "side": "buy", "quantity": "100",
    "order_type": "limit", "limit_price": "180.5",
}  # fmt: skip


def test_the_same_request_again_is_answered_with_the_same_order_and_no_entry() -> None:
    book = Playbook()
    order = book.step(parse_order(BODY)).answer.order
    before = rows(book)
    for _ in range(3):
        done = book.step(parse_order(dict(reversed(BODY.items()))))
        assert (done.answer.order, done.answer.replayed, done.entries) == (order, True, [])
    assert rows(book) == before


@pytest.mark.parametrize("same", [
    {"quantity": "100.0"}, {"quantity": "1e2"}, {"quantity": 100}, {"quantity": D("100.00")},
    {"limit_price": "180.50"}, {"limit_price": D("180.500")}, {"tif": "day"}, {"thesis": None},
])  # fmt: skip
def test_however_it_is_written(same: dict[str, Any]) -> None:
    book = Playbook()
    book.step(parse_order(BODY))
    assert book.step(parse_order(BODY | same)).answer.replayed


@pytest.mark.parametrize("other", [
    {"quantity": "101"}, {"side": "sell"}, {"symbol": "MSFT"}, {"limit_price": "180.51"}, {"tif": "gtc"},
    {"order_type": "market", "limit_price": None}, {"thesis": "x"}, {"strategy_id": "s"}, {"order_id": "mine"},
    {"actor": "bob"}, {"broker": "paper"}, {"signal_id": "s"}, {"retry_of": "ord-0"}, {"stop_loss": "1"},
    {"take_profit": "1"}, {"entry_price": "1"}, {"expires_at": "2027-01-01T00:00:00Z"},
])  # fmt: skip
def test_other_content_under_the_same_key_is_a_conflict(other: dict[str, Any]) -> None:
    book = Playbook()
    book.step(parse_order(BODY))
    before = rows(book)
    with pytest.raises(Conflict) as caught:
        book.step(parse_order(BODY | other))
    assert (caught.value.code, caught.value.pointer) == (Code.KEY_REUSED, "#/idempotency_key")
    assert "ord-1" in caught.value.detail
    assert rows(book) == before


def test_a_key_belongs_to_its_fund() -> None:
    book = Playbook()
    book.step(parse_order(BODY))
    other = Fund(fund_id="other", broker=BROKER)
    book.step(Configure((other,), ()))
    assert not book.step(parse_order(BODY | {"fund_id": "other"})).answer.replayed


def test_a_refused_request_uses_no_key_up() -> None:
    book = Playbook()
    with pytest.raises(Invalid):
        book.step(parse_order(BODY | {"limit_price": "180.505"}))
    assert book.engine.state.keys.rows == {}
    assert not book.step(parse_order(BODY)).answer.replayed


def test_a_key_holds_for_ever_or_for_its_window() -> None:
    for_ever, window = Playbook(), Playbook(replace(FUND, dedupe_window=timedelta(minutes=5)))
    for book in (for_ever, window):
        book.step(parse_order(BODY))
    entered = window.engine.state.orders.rows["ord-1"]
    expires = entered.created_at + timedelta(minutes=5)
    for_ever.now = START + timedelta(days=4000)
    assert for_ever.step(parse_order(BODY)).answer.replayed
    window.now = expires - timedelta(microseconds=1)
    assert window.step(parse_order(BODY)).answer.replayed
    with pytest.raises(Conflict):
        window.step(parse_order(BODY | {"quantity": "7"}))
    window.now = expires
    done = window.step(parse_order(BODY | {"quantity": "7"})).answer
    assert (done.replayed, done.order.order_id, done.order.quantity) == (False, "ord-2", 7)
    key = window.engine.state.keys.rows["fund", "idempotency_key", "k"]
    assert (key.order_id, key.expires_at) == ("ord-2", done.order.created_at + timedelta(minutes=5))


@pytest.mark.parametrize(("wrong", "code", "pointer"), [
    ({"fund_id": "nobody"}, Code.UNKNOWN_FUND, "#/fund_id"),
    ({"symbol": "nothing"}, Code.UNKNOWN_SYMBOL, "#/symbol"),
    ({"broker": "nobody"}, Code.UNKNOWN_BROKER, "#/broker"),
    ({"quantity": "0.5"}, Code.BELOW_MINIMUM, "#/quantity"),
    ({"limit_price": "180.505"}, Code.OFF_TICK, "#/limit_price"),
    ({"order_type": "stop", "limit_price": None, "stop_price": "1.001"}, Code.OFF_TICK, "#/stop_price"),
])  # fmt: skip
def test_what_is_refused_changes_nothing(wrong: dict[str, Any], code: Code, pointer: str) -> None:
    book = Playbook()
    before = rows(book)
    with pytest.raises(Refused) as caught:
        book.step(parse_order(BODY | wrong))
    assert (caught.value.code, caught.value.pointer) == (code, pointer)
    assert (rows(book), book.engine.size) == (before, len(book.entries))


def test_an_order_id_of_ones_own_must_be_free() -> None:
    book = Playbook()
    assert book.step(parse_order(BODY | {"order_id": "mine"})).answer.order.order_id == "mine"
    with pytest.raises(Conflict) as caught:
        book.step(parse_order(BODY | {"order_id": "mine", "idempotency_key": "other"}))
    assert caught.value.code is Code.ORDER_ID_TAKEN


def test_an_order_enters_as_far_as_it_can_get() -> None:
    sent = Playbook().submit(100).order
    assert (sent.state, sent.client_id, sent.requests[0].phase) == (State.SUBMITTED, "ord-1.1", Phase.SENT)
    assert sent.created_at < sent.accepted_at < sent.submitted_at == sent.updated_at  # type: ignore[operator]
    waiting = Playbook(session=False).submit(100).order
    assert (waiting.state, waiting.client_id) == (State.ACCEPTED, "ord-1.1")
    assert (waiting.requests[0].phase, waiting.submitted_at) == (Phase.READY, None)


def test_an_order_keeps_the_market_that_it_met() -> None:
    book = Playbook()
    book.engine.view.quotes["AAPL"] = Quote("AAPL", START, D("180.4"), D("180.6"))
    order = book.submit(100).order
    assert (order.arrival_bid, order.arrival_ask) == (D("180.4"), D("180.6"))
    assert book.submit(1, symbol="MSFT").order.arrival_bid is None


def test_an_order_names_its_broker_or_takes_the_funds() -> None:
    assert Playbook().submit(1).order.broker == BROKER
    assert Playbook(replace(FUND, broker="elsewhere")).submit(1, broker=BROKER).order.broker == BROKER
    with pytest.raises(Invalid, match="no broker"):
        Playbook(replace(FUND, broker="elsewhere")).submit(1)


def test_the_actor_of_an_order_is_the_actor_of_its_entry() -> None:
    book = Playbook().submit(1, actor="ann")
    assert book.entries[-1].actor == "ann"
    assert book.submit(1).entries[-1].actor == "ordergate"


def test_a_stop_order_has_its_price() -> None:
    order = Playbook().submit(1, order_type=OrderType.STOP, stop_price=D("9.5"), side=Side.SELL).order
    assert (order.stop_price, order.limit_price) == (D("9.5"), None)
