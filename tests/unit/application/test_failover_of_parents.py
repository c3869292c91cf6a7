"""Slices go where their parent's rule lets them: to its broker, or on from it, counted once wherever they are."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.domain.algos.commands import WorkParent
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.states import RequestKind, State
from ordergate.domain.risk.commands import AnswerGate, ThrowSwitch
from ordergate.domain.risk.limits import Level, Limits
from ordergate.domain.routing import RerouteOrder, Route
from ordergate.testing.playbook import BROKER
from tests.unit.domain.algos.sliced import Sliced
from tests.unit.domain.risk.limited import stated

A, B, C = BROKER, "kraken", "backup"


class RoutedSlices(Sliced):
    """A fund whose orders go to `paper`, then `kraken`, then `backup`; the sessions of the named are up."""

    def __init__(self, limits: Limits | None = None, up: tuple[str, ...] = (A, B, C)) -> None:
        self.down: set[str] = set()
        super().__init__(limits, session=False)
        view = self.engine.view
        view.brokers |= {B, C}
        view.is_down = lambda broker: broker in self.down
        self.step(c.Configure((replace(self.fund, routes=(Route(brokers=(A, B, C)),)),), ()))
        for broker in up:
            view.sessions[broker] = self.step(c.OpenSession(broker, "test")).answer

    def not_sent(self, number: int) -> "RoutedSlices":
        """A child's broker says that its submit has not left."""
        self.child(number).report(r.Answered(broker=A, outcome=r.Outcome.NOT_SENT))
        return self

    def report(self, *said: r.AnyReport, request: int | None = None) -> "RoutedSlices":
        """By the broker at which the order that is spoken of is."""
        super().report(*(replace(one, broker=self.order.broker) for one in said), request=request)
        return self

    @property
    def places(self) -> list[tuple[str, State]]:
        """Where the children are."""
        return [(child.broker, child.state) for child in self.children]


def test_a_slice_has_the_way_of_its_parent() -> None:
    book = RoutedSlices().large().at(0)
    assert (book.parent.broker, book.places) == (A, [(A, State.SUBMITTED)])
    assert book.children[0].route == book.parent.route == (A, B, C)
    book.check()


def test_one_whose_parent_named_its_broker_goes_there_alone() -> None:
    book = RoutedSlices().large(broker=A)
    book.down = {A}
    book.at(0).not_sent(1)
    assert (book.places, book.children[0].route) == ([(A, State.ACCEPTED)], None)


def test_while_the_parents_broker_is_down_slices_go_to_the_next_that_is_not() -> None:
    book = RoutedSlices().large().at(0).child_filled(1)
    book.down = {A, B}
    book.at(1).child_filled(2)
    book.down = {A, B, C}
    book.at(2).child_filled(3)
    book.down = {A}
    book.engine.view.brokers -= {B}
    book.at(3).child_filled(4)
    book.down = set()
    book.at(4)
    assert [child.broker for child in book.children] == [A, C, A, C, A]
    assert (book.parent.broker, book.parent.filled_quantity) == (A, 400)
    book.check()


def test_a_slice_that_was_not_sent_goes_on_and_the_parent_counts_it_once() -> None:
    book = RoutedSlices(stated(max_gross_exposure_usd=100_000)).large().at(0).not_sent(1)
    assert book.places == [(B, State.SUBMITTED)]
    cell = book.engine.state.exposures.cell("fund", "AAPL")
    assert cell is not None
    assert cell.quantities() == (0, 1000)
    assert book.engine.state.exposures.parents.on_its_way(book.parent_id) == 100
    assert book.child_filled(1).at(1).places == [(B, State.CLOSED), (A, State.SUBMITTED)]
    assert book.parent.filled_quantity == 100
    book.check()


def test_a_slice_of_what_a_person_has_approved_as_a_whole_goes_on() -> None:
    book = RoutedSlices(stated(approve_above_usd=500)).large()
    book.step(AnswerGate(order_id=book.parent_id, gate="approval", approved=True, number=1))
    assert book.at(0).not_sent(1).places == [(B, State.SUBMITTED)]


def test_a_slice_that_waits_for_a_session_goes_on() -> None:
    book = RoutedSlices(up=(B, C)).large().at(0)
    assert (book.parent.state, book.places) == (State.ACCEPTED, [(A, State.ACCEPTED)])
    book.step(RerouteOrder(order_id=book.children[0].order_id, reason="it waits"))
    assert (book.parent.state, book.places) == (State.SUBMITTED, [(B, State.SUBMITTED)])
    book.check()


def test_a_parent_itself_goes_nowhere() -> None:
    book = RoutedSlices(up=(B, C)).large()
    book.step(RerouteOrder(order_id=book.parent_id, reason="it waits"))
    assert book.events == []


@pytest.mark.parametrize("how", ["halted", "limited"])
def test_what_a_broker_that_stands_in_may_not_have_does_not_end_the_parent(how: str) -> None:
    book = RoutedSlices().large()
    if how == "halted":
        book.step(ThrowSwitch(level=Level.BROKER, name=B, reason="drill"))
    else:
        book.limits(replace(Limits(), restricted_symbols=("AAPL",)), Level.BROKER, B)
    book.down = {A}
    book.at(0)
    assert book.places == [(B, State.REJECTED)]
    assert book.parent.open_request(RequestKind.CANCEL) is None
    book.down = set()
    assert book.at(1).places[1:] == [(A, State.SUBMITTED)]
    assert book.sizes == [Decimal(100), Decimal(200)]
    book.check()


def test_what_the_parents_own_may_not_have_ends_it() -> None:
    book = RoutedSlices().large()
    book.limits(replace(Limits(), restricted_symbols=("AAPL",)), Level.BROKER, A)
    book.at(0)
    assert (book.parent.state, book.parent.reason_code) == (State.CANCELED, "RISK_RESTRICTED")


def test_a_halt_of_another_broker_cancels_the_slice_there_alone() -> None:
    book = RoutedSlices().large().at(0).not_sent(1)
    book.step(ThrowSwitch(level=Level.BROKER, name=B, reason="drill"))
    assert book.children[0].open_request(RequestKind.CANCEL) is not None
    assert book.parent.open_request(RequestKind.CANCEL) is None
    book.child_ended(1)
    book.step(WorkParent(book.parent_id))
    assert book.at(1).places == [(B, State.CANCELED), (A, State.SUBMITTED)]
    book.check()
