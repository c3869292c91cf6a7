"""The workers' commands by themselves: they do nothing to an order that is not as it was when it was looked at."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ordergate.domain.errors import Invalid
from ordergate.domain.orders import commands as c
from ordergate.domain.orders.events import OrderExpired, OrderOverdue, RequestOpened
from ordergate.domain.orders.reports import End, Finding, LookedUp
from ordergate.domain.orders.states import Delay, Phase, Remedy, State, TimeInForce
from ordergate.testing.playbook import BROKER, Playbook, ack, ended

SECOND = timedelta(seconds=1)


def expire(book: Playbook, over_at=None) -> None:
    book.step(c.ExpireOrder(order_id=book.order_id, over_at=over_at or book.now))


def attend(book: Playbook, remedy: Remedy = Remedy.ALERT, off: int = 0, price: int | None = None) -> None:
    command = c.AttendOrder(
        order_id=book.order_id,
        version=book.order.version + off,
        why=Delay.UNFILLED,
        remedy=remedy,
        since=book.now,
        limit_price=None if price is None else Decimal(price),
    )
    book.step(command)


class TestExpire:
    def test_what_waits_here_ends_at_its_time(self) -> None:
        book = Playbook(session=False).submit(100, limit=10)
        expire(book, book.now + SECOND)
        assert book.events == []
        expire(book)
        (event,) = book.events
        assert isinstance(event, OrderExpired)
        assert book.order.state is State.EXPIRED

    def test_what_may_be_at_the_broker_is_the_broker_s_to_end(self) -> None:
        for book in (Playbook().submit(100, limit=10), Playbook().submit(100, limit=10).report(ack())):
            expire(book)
            assert (book.events, book.order.state) == ([], State.SUBMITTED)

    def test_what_has_ended_has_ended(self) -> None:
        book = Playbook(session=False).submit(100, limit=10)
        for _ in range(2):
            expire(book)
        assert book.events == []

    def test_one_in_doubt_whose_time_is_over_is_left_to_a_person(self) -> None:
        book = Playbook().submit(100, limit=10, tif=TimeInForce.GTD, expires_at=Playbook().now + SECOND)
        book.open_session()
        book.now += 2 * SECOND
        book.report(LookedUp(broker=BROKER, finding=Finding.REPEATABLE), request=1)
        book.expect("RequestDoubted", "BreakRaised", state=State.SUBMITTED)
        request = book.order.request(1)
        assert request is not None
        assert request.phase is Phase.PARKED

    def test_one_that_is_proven_absent_too_late_is_not_sent_again(self) -> None:
        book = Playbook().submit(100, limit=10, tif=TimeInForce.GTD, expires_at=Playbook().now + SECOND)
        book.step(c.OpenSession(BROKER, "test"))
        book.engine.view.sessions[BROKER] = book.answer
        book.now += 2 * SECOND
        book.report(LookedUp(broker=BROKER, finding=Finding.ABSENT))
        assert book.order.state is State.EXPIRED


class TestAttend:
    def test_it_notes_the_delay_and_asks_for_a_cancel_once(self) -> None:
        book = Playbook().submit(100, limit=10).report(ack())
        for times, kinds in ((1, [OrderOverdue, RequestOpened]), (2, [OrderOverdue])):
            attend(book, Remedy.CANCEL)
            assert [type(event) for event in book.events] == kinds
            assert book.order.noticed(Delay.UNFILLED).times == times

    @pytest.mark.parametrize("off", [-1, 1])
    def test_an_order_that_has_changed_is_left_alone(self, off: int) -> None:
        book = Playbook().submit(100, limit=10).report(ack())
        attend(book, Remedy.CANCEL, off)
        assert (book.events, book.answer) == ([], False)

    def test_an_order_that_has_ended_is_left_alone(self) -> None:
        book = Playbook().submit(100, limit=10).report(ack(), ended(End.CANCELED))
        attend(book, Remedy.CANCEL)
        assert book.events == []

    def test_a_remedy_that_cannot_be_done_notes_nothing(self) -> None:
        book = Playbook().submit(100, limit=10).report(ack())
        with pytest.raises(Invalid):
            attend(book, Remedy.REPRICE, price=10)
        assert book.order.overdue is None
