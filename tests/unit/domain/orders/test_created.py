"""Orders that are created first and submitted later."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.domain.breaks import BreakKind
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound
from ordergate.domain.orders import commands as c
from ordergate.domain.orders.events import BreakRaised, OrderEntered, OrderJudged
from ordergate.domain.orders.states import Phase, State
from ordergate.domain.risk import commands as k
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level, Limits
from ordergate.domain.signals import CreateFromSignal, Signal, SubmitSignal
from ordergate.testing.playbook import BROKER, START, Playbook, ack, fill
from tests.unit.domain.orders.situations import rows
from tests.unit.domain.risk.limited import Limited, stated

D = Decimal


def test_a_created_order_stays_where_it_is_until_it_is_submitted() -> None:
    book = Playbook().create(100, limit=10).expect("InstrumentDefined", "OrderEntered", state=State.CREATED)
    entered = book.events[-1]
    assert isinstance(entered, OrderEntered)
    assert (entered.path, entered.decision, entered.run, entered.remember_s) == (
        (State.CREATED,),
        None,
        None,
        0,
    )
    assert (book.order.requests, book.order.client_id, book.order.accepted_at) == ((), None, None)
    book.now += timedelta(seconds=30)
    book.submit_created().expect("OrderJudged", state=State.SUBMITTED)
    order = book.order
    assert (order.client_id, order.request_count, order.version) == (f"{book.order_id}.1", 1, 2)
    assert order.requests[0].phase is Phase.SENT
    assert order.created_at < book.now == order.accepted_at - timedelta(microseconds=1)
    assert order.submitted_at == order.requests[0].sent_at == order.updated_at
    book.report(ack(), fill("x1", 100, 10, completes=True)).expect(
        "OrderAcknowledged", "OrderFilled", state=State.CLOSED, filled=100
    )
    assert rows_of_replay(book) == rows(book)


def rows_of_replay(book: Playbook) -> dict:
    replayed = Playbook()
    replayed.engine.state = book.replayed()
    return rows(replayed)


def test_what_was_created_and_sent_later_is_what_was_sent_at_once() -> None:
    later, at_once = Playbook().create(100, limit=10).submit_created(), Playbook().submit(100, limit=10)
    alike = {
        "created_at": START, "updated_at": START, "accepted_at": START, "submitted_at": START, "requests": (),
        "version": 1,
    }  # fmt: skip
    assert replace(later.order, **alike) == replace(at_once.order, **alike)
    assert rows(later, "orders") == rows(at_once, "orders")
    requests = [replace(book.order.requests[0], sent_at=START) for book in (later, at_once)]
    assert requests[0] == requests[1]


def test_asking_twice_is_asking_once() -> None:
    book = Playbook().create(100)
    book.create(100, key="key-1").expect(state=State.CREATED)
    assert book.answer.replayed
    book.submit_created()
    before = rows(book)
    for _ in range(2):
        book.submit_created().expect(state=State.SUBMITTED)
        assert book.answer.replayed
    book.create(100, key="key-1").expect(state=State.SUBMITTED)
    book.submit(100, key="key-1").expect(state=State.SUBMITTED)
    assert rows(book) == before
    with pytest.raises(Conflict, match="used for order ord-1 with other content"):
        book.create(99, key="key-1")


def test_the_key_of_a_created_order_sends_no_second_one() -> None:
    book = Playbook().create(100).submit(100, key="key-1").expect(state=State.CREATED)
    assert book.answer.replayed
    assert len(book.engine.state.orders.rows) == 1


def test_what_is_wrong_makes_no_order() -> None:
    book = Playbook()
    with pytest.raises(Invalid, match="needs one"):
        book.create(100, order_type=c.OrderType.LIMIT)
    with pytest.raises(NotFound, match="there is no order 'nobody'"):
        book.step(c.SubmitCreated("nobody"))
    assert not book.engine.state.orders.rows


def test_without_a_session_it_waits_as_any_other() -> None:
    book = Playbook(session=False).create(100).submit_created().expect("OrderJudged", state=State.ACCEPTED)
    assert book.order.requests[0].phase is Phase.READY
    book.open_session().step(c.Release(book.order_id, 1))
    book.expect("OrderSent", state=State.SUBMITTED)


def test_it_can_be_canceled_before_and_is_then_not_sent() -> None:
    book = Playbook().create(100).cancel().expect("OrderCanceled", state=State.CANCELED)
    assert book.order.reason_code == "CANCELED_BEFORE_SENDING"
    book.submit_created().expect(state=State.CANCELED)
    assert book.answer.replayed


def test_its_terms_cannot_be_changed_before_it_is_sent() -> None:
    with pytest.raises(Conflict, match="has not been sent yet"):
        Playbook().create(100).replace(50)


def test_a_broker_can_say_nothing_of_it_before() -> None:
    book = (
        Playbook().create(100).report(fill("x1", 1, 10)).expect("BreakRaised", state=State.CREATED, filled=0)
    )
    (raised,) = book.events
    assert isinstance(raised, BreakRaised)
    assert raised.item.kind is BreakKind.ILLEGAL_REPORT


def test_nothing_is_reserved_or_judged_before() -> None:
    book = Limited(stated(max_position_qty=150, max_order_qty=120))
    for _ in range(3):
        book.create(200, strategy_id="trend").expect(*kinds(book), state=State.CREATED)
    cell = book.engine.state.exposures.cell("fund", "AAPL")
    assert cell is None or cell.quantities() == (0, 0)
    book.submit_created()
    assert (book.order.state, book.order.reason_code) == (State.REJECTED, "RISK_ORDER_QTY")
    assert book.code == "RISK_ORDER_QTY"
    assert (book.order.ended_at, book.order.requests) == (book.order.updated_at, ())


def kinds(book: Playbook) -> list[str]:
    return [type(event).__name__ for event in book.events]


def test_it_is_judged_by_what_holds_when_it_is_submitted() -> None:
    book = Limited(stated(max_position_qty=150))
    book.create(100, key="one")
    first = book.order_id
    book.create(100, key="two")
    book.submit_created().expect("OrderJudged", state=State.SUBMITTED)
    assert book.engine.state.exposures.cell("fund", "AAPL").quantities() == (0, 100)
    book.order_id = first
    book.submit_created()
    assert (book.order.state, book.code) == (State.REJECTED, "RISK_POSITION")


def test_the_decision_stands_in_the_journal() -> None:
    book = Limited(stated(max_order_notional_usd=20_000)).create(100).submit_created()
    (judged,) = book.events
    assert isinstance(judged, OrderJudged)
    assert judged.decision == book.decision
    assert judged.decision.reference_price == book.order.reference_price == 100


def test_runs_rates_and_duplicates_count_it_when_it_is_submitted() -> None:
    book = Limited(stated(duplicate_window_s=5, max_orders_per_s=2), strategy=Limits(max_runs=2))
    ids = []
    for number in range(4):
        book.create(10, key=f"k{number}", strategy_id="trend", limit=100 - number)
        ids.append(book.order_id)
    book.create(10, key="again", strategy_id="trend", limit=100)
    again = book.order_id
    assert "trend" not in book.engine.state.strategies.rows
    said = []
    for order_id in (ids[0], again, ids[1], ids[2]):
        book.order_id = order_id
        book.submit_created()
        said.append((book.order.state, book.code))
    assert said == [
        (State.SUBMITTED, None), (State.REJECTED, "RISK_DUPLICATE"), (State.SUBMITTED, None),
        (State.REJECTED, "RISK_MESSAGE_RATE"),
    ]  # fmt: skip
    assert book.engine.state.strategies.rows["trend"].runs == 2
    book.later(2).order_id = ids[3]
    book.submit_created()
    assert book.code == "RISK_REPEATED"


def test_a_day_between_does_not_make_it_a_duplicate_of_its_own_creation() -> None:
    book = Limited(stated(duplicate_window_s=5)).create(10)
    book.later(1).submit_created().expect("OrderJudged", state=State.SUBMITTED)
    book.later(4).submit(10, key="other")
    assert book.code == "RISK_DUPLICATE"


def test_it_waits_for_other_gates() -> None:
    book = Limited(Limits(gates=("desk",))).create(10).submit_created()
    book.expect("OrderJudged", state=State.PENDING_RISK)
    assert (book.order.awaits, book.order.requests[0].phase) == (("desk",), Phase.RISK)
    assert book.order.decide_by is not None
    book.step(k.AnswerGate(order_id=book.order_id, gate="desk", approved=True, number=1))
    book.expect("GateAnswered", "OrderSent", state=State.SUBMITTED)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_halt_lets_none_leave(mode: Mode) -> None:
    halt = k.ThrowSwitch(level=Level.FUND, name="fund", reason="drill", mode=mode)
    book = Limited().create(10)
    book.by("carol", halt)
    book.expect("TradingHalted", "OrderCanceled", state=State.CANCELED)
    book.create(10, key="during").submit_created()
    assert book.order.state is State.REJECTED
    assert book.code in ("RISK_HALTED", "RISK_REDUCE_ONLY")


def test_its_time_can_be_over_before_it_is_submitted() -> None:
    book = Playbook().create(10, expires_at=START + timedelta(seconds=5))
    book.now += timedelta(seconds=5)
    book.submit_created().expect("OrderCanceled", state=State.CANCELED)
    assert book.order.reason_code == "EXPIRED_BEFORE_SENDING"
    assert "2026-01-05T15:00:05" in book.order.reason


def test_a_broker_that_is_gone_leaves_it_as_it_is() -> None:
    book = Playbook().create(10)
    book.engine.view.brokers = frozenset({"other"})
    with pytest.raises(Invalid, match="'paper' is no broker; there are other"):
        book.submit_created()
    assert book.order.state is State.CREATED


SIGNAL = Signal(
    signal_id="sig", symbol="EURUSD", action="buy", quantity=D("0.1"), entry_price=D("1.08"), fund_id="fund"
)


def test_a_signal_makes_a_created_order_once() -> None:
    book = Playbook()
    book.step(CreateFromSignal(SIGNAL, "limit"))
    order = book.answer.order
    assert (order.state, order.limit_price, order.signal_id) == (State.CREATED, D("1.08"), "sig")
    book.step(CreateFromSignal(SIGNAL, "limit"))
    assert (book.answer.replayed, book.answer.order, book.events) == (True, order, [])
    book.step(CreateFromSignal(SIGNAL))  # whatever is configured by now
    assert (book.answer.replayed, book.answer.order, book.events) == (True, order, [])
    book.step(CreateFromSignal(SIGNAL, "market"))  # other content
    assert (book.answer.order, book.answer.refusal.code) == (None, Code.KEY_REUSED)
    assert kinds(book) == ["SignalRefused"]


def test_a_signal_that_was_created_is_not_sent_by_a_repetition() -> None:
    book = Playbook()
    book.step(CreateFromSignal(SIGNAL))
    book.step(SubmitSignal(SIGNAL))
    assert (book.answer.replayed, book.answer.order.state) == (True, State.CREATED)


def test_a_signal_that_is_not_approved_makes_none() -> None:
    book = Playbook()
    book.step(
        CreateFromSignal(replace(SIGNAL, approved=False, disapproval="risk_approval_status is rejected"))
    )
    assert (book.answer.order, book.answer.refusal.code) == (None, Code.SIGNAL_NOT_APPROVED)
    assert kinds(book) == ["SignalRefused"]
    assert not book.engine.state.orders.rows


def test_two_funds_do_not_share_what_is_created() -> None:
    book = Limited().create(10, fund_id="other")
    assert book.order.broker == BROKER
    book.submit_created()
    assert (book.order.state, book.code) == (State.REJECTED, "RISK_LIMITS")
