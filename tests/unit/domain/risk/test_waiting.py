"""Orders and changes that wait for a person or an external gate: none of them leaves before all have agreed."""

from decimal import Decimal

import pytest

from ordergate.domain.errors import Conflict, NotFound
from ordergate.domain.orders import commands as c
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.events import OrderSent
from ordergate.domain.orders.states import Phase, RequestKind, State
from ordergate.domain.risk.commands import AnswerGate
from ordergate.domain.risk.limits import Limits
from ordergate.testing.playbook import ack, fill
from tests.unit.domain.risk.limited import Limited, stated

LIMITS = stated(approve_above_usd=1_000)


def answer(book: Limited, *, approved: bool = True, gate: str = "approval", **more: object) -> Limited:
    book.step(AnswerGate(order_id=book.order_id, gate=gate, approved=approved, **more))  # type: ignore[arg-type]
    return book


def sent(book: Limited) -> list[tuple[RequestKind, Decimal | None]]:
    return [(r.kind, r.quantity) for r in book.order.requests if r.phase is Phase.SENT]


def full_while_a_replace_waits() -> Limited:
    """Filled by its broker's own record, and told before its replace was decided on."""
    book = Limited(LIMITS).submit(9).report(ack())
    book.replace(20).report(fill("x1", 9, 100, completes=True))
    assert (book.order.state, len(book.order.requests)) == (State.FILLED, 1)
    return book


class TestOrders:
    def test_an_order_that_was_filled_meanwhile_is_closed_when_its_replace_is_refused(self) -> None:
        book = answer(full_while_a_replace_waits(), approved=False, number=2)
        book.expect("GateAnswered", "RequestDropped", "OrderClosed", state=State.CLOSED)

    def test_approved_it_is_sent(self) -> None:
        book = answer(Limited(LIMITS).submit(11))
        book.expect("GateAnswered", "OrderSent", state=State.SUBMITTED)
        assert (book.order.awaits, book.order.decide_by) == (None, None)

    def test_refused_it_is_rejected(self) -> None:
        book = answer(Limited(LIMITS).submit(11), approved=False, reason="too large for a Monday")
        book.expect("GateAnswered", "OrderRejected", state=State.REJECTED)
        assert (book.order.reason_code, book.order.reason) == (
            RiskCode.NOT_APPROVED,
            "too large for a Monday",
        )

    def test_nobody_answers_and_it_expires(self) -> None:
        book = answer(Limited(LIMITS).submit(11), approved=False, timed_out=True)
        assert (book.order.state, book.order.reason_code) == (State.EXPIRED, "APPROVAL_EXPIRED")

    def test_an_external_gate_s_silence_refuses(self) -> None:
        book = answer(
            Limited(Limits(gates=("house",))).submit(1), approved=False, gate="house", timed_out=True
        )
        assert (book.order.state, book.order.reason_code) == (State.REJECTED, RiskCode.GATE)

    def test_all_must_agree_in_any_order(self) -> None:
        for gates in (("house", "bank", "approval"), ("approval", "bank", "house")):
            book = Limited(Limits(gates=("house", "bank"), approve_above_usd=Decimal(0))).submit(1)
            for gate in gates:
                assert book.order.state is State.PENDING_RISK
                answer(book, gate=gate)
            assert book.order.state is State.SUBMITTED

    def test_one_that_refuses_is_enough(self) -> None:
        book = Limited(Limits(gates=("house", "bank"))).submit(1)
        answer(answer(book, gate="house"), gate="bank", approved=False)
        assert book.order.state is State.REJECTED
        with pytest.raises(Conflict):
            answer(book, gate="house")

    def test_nobody_answers_twice_nor_for_another(self) -> None:
        book = Limited(Limits(gates=("house", "bank"))).submit(1)
        answer(book, gate="house")
        for gate in ("house", "approval", ""):
            with pytest.raises(Conflict):
                answer(book, gate=gate)
        with pytest.raises(NotFound):
            book.step(AnswerGate(order_id="nobody", gate="bank", approved=True))

    def test_it_can_be_canceled_and_is_approved_no_more(self) -> None:
        book = Limited(LIMITS).submit(11).cancel()
        assert (book.order.state, book.order.awaits) == (State.CANCELED, None)
        with pytest.raises(Conflict):
            answer(book)

    def test_a_release_does_not_let_it_go(self) -> None:
        book = Limited(LIMITS).submit(11)
        book.step(c.Release(book.order_id, 1))
        assert not book.events

    def test_without_a_session_it_waits_for_one_after_the_approval(self) -> None:
        book = answer(Limited(LIMITS, session=False).submit(11))
        assert book.order.state is State.ACCEPTED
        book.open_session().step(c.Release(book.order_id, 1))
        assert [type(event) for event in book.events] == [OrderSent]


class TestReplaces:
    def test_approved_it_is_sent(self) -> None:
        book = Limited(LIMITS).order_of(5, limit=100)
        book.replace(11)
        assert sent(book) == []
        answer(book, number=2)
        assert sent(book) == [(RequestKind.REPLACE, Decimal(11))]

    @pytest.mark.parametrize("timed_out", [False, True])
    def test_refused_it_is_dropped_and_the_order_works_on(self, timed_out: bool) -> None:
        book = Limited(LIMITS).order_of(5, limit=100)
        book.replace(11)
        answer(book, approved=False, number=2, timed_out=timed_out)
        book.expect("GateAnswered", "RequestDropped", state=State.SUBMITTED, quantity=5)

    @pytest.mark.parametrize("again", [11, 12, 50])
    def test_the_same_or_more_again_does_not_go_round_the_one_that_waits(self, again: int) -> None:
        book = Limited(LIMITS).order_of(5, limit=100)
        book.replace(11)
        with pytest.raises(Conflict):
            book.replace(again)
        assert sent(book) == []

    def test_no_other_change_passes_beside_it(self) -> None:
        book = Limited(LIMITS).order_of(5, limit=100)
        book.replace(11)
        with pytest.raises(Conflict, match="waits for approval"):
            book.replace(4)
        answer(book, number=2)
        book.replace(4)
        assert sent(book) == [(RequestKind.REPLACE, Decimal(11)), (RequestKind.REPLACE, Decimal(4))]

    def test_a_release_does_not_let_it_go(self) -> None:
        book = Limited(LIMITS).order_of(5, limit=100)
        book.replace(11)
        book.step(c.Release(book.order_id, 2))
        assert not book.events

    def test_a_cancel_does_not_wait(self) -> None:
        book = Limited(LIMITS).order_of(5, limit=100)
        book.replace(11)
        book.cancel()
        assert sent(book) == [(RequestKind.CANCEL, None)]

    def test_it_stands_in_the_journal(self) -> None:
        book = Limited(LIMITS).order_of(5, limit=100)
        book.replace(11)
        answer(book, number=2)
        assert book.replayed().orders.rows == book.engine.state.orders.rows
