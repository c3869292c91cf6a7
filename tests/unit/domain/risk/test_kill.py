"""RSK-14, RSK-22: the kill switch stops what is new, takes back what works, and no request gets round it."""

from typing import Any

import pytest

from ordergate.application.decide import halting
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.events import OrderSent
from ordergate.domain.orders.states import Phase, RequestKind, Side, State
from ordergate.domain.risk.commands import AnswerGate, LiftHalt, SetLimits, ThrowSwitch, ValueFunds
from ordergate.domain.risk.events import TradingHalted, TradingResumed
from ordergate.domain.risk.kill_switch import Mode, Trigger
from ordergate.domain.risk.limits import Level, Limits
from ordergate.domain.times import MICROSECOND
from ordergate.testing.playbook import BROKER, ack, ended, fill
from tests.unit.domain.risk.limited import NAMES, Limited, stated

SCOPES = [level for level in Level if level is not Level.SYMBOL]
ELSE = {Level.FUND: "other", Level.STRATEGY: "carry"}


def switch(level: Level = Level.FUND, mode: Mode = Mode.HALT, **more: Any) -> ThrowSwitch:
    return ThrowSwitch(**{"level": level, "name": NAMES[level], "reason": "drill", "mode": mode} | more)


def lifted(level: Level = Level.FUND) -> LiftHalt:
    return LiftHalt(level=level, name=NAMES[level], reason="all is well")


def thrown(book: Limited, level: Level = Level.FUND, mode: Mode = Mode.HALT, **more: Any) -> Limited:
    return book.by("ann", switch(level, mode, **more))


def test_an_order_that_was_filled_meanwhile_is_closed_when_a_halt_drops_its_replace() -> None:
    book = Limited().order_of(5, limit=100).replace(7)
    book.close_session().report(fill("x1", 5, 100, completes=True))
    book.open_session()
    thrown(book)
    assert (book.order.state, len(book.order.requests)) == (State.FILLED, 1)
    book.step(c.Release(book.order_id, book.order.requests[0].number))
    book.expect("RequestDropped", "OrderClosed", state=State.CLOSED)


def test_an_order_in_doubt_that_must_not_be_sent_again_is_left_to_a_person() -> None:
    book = Limited().submit(5).open_session()
    looked_up = r.LookedUp(broker=BROKER, finding=r.Finding.REPEATABLE)
    thrown(book)
    book.report(looked_up, request=1)
    book.expect("RequestDoubted", "BreakRaised", state=State.SUBMITTED)
    request = book.order.request(1)
    assert request is not None and request.phase is Phase.PARKED  # noqa: PT018
    assert "not sent again, for fund fund is halted" in book.events[-1].item.detail


def test_what_only_reduces_may_stay_and_is_not_asked_for_again() -> None:
    book = Limited().held(5).order_of(5, side=Side.SELL, limit=200)
    thrown(book, mode=Mode.HALT)
    book.report(r.RequestRefused(broker=BROKER))
    assert halting.next_cancel(book.engine.state) is not None
    book.by("bob", lifted()).by("ann", switch(mode=Mode.REDUCE_ONLY))
    assert not book.order.requests
    assert halting.next_cancel(book.engine.state) is None


def test_a_cancel_that_is_refused_without_a_halt_is_no_delay() -> None:
    book = Limited().order_of(5).cancel()
    book.report(r.RequestRefused(broker=BROKER)).expect("RequestDropped")


@pytest.mark.parametrize("level", SCOPES)
class TestHalt:
    def test_it_blocks_new_orders_and_replaces(self, level: Level) -> None:
        book = Limited().order_of(5, limit=100)
        thrown(book, level)
        book.replace(4)
        assert book.code == "RISK_HALTED"
        assert "is halted by ann: drill" in str(book.decision.reason)
        assert book.order_of(1).code == "RISK_HALTED"
        assert book.order.state is State.REJECTED

    def test_it_cancels_what_works_and_what_never_left(self, level: Level) -> None:
        book = Limited().order_of(5).order_of(5).filled(2)
        book.close_session().submit(3, strategy_id="trend")
        assert book.order.state is State.ACCEPTED
        book.open_session()
        thrown(book, level)
        assert (book.answer.canceled, book.answer.asked, book.answer.left) == (1, 2, 0)
        orders = book.engine.state.orders.rows
        assert orders["ord-3"].state is State.CANCELED
        assert orders["ord-3"].reason_code == halting.CANCELED_BY_HALT
        for name in ("ord-1", "ord-2"):
            request = orders[name].open_request(RequestKind.CANCEL)
            assert request is not None
            assert request.phase is Phase.SENT
        book.step(ValueFunds())
        assert not book.events, "they have a cancel on its way"

    def test_a_cancel_that_was_refused_is_asked_for_again(self, level: Level) -> None:
        book = Limited().order_of(5)
        thrown(book, level)
        book.report(r.RequestRefused(broker=BROKER, reason="busy")).expect("RequestDropped", "OrderOverdue")
        assert not book.order.requests
        book.later(1.1).step(ValueFunds())
        assert book.order.open_request(RequestKind.CANCEL) is not None

    def test_a_refused_cancel_is_asked_for_ever_less_often(self, level: Level) -> None:
        book = Limited().order_of(5)
        thrown(book, level)
        pauses = []
        for _ in range(9):
            book.later(0.1).report(r.RequestRefused(broker=BROKER, reason="busy"))
            refused_at = book.now
            due = halting.next_cancel(book.engine.state)
            assert due is not None
            book.now = due - MICROSECOND
            book.step(ValueFunds())
            assert not book.events
            book.now = due
            book.step(ValueFunds())
            book.expect("RequestOpened")
            assert halting.next_cancel(book.engine.state) is None, "a cancel is on its way"
            pauses.append(round((due - refused_at).total_seconds(), 3))
        assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert book.replayed().orders.rows == book.engine.state.orders.rows
        book.report(ended(r.End.CANCELED)).expect("OrderCanceled", state=State.CANCELED)
        assert halting.next_cancel(book.engine.state) is None

    def test_a_halt_that_is_ordered_again_or_anew_does_not_wait(self, level: Level) -> None:
        book = Limited().order_of(5)
        thrown(book, level)
        for _ in range(5):
            book.report(r.RequestRefused(broker=BROKER)).later(60).step(ValueFunds())
        book.report(r.RequestRefused(broker=BROKER))
        thrown(book, level)
        assert book.answer.asked == 1
        book.report(r.RequestRefused(broker=BROKER))
        book.by("bob", lifted(level))
        assert halting.next_cancel(book.engine.state) is None
        thrown(book, level, trigger=Trigger.LOSS)
        assert book.answer.asked == 1
        book.report(r.RequestRefused(broker=BROKER))
        assert book.events[-1].count == 1, "counted from the halt on"
        due = halting.next_cancel(book.engine.state)
        assert due is not None
        assert round((due - book.now).total_seconds(), 3) == 1

    def test_others_trade_on(self, level: Level) -> None:
        book = Limited().limits(Limits(), Level.FUND, "other")
        book.order_of(1, fund_id="other", strategy_id="carry")
        thrown(book, level)
        stopped = level in (Level.FIRM, Level.BROKER)
        assert (book.order.open_request(RequestKind.CANCEL) is not None) is stopped
        assert (book.order_of(1, fund_id="other", strategy_id="carry").code is None) is not stopped

    def test_a_cancel_and_a_fill_pass(self, level: Level) -> None:
        book = Limited().order_of(5)
        thrown(book, level)
        book.cancel()
        book.report(fill("x", 2, 100)).expect("OrderFilled", state=State.PARTIALLY_FILLED)
        book.report(ended(r.End.CANCELED)).expect("OrderCanceled", state=State.CANCELED)

    def test_it_is_lifted_by_another_and_with_a_reason(self, level: Level) -> None:
        book = thrown(Limited(), level)
        with pytest.raises(Conflict) as refused:
            book.by("ann", lifted(level))
        assert refused.value.code is Code.SAME_PRINCIPAL
        with pytest.raises(Invalid):
            book.by("bob", LiftHalt(level=level, name=NAMES[level], reason=" "))
        assert book.order_of(1).code == "RISK_HALTED"
        book.by("bob", lifted(level)).expect("TradingResumed")
        halt = book.answer
        assert (halt.holds, halt.by, halt.lifted_by, halt.lifted_because) == (
            False,
            "ann",
            "bob",
            "all is well",
        )
        assert book.order_of(1).code is None
        with pytest.raises(NotFound):
            book.by("bob", lifted(level))

    def test_it_survives_a_replay(self, level: Level) -> None:
        book = thrown(Limited(), level)
        assert book.replayed().halts.rows == book.engine.state.halts.rows
        book.by("bob", lifted(level))
        assert book.replayed().halts.rows == book.engine.state.halts.rows

    def test_a_request_that_waited_never_leaves(self, level: Level) -> None:
        """Held back in the instant in which it would: the halt need not have canceled it yet."""
        book = Limited(session=False).submit(5, strategy_id="trend")
        halting_none(book, level)
        assert book.order.state is State.ACCEPTED
        book.open_session().step(c.Release(book.order_id, 1))
        assert [type(event).__name__ for event in book.events] == ["OrderCanceled"]
        assert (book.order.state, book.order.reason_code) == (State.CANCELED, halting.CANCELED_BY_HALT)

    def test_a_replace_that_waited_never_leaves(self, level: Level) -> None:
        book = Limited().order_of(5, limit=100).close_session()
        book.replace(6)
        halting_none(book, level)
        book.open_session().step(c.Release(book.order_id, 2))
        book.expect("RequestDropped", state=State.SUBMITTED, quantity=5)
        assert not book.order.requests

    def test_a_submit_that_is_sent_again_does_not_leave(self, level: Level) -> None:
        book = Limited().submit(5, strategy_id="trend")
        book.report(r.Answered(broker=BROKER, outcome=r.Outcome.NOT_SENT))
        assert book.order.requests[0].phase is Phase.READY
        halting_none(book, level)
        book.step(c.Release(book.order_id, 1))
        assert not any(isinstance(event, OrderSent) for event in book.events)
        assert not [
            r_ for r_ in book.order.requests if r_.kind is RequestKind.SUBMIT and r_.phase is Phase.SENT
        ]

    def test_an_approved_order_does_not_leave(self, level: Level) -> None:
        book = Limited(stated(approve_above_usd=100)).submit(5, strategy_id="trend")
        halting_none(book, level)
        book.step(AnswerGate(order_id=book.order_id, gate="approval", approved=True))
        assert book.order.state is State.CANCELED
        assert not any(isinstance(entry.event, OrderSent) for entry in book.entries)


def halting_none(book: Limited, level: Level) -> None:
    """Halts without canceling, as where more works than one step takes."""
    before, halting.MOST_AT_ONCE = halting.MOST_AT_ONCE, 0  # type: ignore[misc]
    try:
        thrown(book, level)
    finally:
        halting.MOST_AT_ONCE = before  # type: ignore[misc]
    assert book.answer.left == 1


def test_more_than_one_step_takes_are_canceled_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halting, "MOST_AT_ONCE", 3)
    book = Limited()
    for _turn in range(8):
        book.order_of(1)
    thrown(book)
    assert (book.answer.asked, book.answer.left) == (3, 5)
    assert book.order_of(1).code == "RISK_HALTED"
    for asked in (3, 2, 0):
        book.step(ValueFunds())
        assert len(book.events) == asked
    again = thrown(book).answer
    assert (again.asked, again.left) == (0, 0)
    assert len([e for e in book.entries if isinstance(e.event, TradingHalted)]) == 1


def test_a_thousand_at_once() -> None:
    book = Limited()
    for _turn in range(halting.MOST_AT_ONCE + 1):
        book.submit(1, strategy_id="trend")
    thrown(book)
    assert (book.answer.asked, book.answer.left) == (1_000, 1)


@pytest.mark.parametrize("level", SCOPES)
class TestReduceOnly:
    def test_what_reduces_passes_and_no_share_more(self, level: Level) -> None:
        book = Limited().held(10)
        thrown(book, level, Mode.REDUCE_ONLY)
        assert book.order_of(1).code == "RISK_REDUCE_ONLY"
        assert book.order_of(11, side=Side.SELL).code == "RISK_REDUCE_ONLY"
        assert book.order_of(6, side=Side.SELL, limit=100).code is None
        assert book.order_of(5, side=Side.SELL).code == "RISK_REDUCE_ONLY"
        book.order_id = "ord-4"
        book.replace(11)
        assert book.code == "RISK_REDUCE_ONLY"
        book.replace(10)
        assert book.code is None

    def test_of_a_short(self, level: Level) -> None:
        book = Limited().held(-10)
        thrown(book, level, Mode.REDUCE_ONLY)
        assert book.order_of(1, side=Side.SHORT).code == "RISK_REDUCE_ONLY"
        assert book.order_of(11, side=Side.COVER).code == "RISK_REDUCE_ONLY"
        assert book.order_of(10, side=Side.COVER).code is None

    def test_flat_nothing_reduces(self, level: Level) -> None:
        book = thrown(Limited(), level, Mode.REDUCE_ONLY)
        for side in Side:
            assert book.order_of(1, side=side).code == "RISK_REDUCE_ONLY"

    def test_what_opens_is_canceled_and_what_reduces_works_on(self, level: Level) -> None:
        book = Limited().held(10).order_of(5, limit=90).order_of(5, side=Side.SELL, limit=110)
        thrown(book, level, Mode.REDUCE_ONLY)
        assert (book.answer.asked, book.answer.left) == (1, 0)
        orders = book.engine.state.orders.rows
        assert orders["ord-2"].open_request(RequestKind.CANCEL) is not None
        assert not orders["ord-3"].requests

    def test_it_tightens_to_a_halt_at_once_and_is_not_loosened(self, level: Level) -> None:
        book = Limited().held(10).order_of(5, side=Side.SELL, limit=110)
        thrown(book, level, Mode.REDUCE_ONLY)
        book.by("ann", switch(level, Mode.HALT)).expect("TradingHalted", "RequestOpened")
        with pytest.raises(Conflict) as refused:
            book.by("ann", switch(level, Mode.REDUCE_ONLY))
        assert refused.value.code is Code.HALTED
        assert book.order_of(1, side=Side.SELL).code == "RISK_HALTED"


def test_who_tightens_a_halt_cannot_lift_it_either() -> None:
    book = thrown(Limited(), mode=Mode.REDUCE_ONLY).by("bob", switch())
    with pytest.raises(Conflict):
        book.by("bob", lifted())
    book.by("ann", lifted()).expect("TradingResumed")


def test_the_strictest_counts_and_each_is_lifted_for_itself() -> None:
    book = Limited().held(10)
    thrown(thrown(book, Level.FUND, Mode.REDUCE_ONLY), Level.FIRM)
    assert book.order_of(1, side=Side.SELL).code == "RISK_HALTED"
    book.by("bob", lifted(Level.FIRM))
    assert book.order_of(1, side=Side.SELL).code is None
    assert book.order_of(1).code == "RISK_REDUCE_ONLY"
    book.by("bob", lifted(Level.FUND))
    assert book.order_of(1).code is None


def test_what_a_trigger_stopped_is_lifted_by_a_person() -> None:
    book = Limited().by("ann", switch(trigger=Trigger.STALE_FEED))
    assert book.answer.halt.by == "trigger/stale_feed"
    book.by("ann", lifted()).expect("TradingResumed")
    assert isinstance(book.events[0], TradingResumed)


@pytest.mark.parametrize(
    ("command", "pointer"),
    [
        (ThrowSwitch(level=Level.SYMBOL, name="AAPL", reason="x"), "#/level"),
        (ThrowSwitch(level=Level.FUND, name="nobody", reason="x"), "#/name"),
        (ThrowSwitch(level=Level.BROKER, name="nobody", reason="x"), "#/name"),
        (ThrowSwitch(level=Level.FIRM, name="fund", reason="x"), "#/name"),
        (ThrowSwitch(level=Level.STRATEGY, name="", reason="x"), "#/name"),
        (ThrowSwitch(level=Level.FUND, name="fund", reason="  "), "#/reason"),
    ],
)
def test_what_cannot_be_halted(command: ThrowSwitch, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        Limited().step(command)
    assert refused.value.pointer == pointer


class TestLimitsDuringAHalt:
    WIDE, TIGHT = stated(max_order_qty=20), stated(max_order_qty=5)

    @pytest.mark.parametrize("mode", list(Mode))
    @pytest.mark.parametrize(
        ("halted", "level", "refused"),
        [
            (Level.FUND, Level.FUND, True),
            (Level.FIRM, Level.FIRM, True),
            (Level.FIRM, Level.FUND, True),
            (Level.FIRM, Level.BROKER, True),
            (Level.FUND, Level.FIRM, True),
            (Level.FUND, Level.SYMBOL, True),
            (Level.STRATEGY, Level.STRATEGY, True),
            (Level.BROKER, Level.BROKER, True),
            (Level.STRATEGY, Level.FUND, False),
            (Level.BROKER, Level.STRATEGY, False),
        ],
    )
    def test_they_are_not_loosened_and_may_be_tightened(
        self, halted: Level, level: Level, refused: bool, mode: Mode
    ) -> None:
        book = Limited().limits(stated(max_order_qty=10), level)
        thrown(book, halted, mode)
        loose = SetLimits(level=level, name=NAMES[level], limits=self.WIDE, reason="more")
        if refused:
            with pytest.raises(Conflict) as error:
                book.step(loose)
            assert (error.value.code, error.value.pointer) == (Code.HALTED, "#/limits/max_order_qty")
        else:
            book.step(loose)
        book.limits(self.TIGHT, level)
        book.by("bob", lifted(halted)).limits(self.WIDE, level)
        assert book.order_of(20).code is None

    def test_of_another_fund_they_are(self) -> None:
        book = thrown(Limited()).limits(self.TIGHT, Level.FUND, "other")
        book.limits(self.WIDE, Level.FUND, "other")


def test_an_unknown_submit_is_asked_to_be_canceled() -> None:
    """It may be on the book: a halt cannot say that it never left."""
    book = Limited().submit(5, strategy_id="trend")
    book.report(r.Answered(broker=BROKER, outcome=r.Outcome.UNKNOWN))
    thrown(book).expect("TradingHalted", "RequestOpened", state=State.SUBMITTED)
    book.report(ack(), request=1)
    assert book.order.open_request(RequestKind.CANCEL) is not None
