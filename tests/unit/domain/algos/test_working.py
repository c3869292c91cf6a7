"""Parents at work: children through the gate, one for each slice, and the parent their sum."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ordergate.adapters.calendars import SessionCalendar
from ordergate.application.view import GateTerms, SignalRouting
from ordergate.domain.algos.commands import WorkParent
from ordergate.domain.algos.terms import SHORTEST_HORIZON_MINUTES, SplitTerms
from ordergate.domain.breaks import BreakKind
from ordergate.domain.errors import Code, Conflict
from ordergate.domain.market import Quote
from ordergate.domain.orders import commands as c
from ordergate.domain.orders.reports import End
from ordergate.domain.orders.states import OrderType, Protection, RequestKind, Side, State, TimeInForce
from ordergate.domain.risk.commands import AnswerGate, AskOverride, GrantOverride, LiftHalt, ThrowSwitch
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level, Limits
from ordergate.domain.signals import Signal, SubmitSignal
from ordergate.testing.playbook import BROKER, ack, bust, fill, refused
from tests.unit.domain.algos.sliced import Sliced

D = Decimal


def names(book: Sliced) -> list[str]:
    return [type(event).__name__ for event in book.events]


# -- Which orders are split --------------------------------------------------------------------------------------


def test_a_large_market_order_becomes_a_parent_that_no_broker_is_sent() -> None:
    book = Sliced().large(1000)
    assert (book.parent.state, book.parent.requests, book.parent.client_id) == (State.ACCEPTED, (), None)
    assert (book.parent.algo.algorithm, book.parent.algo.slices, book.parent.algo.horizon_s) == (
        "vwap",
        10,
        600,
    )


def test_one_of_the_shortest_horizon_is_a_parent_with_two_children() -> None:
    terms = SplitTerms(above=D(10_000), horizon_minutes=SHORTEST_HORIZON_MINUTES)
    book = Sliced(terms=terms).large(1000).at(0).child_filled(1).at(1)
    assert (book.parent.algo.slices, book.sizes) == (2, [500, 500])


@pytest.mark.parametrize(("quantity", "slices"), [(1, None), (2, 2), (3, 3)])
def test_one_that_cannot_be_divided_is_sent_at_once(quantity: int, slices: int | None) -> None:
    parent = Sliced(terms=SplitTerms(above=D(50))).large(quantity).parent
    assert (None if parent.algo is None else parent.algo.slices) == slices
    assert parent.state is (State.SUBMITTED if slices is None else State.ACCEPTED)


@pytest.mark.parametrize(("quantity", "more"), [
    (100, {}),  # just worth the threshold
    (1000, {"limit": 101}),
    (1000, {"order_type": OrderType.STOP, "stop_price": D(110)}),
    (1000, {"tif": TimeInForce.IOC}), (1000, {"tif": TimeInForce.FOK}), (1000, {"tif": TimeInForce.OPG}),
    (1000, {"fund_id": "other", "strategy_id": None}),
])  # fmt: skip
def test_others_are_sent_at_once(quantity: int, more: dict[str, Any]) -> None:
    book = Sliced()
    if "fund_id" in more:
        book.limits(Limits(), name="other")
    book.large(quantity, **more)
    assert (book.parent.algo, book.parent.state) == (None, State.SUBMITTED)


def test_one_that_cannot_be_measured_is_refused() -> None:
    book = Sliced()
    book.engine.view.quotes.clear()
    book.large(1)
    assert (book.order.state, book.order.reason_code) == (State.REJECTED, "RISK_NO_PRICE")
    book.engine.view.quotes["BTC/USDT"] = Quote("BTC/USDT", book.now, D(60_000), D(60_000))
    book.engine.view.rates = {}
    book.large("0.1", symbol="BTC/USDT")
    assert (book.order.state, book.order.reason_code) == (State.REJECTED, "RISK_NO_RATE")


def test_one_that_is_created_first_is_split_when_it_is_submitted() -> None:
    book = Sliced()
    book.create(1000)
    assert book.order.algo is None
    book.submit_created().expect("OrderJudged", state=State.ACCEPTED)
    book.parent_id = book.order_id
    assert book.at(0).sizes == [100]
    book.check()


# -- The children ------------------------------------------------------------------------------------------------


def test_each_slice_is_a_child_of_its_own_key_with_what_the_parent_has() -> None:
    book = Sliced().large(1000, actor="ann", order_manager="m", thesis="t", lots=None).at(0)
    assert names(book) == ["OrderEntered", "ChildMoved"]
    (child,) = book.children
    assert (child.parent_order_id, child.slice, child.idempotency_key) == (
        book.parent_id, 1, f"{book.parent_id}/1",
    )  # fmt: skip
    same = (
        "fund_id",
        "symbol",
        "side",
        "order_type",
        "tif",
        "broker",
        "strategy_id",
        "actor",
        "order_manager",
        "thesis",
    )
    assert [getattr(child, name) for name in same] == [getattr(book.parent, name) for name in same]
    assert (child.state, book.parent.state, child.guards) == (State.SUBMITTED, State.SUBMITTED, False)


def test_all_of_it_is_filled_once_and_closed() -> None:
    book = Sliced().large(1000)
    for number in range(1, 11):
        book.at(number - 1).child_filled(number, price=100 + number)
        assert book.parent.filled_quantity == 100 * number
    book.check()
    assert names(book) == ["OrderFilled", "ChildMoved", "OrderClosed"]
    assert (book.parent.state, book.sizes) == (State.CLOSED, [D(100)] * 10)
    assert book.parent.average_price == D("105.5")
    assert book.engine.state.positions.rows["fund", "AAPL"].quantity == 1000


def test_asking_twice_makes_nothing() -> None:
    book = Sliced().large(1000).at(0)
    book.work().expect(state=None)
    assert book.look_again == book.parent.accepted_at + timedelta(minutes=1)
    book.at(1).work()
    assert book.sizes == [100, 100]


def test_its_first_child_waits_for_the_session_and_the_parent_with_it() -> None:
    book = Sliced(session=False).large(1000).at(0)
    assert (book.children[0].state, book.parent.state) == (State.ACCEPTED, State.ACCEPTED)
    book.open_session()
    book.step(c.Release(book.children[0].order_id, 1))
    assert names(book) == ["OrderSent", "ChildMoved"]
    assert (book.children[0].state, book.parent.state) == (State.SUBMITTED, State.SUBMITTED)
    book.check()


def test_no_child_is_made_while_one_before_it_waits() -> None:
    book = Sliced(session=False).large()
    for minute in range(9):
        book.at(minute)
    assert book.sizes == [100]
    book.engine.view.sessions[BROKER] = book.step(c.OpenSession(BROKER, "test")).answer
    book.step(c.Release(book.children[0].order_id, 1))
    assert book.at(9).sizes == [100, 200]  # what is behind goes to later slices, no more than two at once
    book.check()


def test_what_a_child_did_not_fill_goes_to_later_slices() -> None:
    book = Sliced().large(1000).at(0).child_filled(1, 30).child_ended(1)
    assert (book.parent.state, book.parent.filled_quantity) == (State.PARTIALLY_FILLED, 30)
    assert book.at(1).sizes == [100, 170]
    book.child(2).report(ack("B2"), fill("y1", 20, 100)).cancel().report(fill("y2", 10, 100)).child_ended(2)
    assert book.at(2).sizes == [100, 170, 200]  # no more than twice what a slice is
    book.check()


def test_one_that_the_broker_rejects_goes_to_later_slices() -> None:
    book = Sliced().large(1000).at(0).child_ended(1, End.REJECTED)
    assert (book.parent.state, book.parent.algo.made) == (State.SUBMITTED, 1)
    assert book.work().sizes == [100]
    assert book.at(1).sizes == [100, 200]


@pytest.mark.parametrize("stale", [False, True])
def test_a_slice_without_a_quote_waits_for_the_next(stale: bool) -> None:
    book = Sliced().large(1000).at(0)
    if not stale:
        book.engine.view.quotes.clear()
    book.at(1.5, quote=None).expect()
    assert (book.sizes, book.look_again) == ([100], book.parent.accepted_at + timedelta(minutes=2))
    assert book.at(2).sizes == [100, 200]


def test_after_the_last_catch_up_what_is_left_is_canceled() -> None:
    book = Sliced().large(1000)
    for minute in range(15):
        book.at(minute)
        book.child_ended(minute + 1, End.REJECTED)
    assert (book.parent.state, len(book.children)) == (State.SUBMITTED, 15)
    book.at(15)
    assert (book.parent.state, book.parent.reason_code) == (State.CANCELED, "NOT_COMPLETED")
    assert book.parent.reason == "0 of 1000 were filled when its last slice was over"
    book.at(16).expect()
    book.check()


def test_what_still_works_when_it_is_over_is_canceled_first() -> None:
    book = Sliced().large(1000)
    for minute in range(10):
        book.at(minute)
    book.at(15)
    assert names(book)[0] == "WorkStopped"
    assert all(child.open_request(RequestKind.CANCEL) for child in book.children)
    for number in range(1, 10):
        book.child_ended(number)
    assert book.parent.state is State.SUBMITTED
    book.child_filled(10).report(refused())  # of the cancel: too late
    assert (book.parent.state, book.parent.filled_quantity) == (State.CANCELED, 100)
    book.check()


# -- Each its own decision, the whole counted once ----------------------------------------------------------------


def test_what_it_may_still_fill_counts_once() -> None:
    book = Sliced(Limits(max_position_qty=D(1000))).large(1000)

    def counted() -> tuple[Decimal, Decimal]:
        cell = book.engine.state.exposures.cell("fund", "AAPL")
        own = book.engine.state.exposures.strategy_cell("fund", "AAPL", "trend")
        assert (own.buying, own.held) == (cell.buying, cell.held)
        assert cell.buying_value == cell.buying * 100
        return cell.held, cell.buying

    assert counted() == (0, 1000)
    for number in range(1, 11):
        book.at(number - 1)
        assert counted() == (100 * number - 100, 1100 - 100 * number)
        book.child_filled(number, 60)
        assert counted() == (100 * number - 40, 1040 - 100 * number)
        book.child_filled(number)
        assert book.engine.state.orders.rows[book.order_id].state is State.CLOSED
    assert counted() == (1000, 0)
    assert book.order_of(1).decision.code == "RISK_POSITION"


def test_nothing_stays_reserved_once_it_is_canceled() -> None:
    book = Sliced().large(1000).at(0).spoken_of_parent()
    book.cancel().child_filled(1, 30).child_ended(1)
    cell = book.engine.state.exposures.cell("fund", "AAPL")
    assert (book.parent.state, cell.held, cell.buying) == (State.CANCELED, 30, 0)


def test_the_gate_judges_the_whole_when_it_is_made() -> None:
    book = Sliced(Limits(max_position_qty=D(999))).large(1000)
    assert (book.parent.state, book.parent.reason_code) == (State.REJECTED, "RISK_POSITION")
    assert book.parent.algo is None or not book.children


def test_limits_of_one_order_measure_what_leaves_at_once() -> None:
    limits = Limits(max_order_qty=D(200), max_order_notional_usd=D(20_000))
    assert Sliced(limits).large(1000).parent.state is State.ACCEPTED
    book = Sliced(limits).large(1010)
    assert (book.parent.state, book.parent.reason_code) == (State.REJECTED, "RISK_ORDER_QTY")
    book = Sliced(Limits(max_order_notional_usd=D(19_999))).large(1000)
    assert (book.parent.state, book.parent.reason_code) == (State.REJECTED, "RISK_ORDER_NOTIONAL")


def test_a_limit_that_is_tightened_meanwhile_stops_children_at_it() -> None:
    book = Sliced(Limits(max_position_qty=D(1000))).large(1000).at(0).child_filled(1).at(1).child_filled(2)
    book.limits(Limits(max_position_qty=D(250)))
    book.at(2)
    assert (book.children[-1].state, book.children[-1].reason_code) == (State.REJECTED, "RISK_POSITION")
    assert book.parent.state is State.PARTIALLY_FILLED  # it may be loosened again
    book.limits(Limits(max_position_qty=D(1000))).at(3)
    assert book.sizes[-1] == 200
    book.check()


def test_children_are_no_duplicates_and_no_runs() -> None:
    levels = {"strategy": Limits(max_runs=1)}
    book = Sliced(Limits(duplicate_window_s=600), **levels).large(1000).at(0).at(1).at(2)
    assert [child.state for child in book.children] == [State.SUBMITTED] * 3
    assert book.engine.state.strategies.rows["trend"].runs == 1
    again = Sliced(Limits(duplicate_window_s=600)).large(1000).at(0).large(1000, key="another")
    assert again.parent.reason_code == "RISK_DUPLICATE"


def test_children_count_as_messages_and_the_parent_does_not() -> None:
    book = Sliced(Limits(max_orders_per_s=1)).large(1000).at(0)
    assert [child.state for child in book.children] == [State.SUBMITTED]
    book.order_of(1)
    assert book.decision.code == "RISK_MESSAGE_RATE"


def test_a_child_that_is_refused_for_now_goes_to_the_next_slice() -> None:
    book = Sliced(Limits(max_orders_per_s=1)).large(1000)
    book.order_of(1)
    book.at(0)
    assert (book.children[0].reason_code, book.parent.state) == ("RISK_MESSAGE_RATE", State.ACCEPTED)
    assert book.parent.algo.made == 1
    assert book.at(1).sizes == [100, 200]
    book.check()


@pytest.mark.parametrize(("limits", "code"), [
    (Limits(restricted_symbols=("AAPL",)), "RISK_RESTRICTED"),
    (Limits(allowed_order_types=(OrderType.LIMIT,)), "RISK_ORDER_TYPE"),
    (Limits(allowed_brokers=("other",)), "RISK_BROKER"),
])  # fmt: skip
def test_a_refusal_for_good_ends_the_parent(limits: Limits, code: str) -> None:
    book = Sliced().large(1000).at(0).child_filled(1)
    book.limits(limits)
    book.at(1)
    assert (book.parent.state, book.parent.reason_code) == (State.CANCELED, code)
    assert book.at(2).sizes == [100, 100]
    book.check()


def test_a_strategy_that_may_not_write_into_the_fund_any_more_is_stopped() -> None:
    from msgspec.structs import replace

    book = Sliced().large(1000).at(0)
    book.step(c.Configure((replace(book.fund, strategies=("other",)),), ()))
    book.at(1)
    assert (book.parent.state, book.parent.reason_code) == (State.SUBMITTED, "RISK_STRATEGY")
    book.child_ended(1)
    assert (book.parent.state, book.parent.reason_code) == (State.CANCELED, "RISK_STRATEGY")


def test_a_person_approves_the_whole_and_gates_are_asked_for_each() -> None:
    book = Sliced(Limits(gates=("desk",), approve_above_usd=D(5_000)))
    book.engine.view.gates["desk"] = GateTerms(timeout_s=5)
    book.large(1000)
    assert (book.parent.state, book.parent.awaits) == (State.PENDING_RISK, ("desk", "approval"))
    assert book.work().sizes == []
    for gate in ("desk", "approval"):
        book.step(AnswerGate(order_id=book.parent_id, gate=gate, approved=True, number=1))
    assert (book.parent.state, book.parent.requests, book.parent.client_id) == (State.ACCEPTED, (), None)
    book.at(0)
    (child,) = book.children
    assert (child.state, child.awaits) == (State.PENDING_RISK, ("desk",))
    book.step(AnswerGate(order_id=child.order_id, gate="desk", approved=True, number=1))
    assert (book.children[0].state, book.parent.state) == (State.SUBMITTED, State.SUBMITTED)
    book.at(1)
    book.step(AnswerGate(order_id=book.children[1].order_id, gate="desk", approved=False, number=1))
    assert book.parent.state is State.SUBMITTED
    assert book.at(2).sizes[2] == 200
    book.check()


@pytest.mark.parametrize("approved", [False, True])
def test_a_parent_that_nobody_approves_makes_no_child(approved: bool) -> None:
    book = Sliced(Limits(approve_above_usd=D(5_000))).large(1000)
    timed_out = approved  # a time-out is told as a refusal
    book.step(
        AnswerGate(order_id=book.parent_id, gate="approval", approved=False, number=1, timed_out=timed_out)
    )
    assert book.parent.state is (State.EXPIRED if timed_out else State.REJECTED)
    assert book.at(1).sizes == []


def test_what_an_override_has_waived_for_the_whole_is_waived_for_its_children() -> None:
    book = Sliced(Limits(max_position_qty=D(500))).large(1000)
    book.by("ann", AskOverride(order_id=book.parent_id, reason="needed"))
    book.by("bob", GrantOverride(order_id=book.parent_id))
    book.parent_id = book.answer.order.order_id
    for minute in range(10):
        book.at(minute).child_filled(minute + 1)
    assert book.check().parent.state is State.CLOSED


def test_no_refused_slice_is_overridden() -> None:
    book = Sliced(Limits(max_orders_per_s=1)).large(1000)
    book.order_of(1)
    book.at(0)
    with pytest.raises(Conflict) as refusal:
        book.step(AskOverride(order_id=book.children[0].order_id, reason="needed"))
    assert refusal.value.code is Code.NOT_OVERRIDABLE


# -- Its ends ----------------------------------------------------------------------------------------------------


def test_a_cancel_before_the_first_child_ends_it_at_once() -> None:
    book = Sliced().large(1000).cancel().expect("OrderCanceled", state=State.CANCELED)
    assert book.work().sizes == []


def test_a_cancel_cancels_what_works_and_makes_no_more() -> None:
    book = Sliced().large(1000).at(0).child_filled(1).at(1).spoken_of_parent().cancel()
    assert names(book) == ["WorkStopped", "RequestOpened"]
    assert book.at(2).sizes == [100, 100]
    book.child(2).report(fill("late", 40, 100))
    assert book.parent.filled_quantity == 140
    book.child_ended(2)
    assert (book.parent.state, book.parent.reason_code, book.parent.filled_quantity) == (
        State.CANCELED, "CANCELED_ON_REQUEST", 140,
    )  # fmt: skip
    book.check()


def test_a_cancel_that_comes_too_late_leaves_it_filled() -> None:
    book = Sliced().large(1000)
    for minute in range(10):
        book.at(minute)
        if minute < 9:
            book.child_filled(minute + 1)
    book.spoken_of_parent().cancel().child_filled(10)
    assert book.parent.state is State.FILLED
    book.child(10).report(refused())
    assert book.check().parent.state is State.CLOSED


def test_a_cancel_that_a_broker_refused_can_be_asked_for_again() -> None:
    book = Sliced().large(1000).at(0).child(1).report(ack("B7")).spoken_of_parent().cancel()
    book.child(1).report(refused()).spoken_of_parent()
    assert book.parent.state is State.SUBMITTED
    book.cancel().expect("RequestOpened")
    book.child_ended(1)
    assert book.parent.state is State.CANCELED


def test_a_child_that_somebody_cancels_goes_to_later_slices() -> None:
    book = Sliced().large(1000).at(0).child(1).cancel().child_ended(1)
    assert book.parent.state is State.SUBMITTED
    assert book.at(1).sizes == [100, 200]


@pytest.mark.parametrize("which", ["parent", "child"])
def test_neither_is_replaced(which: str) -> None:
    book = Sliced().large(1000).at(0)
    book.order_id = book.parent_id if which == "parent" else book.children[0].order_id
    with pytest.raises(Conflict) as refusal:
        book.replace(500)
    assert refusal.value.code is Code.NOT_CHANGEABLE


@pytest.mark.parametrize("scope", [("firm", ""), ("fund", "fund"), ("strategy", "trend"), ("broker", BROKER)])
def test_a_halt_stops_it(scope: tuple[str, str]) -> None:
    book = Sliced().large(1000).at(0).child_filled(1).at(1)
    book.step(ThrowSwitch(level=Level(scope[0]), name=scope[1], reason="drill"))
    assert book.children[1].open_request(RequestKind.CANCEL) is not None
    assert book.at(2).sizes == [100, 100]
    book.child_ended(2)
    assert (book.parent.state, book.parent.reason_code) == (State.CANCELED, "CANCELED_BY_HALT")
    book.by("zoe", LiftHalt(level=Level(scope[0]), name=scope[1], reason="over"))
    assert book.at(3).sizes == [100, 100]
    book.check()


def test_a_halt_before_the_first_child_cancels_it() -> None:
    book = Sliced().large(1000)
    book.step(ThrowSwitch(level=Level.FIRM, name="", reason="drill"))
    assert (book.parent.state, book.parent.reason_code) == (State.CANCELED, "CANCELED_BY_HALT")


def test_reduce_only_stops_what_opens_and_not_what_closes() -> None:
    book = Sliced().large(1000).at(0)
    book.step(ThrowSwitch(level=Level.FIRM, name="", reason="drill", mode=Mode.REDUCE_ONLY))
    book.child_ended(1)
    assert (book.parent.state, book.parent.reason_code) == (State.CANCELED, "CANCELED_BY_HALT")
    closing = Sliced().order_of(1000, limit=100).report(fill("held", 1000, 100))
    closing.large(1000, side=Side.SELL, key="close").at(0)
    closing.step(ThrowSwitch(level=Level.FIRM, name="", reason="drill", mode=Mode.REDUCE_ONLY))
    assert closing.at(1).sizes == [100, 100]


def test_its_day_is_over_with_its_session() -> None:
    book = Sliced()
    book.engine.view.calendar = SessionCalendar()
    book.now = datetime(2026, 1, 5, 20, 56, tzinfo=UTC)  # the session ends at 21:00
    book.quote("AAPL", 100).large(1000).at(0)
    assert (
        book.look_again
        == book.parent.accepted_at + (datetime(2026, 1, 5, 21, tzinfo=UTC) - book.parent.accepted_at) / 10
    )  # the horizon ends with the session
    book.child_filled(1).at(4.1)
    assert (book.parent.state, book.parent.reason_code) == (State.EXPIRED, "EXPIRED")
    book.check()


def test_one_that_comes_out_of_session_begins_with_the_next() -> None:
    book = Sliced()
    book.engine.view.calendar = SessionCalendar()
    book.now = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)  # the session begins at 14:30
    book.quote("AAPL", 100).large(1000).at(1)
    assert (book.sizes, book.look_again) == ([], datetime(2026, 1, 6, 14, 30, tzinfo=UTC))
    assert book.at(151).sizes == [200]


# -- What brokers say --------------------------------------------------------------------------------------------


def test_a_report_that_names_the_parent_is_about_no_order() -> None:
    book = Sliced().large(1000).at(0)
    book.report(fill("x", 10, 100, client_id=f"{book.parent_id}.1"))
    assert "BreakRaised" in names(book)
    (item,) = book.engine.state.breaks.rows.values()
    assert (item.kind, book.parent.filled_quantity) == (BreakKind.UNKNOWN_ORDER, 0)


def test_a_fill_that_is_taken_back_is_taken_back_from_the_parent() -> None:
    book = Sliced().large(1000).at(0).child(1).report(fill("x1", 100, 101))
    assert (book.parent.filled_quantity, book.parent.filled_value) == (100, 10_100)
    book.report(bust("b1", "x1"))
    assert (book.parent.state, book.parent.filled_quantity, book.parent.filled_value) == (
        State.SUBMITTED,
        0,
        0,
    )
    book.check()


def test_a_late_fill_after_both_have_ended_is_the_parents_too() -> None:
    book = Sliced().large(1000).at(0).spoken_of_parent().cancel().child_ended(1)
    assert book.parent.state is State.CANCELED
    book.child(1).report(fill("late", 70, 100))
    assert (book.parent.state, book.parent.filled_quantity) == (State.CANCELED, 70)
    book.check()


def test_a_late_fill_that_completes_it_cancels_what_works_beside() -> None:
    book = Sliced().large(200).at(0).child(1).report(ack("B1")).child_ended(1)
    for minute in range(1, 10):
        book.at(minute).child_filled(minute + 1) if minute < 9 else book.at(minute)
    book.child(1).report(fill("late", 20, 100))
    assert (book.parent.state, book.parent.filled_quantity) == (State.FILLED, 200)
    assert book.children[-1].open_request(RequestKind.CANCEL) is not None
    book.child_ended(10)
    assert book.check().parent.state is State.CLOSED


def test_a_child_that_provably_did_not_leave_leaves_its_parent_sent() -> None:
    from ordergate.domain.orders.reports import Answered, Outcome

    book = Sliced().large(1000).at(0).close_session().child(1)
    book.report(Answered(broker=BROKER, outcome=Outcome.NOT_SENT, epoch=1))
    assert (book.children[0].state, book.parent.state) == (State.ACCEPTED, State.SUBMITTED)
    book.check()


# -- Signals -----------------------------------------------------------------------------------------------------


def test_fills_of_children_get_the_stops_that_the_signal_asks_for() -> None:
    book = Sliced()
    book.engine.view.signals = SignalRouting(fund="fund", protect=Protection.STOP)
    book.step(SubmitSignal(Signal(
        signal_id="s1", symbol="AAPL", action="buy", quantity=D(1000), stop_loss=D(95), strategy_id="trend",
    )))  # fmt: skip
    book.parent_id = book.answer.order.order_id
    book.engine.view.signals = SignalRouting(fund="fund", protect=Protection.NONE)
    book.at(0).child_filled(1).at(1).child_filled(2, 40)
    stops = [one for one in book.engine.state.orders.rows.values() if one.guards]
    assert [(stop.quantity, stop.parent_order_id) for stop in stops] == [
        (100, book.children[0].order_id), (40, book.children[1].order_id),
    ]  # fmt: skip
    assert {child.signal_id for child in book.children} == {"s1"}
    book.check()


def test_its_max_slippage_counts_from_when_the_parent_was_made() -> None:
    book = Sliced().large(1000, max_slippage_bps=D(100)).at(0).at(1, quote="100.9")
    assert [child.arrival_ask for child in book.children] == [100, 100]
    book.at(2, quote="101.5")
    assert book.children[-1].reason_code == "RISK_SLIPPAGE"
    assert book.at(3, quote=100).sizes[-1] == 200


def test_the_timer_of_another_order_does_nothing() -> None:
    book = Sliced().order_of(1)
    book.step(WorkParent(book.order_id))
    book.expect()
    book.step(WorkParent("ord-none"))
    book.expect()


def test_a_stop_that_trades_stops_a_parent_that_would_open_what_the_gate_does_not_let() -> None:
    book = Sliced(Limits(enable_shorting=False))
    book.engine.view.signals = SignalRouting(fund="fund", order_type="limit", protect=Protection.STOP)
    signal = Signal(
        signal_id="s1", symbol="AAPL", action="buy", quantity=D(1000), entry_price=D(100), stop_loss=D(95)
    )  # fmt: skip
    book.step(SubmitSignal(signal))
    book.order_id = book.answer.order.order_id
    book.report(ack("B0"), fill("e1", 1000, 100))
    (stop,) = [one for one in book.engine.state.orders.rows.values() if one.guards]
    book.large(1000, side=Side.SELL, key="close").at(0)
    assert (book.parent.state, book.sizes) == (State.SUBMITTED, [100])
    book.order_id = stop.order_id
    book.report(ack("B1"), fill("t1", 500, 95))
    assert {"WorkStopped", "CloseCut"} <= set(names(book))
    assert book.children[0].open_request(RequestKind.CANCEL) is not None
    book.child_ended(1)
    assert book.check().parent.state is State.CANCELED


@pytest.mark.parametrize(("most", "stays"), [(500, True), (499, False)])
def test_a_parent_counts_once_with_its_children_when_a_stop_trades(most: int, stays: bool) -> None:
    book = Sliced()
    book.engine.view.signals = SignalRouting(fund="fund", order_type="limit", protect=Protection.STOP)
    signal = Signal(
        signal_id="s1", symbol="AAPL", action="buy", quantity=D(1000), entry_price=D(100), stop_loss=D(95)
    )  # fmt: skip
    book.step(SubmitSignal(signal))
    book.order_id = book.answer.order.order_id
    book.report(ack("B0"), fill("e1", 1000, 100))
    (stop,) = [one for one in book.engine.state.orders.rows.values() if one.guards]
    book.large(1000, side=Side.SELL, key="close").at(0)
    book.limits(Limits(max_position_qty=D(most)))
    book.order_id = stop.order_id
    book.report(ack("B1"), fill("t1", 500, 95))
    assert ("WorkStopped" not in names(book)) is stays
