"""Where orders go, and go on to: by the fund's rules, and only with proof that the broker before does not have them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.ids import CountingIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.audit.replay import replay
from ordergate.application.audit.story import story
from ordergate.application.decide.rerouting import unsent
from ordergate.application.ports.brokers import Answer, Send
from ordergate.bootstrap import Gate, assemble
from ordergate.config import Config, FundSection, PaperBroker
from ordergate.domain.book import Book
from ordergate.domain.breaks import Cause
from ordergate.domain.delays import WorkerTerms
from ordergate.domain.errors import Defect, Invalid
from ordergate.domain.fold import evolve
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import AssetClass
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.decision import RiskDecision
from ordergate.domain.orders.events import BreakRaised, FundConfigured, RequestOpened
from ordergate.domain.orders.rerouting import OrderRerouted
from ordergate.domain.orders.states import Mark, OrderType, Phase, Protection, RequestKind, State, TimeInForce
from ordergate.domain.risk.case import BrokerAccount
from ordergate.domain.risk.commands import AnswerGate, AskOverride, GrantOverride, ThrowSwitch, ValueFunds
from ordergate.domain.risk.limits import Level, Limits
from ordergate.domain.routing import RerouteOrder, Route
from ordergate.protocols.tlog import Signer
from ordergate.testing.playbook import BROKER, Playbook, ack, fill
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.unit.application.gates import START, buy
from tests.unit.domain.risk.limited import FUND, Limited, stated

A, B, C = BROKER, "kraken", "backup"
STOCKS = Route(brokers=(A, B, C), asset_classes=(AssetClass.EQUITIES,))
COINS = Route(brokers=(B,), asset_classes=(AssetClass.CRYPTO,))
ROUTED = replace(FUND, routes=(COINS, STOCKS))


class Routed(Limited):
    """A fund whose orders of AAPL go to `paper`, then `kraken`, then `backup`; the sessions of the named are up.

    Attributes:
        down: what is known to take no orders.
    """

    def __init__(
        self, limits: Limits | None = None, up: tuple[str, ...] = (A, B, C), **levels: Limits
    ) -> None:
        self.down: set[str] = set()
        super().__init__(limits, session=False, **levels)
        view = self.engine.view
        view.brokers |= {B, C}
        view.is_down = lambda broker: broker in self.down
        self.step(c.Configure((ROUTED,), ()))
        for broker in up:
            self.open(broker)

    def open(self, broker: str) -> "Routed":
        self.engine.view.sessions[broker] = self.step(c.OpenSession(broker, "test")).answer
        return self

    def answers(self, outcome: r.Outcome, **more: Any) -> "Routed":
        """The order's broker answers its last request."""
        self.report(r.Answered(broker=self.order.broker, outcome=outcome, **more))
        return self

    def looked_up(self, finding: r.Finding, **more: Any) -> "Routed":
        self.report(r.LookedUp(broker=self.order.broker, finding=finding, **more))
        return self

    def reroute(self) -> "Routed":
        self.step(RerouteOrder(order_id=self.order_id, reason="it waits"))
        return self

    def is_at(self, broker: str, state: State) -> bool:
        return (self.order.broker, self.order.state) == (broker, state)


# -- Choosing ------------------------------------------------------------------------------------------------------


def test_an_order_without_a_broker_goes_by_the_rules() -> None:
    book = Routed().submit(10)
    assert book.is_at(A, State.SUBMITTED)
    assert book.order.route == STOCKS.brokers
    book.submit(10, symbol="BTC/USDT")
    assert (book.order.broker, book.order.route) == (B, COINS.brokers)
    book.submit(1, symbol="EURUSD")
    assert (book.order.broker, book.order.route) == (A, None)


def test_an_order_that_names_its_broker_goes_there_alone() -> None:
    book = Routed().submit(10, broker=C)
    assert (book.order.broker, book.order.route) == (C, None)
    book.answers(r.Outcome.NOT_SENT)
    book.expect("SendDisproved", state=State.ACCEPTED)
    assert book.reroute().events == []


def test_a_broker_that_is_down_gets_no_new_orders_whose_rule_names_one_that_is_up() -> None:
    book = Routed()
    book.down = {A}
    assert book.submit(10).is_at(B, State.SUBMITTED)
    assert book.order.route == STOCKS.brokers
    book.down = {A, B, C}
    assert book.submit(10).is_at(A, State.SUBMITTED)


def test_a_created_order_keeps_the_broker_that_was_chosen_for_it() -> None:
    book = Routed()
    book.create(10)
    book.down = {A}
    assert book.submit_created().is_at(A, State.SUBMITTED)
    assert book.order.route == STOCKS.brokers


def test_a_rule_that_names_a_broker_that_is_not_there_is_told() -> None:
    book = Routed()
    book.step(c.Configure((replace(ROUTED, routes=(Route(brokers=("gone",)),)),), ()))
    with pytest.raises(Invalid, match="'gone' is no broker"):
        book.submit(10)


def test_the_limits_of_the_chosen_broker_count() -> None:
    book = Routed()
    book.limits(stated(max_order_qty=5), Level.BROKER, B)
    assert book.submit(10).is_at(A, State.SUBMITTED)
    book.down = {A}
    assert book.submit(10).is_at(B, State.REJECTED)


def test_the_order_is_the_same_order_wherever_it_was_routed() -> None:
    book = Routed()
    first = book.submit(10, key="once").order_id
    book.down = {A}
    book.submit(10, key="once")
    assert book.answer.replayed
    assert book.order_id == first


def test_a_fund_without_rules_is_written_as_one() -> None:
    assert Routed().submit(10).replayed().funds.rows["fund"] == ROUTED
    assert Fund(fund_id="f", broker="b").routes is None
    state = Book()
    evolve(state, FundConfigured(fund=ROUTED), 0, Limited().now)
    assert state.funds.rows["fund"].routes == (COINS, STOCKS)


# -- Failover ------------------------------------------------------------------------------------------------------


def test_what_provably_was_not_sent_goes_to_the_next_broker() -> None:
    book = Routed().submit(10, limit=100).answers(r.Outcome.NOT_SENT, reason="no way there")
    book.expect("SendDisproved", "OrderRerouted", "OrderSent", state=State.SUBMITTED)
    event = book.events[1]
    assert (event.before, event.broker, event.reason) == (A, B, "no way there")
    assert event.decision.code is None
    assert book.is_at(B, State.SUBMITTED)
    assert [q.client_id for q in book.order.requests] == [f"{book.order_id}.2"]
    assert book.order.client_id == f"{book.order_id}.2"
    book.answers(r.Outcome.NOT_SENT)
    assert book.is_at(C, State.SUBMITTED)
    book.answers(r.Outcome.NOT_SENT).expect("SendDisproved", state=State.ACCEPTED)
    assert book.is_at(C, State.ACCEPTED)
    assert book.replayed().orders.rows == book.engine.state.orders.rows


def test_what_a_lookup_proves_absent_goes_to_the_next_broker() -> None:
    book = Routed().submit(10).answers(r.Outcome.UNKNOWN).looked_up(r.Finding.ABSENT)
    book.expect("SendDisproved", "OrderRerouted", "OrderSent", state=State.SUBMITTED)
    assert book.is_at(B, State.SUBMITTED)
    assert book.order.request_count == 2


@pytest.mark.parametrize(
    "outcome", [r.Outcome.ACCEPTED, r.Outcome.REJECTED, r.Outcome.DUPLICATE, r.Outcome.UNKNOWN]
)
def test_without_proof_an_order_stays_where_it_is(outcome: r.Outcome) -> None:
    book = Routed().submit(10).answers(outcome)
    assert "OrderRerouted" not in [type(event).__name__ for event in book.events]
    assert book.reroute().events == []
    assert book.order.broker == A


@pytest.mark.parametrize("finding", [r.Finding.UNPROVEN, r.Finding.REPEATABLE])
@pytest.mark.parametrize("final", [False, True])
def test_what_is_not_found_may_be_there(finding: r.Finding, *, final: bool) -> None:
    book = Routed().submit(10).answers(r.Outcome.UNKNOWN).looked_up(finding, final=final)
    assert book.order.broker == A
    assert book.order.state is State.SUBMITTED
    assert book.reroute().events == []


def test_a_repeat_that_was_not_sent_proves_nothing() -> None:
    book = Routed().submit(10).answers(r.Outcome.UNKNOWN).looked_up(r.Finding.REPEATABLE)
    book.expect("OrderSent").answers(r.Outcome.NOT_SENT).expect("RequestDoubted")
    assert book.order.broker == A


def test_what_waits_for_a_session_goes_on_once_it_is_told() -> None:
    book = Routed(up=(B,)).submit(10)
    assert book.is_at(A, State.ACCEPTED)
    book.reroute().expect("OrderRerouted", "OrderSent", state=State.SUBMITTED)
    assert book.is_at(B, State.SUBMITTED)
    book.reroute().expect()


def test_what_could_leave_by_now_stays() -> None:
    book = Routed(up=(B,)).submit(10).open(A)
    book.reroute().expect()
    assert book.is_at(A, State.ACCEPTED)
    book.step(RerouteOrder(order_id="none", reason="r"))
    book.expect()


def test_what_may_leave_once_its_broker_is_compared_stays() -> None:
    book = Routed()
    book.engine.view.unchecked |= {A}
    book.submit(10).reroute().expect()
    assert book.is_at(A, State.ACCEPTED)


def test_at_the_next_broker_it_waits_for_the_comparison_too() -> None:
    book = Routed(up=(B,))
    book.engine.view.unchecked |= {B}
    book.submit(10).reroute()
    book.expect("OrderRerouted", state=State.ACCEPTED)
    assert [q.phase for q in book.order.requests] == [Phase.READY]
    assert book.order.client_id == f"{book.order_id}.2"
    book.engine.view.unchecked.clear()
    book.step(c.Release(book.order_id, 2))
    book.expect("OrderSent", state=State.SUBMITTED)


def test_brokers_that_are_down_or_gone_are_left_out() -> None:
    book = Routed(up=(C,)).submit(10)
    book.down = {B}
    assert book.reroute().is_at(C, State.SUBMITTED)
    book = Routed(up=(C,)).submit(10)
    book.engine.view.brokers -= {B}
    assert book.reroute().is_at(C, State.SUBMITTED)
    book = Routed(up=()).submit(10)
    book.down = {B, C}
    book.reroute().expect()


def test_what_somebody_wants_canceled_is_canceled() -> None:
    book = Routed().submit(10).cancel()
    book.report(r.Answered(broker=A, outcome=r.Outcome.NOT_SENT), request=1)
    book.expect("SendDisproved", "OrderCanceled", state=State.CANCELED)


def no_such_order(book: Routed, said: r.AnyReport) -> Routed:
    """A cancel of it is refused, as the broker does not have it."""
    book.report(said, request=2).expect("RequestDoubted", state=State.SUBMITTED)
    return book.report(said, request=2)


NO_SUCH_ORDER = (
    r.Answered(broker=A, outcome=r.Outcome.REJECTED, reason="no such order"),
    r.RequestRefused(broker=A, reason="no such order"),
)


@pytest.mark.parametrize("said", NO_SUCH_ORDER)
@pytest.mark.parametrize("by", ["a person", "a halt"])
def test_a_cancel_that_is_refused_before_the_order_is_found_still_holds(said: r.AnyReport, by: str) -> None:
    book = Routed().submit(10).answers(r.Outcome.UNKNOWN)
    if by == "a person":
        book.cancel()
    else:
        book.step(ThrowSwitch(level=Level.BROKER, name=A, reason="drill"))
    no_such_order(book, said)
    book.report(r.LookedUp(broker=A, finding=r.Finding.ABSENT), request=1)
    book.expect("SendDisproved", "OrderCanceled", state=State.CANCELED)
    assert book.order.broker == A


@pytest.mark.parametrize("said", NO_SUCH_ORDER)
def test_what_somebody_wants_canceled_is_not_sent_again_on_suspicion(said: r.AnyReport) -> None:
    book = no_such_order(Routed().submit(10).answers(r.Outcome.UNKNOWN).cancel(), said)
    book.report(r.LookedUp(broker=A, finding=r.Finding.REPEATABLE), request=1)
    book.expect("RequestDoubted", "BreakRaised", state=State.SUBMITTED)
    assert "not sent again, for somebody wants it canceled" in book.events[-1].item.detail
    book.report(replace(said, reason="too late"), request=2).expect(
        "RequestDropped"
    )  # as of any that is there


@pytest.mark.parametrize("parked", [False, True])
@pytest.mark.parametrize(
    "shows", [ack(), r.Working(broker=A), r.Marked(broker=A, mark=Mark.SUSPENDED, on=True), fill("x1", 4, 10)]
)
def test_what_was_refused_before_the_order_was_found_is_asked_for_again_once_it_is(
    shows: r.AnyReport, parked: bool
) -> None:
    book = no_such_order(Routed().submit(10).answers(r.Outcome.UNKNOWN).cancel(), NO_SUCH_ORDER[0])
    if parked:
        for number in (1, 2):
            book.report(r.LookedUp(broker=A, finding=r.Finding.UNPROVEN, final=True), request=number)
    book.report(shows, request=1)
    assert isinstance(book.events[-1], RequestOpened)
    (cancel,) = book.order.requests
    assert (cancel.kind, cancel.number, cancel.phase) == (RequestKind.CANCEL, 2, Phase.SENT)


@pytest.mark.parametrize("by", ["a person", "a halt"])
def test_a_cancel_that_is_left_to_a_person_is_asked_for_again_when_somebody_wants_it_again(by: str) -> None:
    switch = ThrowSwitch(level=Level.BROKER, name=A, reason="drill")
    book = Routed().submit(10).report(ack(), request=1)
    if by == "a person":
        book.cancel()
    else:
        book.step(switch)
    book.answers(r.Outcome.UNKNOWN)
    book.report(r.LookedUp(broker=A, finding=r.Finding.UNPROVEN, final=True), request=2)
    assert [request.phase for request in book.order.requests] == [Phase.PARKED]
    assert book.step(ValueFunds()).entries == []  # by itself no halt asks again
    if by == "a person":
        book.cancel()
    else:
        book.step(switch)
    book.expect("RequestOpened")
    assert [(one.number, one.phase) for one in book.order.requests] == [(2, Phase.SENT)]


def test_what_has_a_replace_on_its_way_stays() -> None:
    book = Routed().submit(10, limit=100).report(ack())
    book = Routed().submit(10, limit=100).replace(20)
    book.report(r.Answered(broker=A, outcome=r.Outcome.NOT_SENT), request=1)
    book.expect("SendDisproved", state=State.ACCEPTED)
    assert book.order.broker == A


@pytest.mark.parametrize("phase", [Phase.RISK, Phase.SENT, Phase.UNKNOWN, Phase.PARKED])
def test_only_a_submit_that_waits_is_certainly_not_there(phase: Phase) -> None:
    order = Routed(up=(B,)).submit(10).order
    (request,) = order.requests
    assert unsent(order) == request
    assert unsent(replace(order, requests=(replace(request, phase=phase),))) is None
    assert unsent(replace(order, requests=(replace(request, kind=RequestKind.CANCEL),))) is None


@pytest.mark.parametrize("state", [state for state in State if state is not State.ACCEPTED])
def test_only_an_order_that_waits_is_certainly_not_there(state: State) -> None:
    assert unsent(replace(Routed(up=(B,)).submit(10).order, state=state)) is None


def test_requests_are_numbered_within_a_bound() -> None:
    book = Routed(up=(B,)).submit(10)
    book.engine.state.put_order(replace(book.order, request_count=999))
    book.reroute().expect()


# -- Through the gate ----------------------------------------------------------------------------------------------


def test_a_halted_broker_is_left_out() -> None:
    book = Routed().submit(10)
    book.step(ThrowSwitch(level=Level.BROKER, name=B, reason="drill"))
    assert book.answers(r.Outcome.NOT_SENT).is_at(C, State.SUBMITTED)


def test_a_halt_of_the_firm_ends_it() -> None:
    book = Routed(up=(B,)).submit(10)
    book.step(ThrowSwitch(level=Level.FIRM, name="", reason="drill"))
    assert book.order.state is State.CANCELED
    assert book.reroute().events == []


def test_the_limits_of_the_next_broker_count() -> None:
    book = Routed().limits(stated(max_order_qty=5), Level.BROKER, B).submit(10)
    assert book.answers(r.Outcome.NOT_SENT).is_at(C, State.SUBMITTED)


def test_the_margin_of_the_other_account_counts_for_the_whole_order() -> None:
    book = Routed()
    accounts = {
        B: BrokerAccount("USD", Decimal(999), book.now),
        C: BrokerAccount("USD", Decimal(1_000), book.now),
    }
    book.engine.view.account = accounts.get
    book.submit(10).answers(r.Outcome.NOT_SENT)
    assert book.is_at(C, State.SUBMITTED)


def test_the_order_counts_once_in_its_fund() -> None:
    book = Routed(stated(max_gross_exposure_usd=1_000)).submit(10, limit=100)
    assert book.answers(r.Outcome.NOT_SENT).is_at(B, State.SUBMITTED)
    cell = book.engine.state.exposures.cell("fund", "AAPL")
    assert cell is not None
    assert cell.quantities() == (0, 10)


def test_what_was_overridden_was_so_at_one_broker() -> None:
    book = Routed(stated(max_order_qty=5)).submit(10)
    assert book.order.state is State.REJECTED
    book.by("ann", AskOverride(order_id=book.order_id, reason="r"))
    book.by("bob", GrantOverride(order_id=book.order_id))
    book.order_id = book.answer.order.order_id
    assert book.is_at(A, State.SUBMITTED)
    assert book.answers(r.Outcome.NOT_SENT).is_at(A, State.ACCEPTED)


@pytest.mark.parametrize("limits", [Limits(gates=("desk",)), stated(approve_above_usd=500)])
def test_what_others_have_agreed_to_stays_at_the_broker_that_they_were_asked_about(limits: Limits) -> None:
    book = Routed(limits).submit(10)
    (name,) = book.order.awaits
    book.step(AnswerGate(order_id=book.order_id, gate=name, approved=True, number=1))
    assert book.is_at(A, State.SUBMITTED)
    book.answers(r.Outcome.NOT_SENT).expect("SendDisproved", state=State.ACCEPTED)
    assert book.is_at(A, State.ACCEPTED)


def test_what_a_gate_was_not_asked_about_yet_stays_where_it_is() -> None:
    book = Routed(up=(B,)).submit(10).limits(Limits(gates=("desk",)))
    assert book.reroute().is_at(A, State.ACCEPTED)
    book.limits(Limits())
    assert book.reroute().is_at(B, State.SUBMITTED)


def test_a_broker_that_takes_no_stops_is_left_out_where_one_is_to_come() -> None:
    book = Routed().limits(stated(allowed_order_types=(OrderType.MARKET,)), Level.BROKER, B)
    book.engine.view.signals = replace(book.engine.view.signals, protect=Protection.STOP)
    book.submit(10, signal_id="s-1", stop_loss=Decimal(90))
    book.engine.view.signals = replace(book.engine.view.signals, protect=Protection.NONE)  # of new ones alone
    assert book.answers(r.Outcome.NOT_SENT).is_at(C, State.SUBMITTED)
    book.submit(10, signal_id="s-2", stop_loss=Decimal(90))
    assert book.answers(r.Outcome.NOT_SENT).is_at(B, State.SUBMITTED)


def test_its_time_counts_at_the_next_broker() -> None:
    book = Routed(up=(B,))
    until = book.later(60).now
    book.later(-60).submit(10, limit=100, tif=c.TimeInForce.GTD, expires_at=until)
    book.later(61).reroute()
    book.expect("OrderRerouted", "OrderExpired", state=State.EXPIRED)


def test_a_halt_finds_the_order_where_it_is() -> None:
    book = Routed().submit(10).answers(r.Outcome.NOT_SENT)
    book.step(ThrowSwitch(level=Level.BROKER, name=A, reason="drill"))
    assert book.is_at(B, State.SUBMITTED)
    assert book.order.open_request(RequestKind.CANCEL) is None
    book.step(ThrowSwitch(level=Level.BROKER, name=B, reason="drill"))
    assert book.order.open_request(RequestKind.CANCEL) is not None


# -- What the first broker says afterwards -------------------------------------------------------------------------


def moved() -> Routed:
    book = Routed().submit(10).answers(r.Outcome.NOT_SENT)
    assert book.order.broker == B
    return book


@pytest.mark.parametrize(
    "said",
    [
        r.Answered(broker=A, outcome=r.Outcome.NOT_SENT),
        r.Answered(broker=A, outcome=r.Outcome.UNKNOWN),
        r.Answered(broker=A, outcome=r.Outcome.REJECTED),
        r.LookedUp(broker=A, finding=r.Finding.ABSENT),
        r.Confirmed(broker=A),
    ],
)
def test_what_it_says_of_a_request_that_is_over_says_nothing(said: r.AnyReport) -> None:
    moved().report(said, request=1).expect()


@pytest.mark.parametrize(
    "said",
    [
        r.Answered(broker=A, outcome=r.Outcome.ACCEPTED),
        ack(),
        r.Working(broker=A),
        fill("x1", 10, 100),
    ],
)
def test_that_it_has_the_order_all_the_same_halts_it_and_is_told_once(said: r.AnyReport) -> None:
    book = moved().report(said, request=1)
    book.expect("BreakRaised", "TradingHalted", state=State.SUBMITTED, filled=0)
    assert book.events[0].item.order_id == book.order_id
    assert book.is_at(B, State.SUBMITTED)
    book.report(said, request=1).expect()


def test_a_broker_that_comes_later_has_it_where_the_journal_was_restored_and_it_is_sent_nowhere() -> None:
    book = Routed(up=(B, C)).submit(10)
    said = r.Acknowledged(broker=B, client_id=f"{book.order_id}.2", broker_order_id="B1")
    book.report(said)
    (item,) = [event.item for event in book.events if isinstance(event, BreakRaised)]
    assert (item.broker, item.order_id, item.cause) == (B, book.order_id, Cause.JOURNAL_BEHIND)
    assert {row.name for row in book.engine.state.halts.rows.values() if row.holds} == {A, B}
    assert book.is_at(A, State.CANCELED)
    assert book.report(said).events == []


def test_another_brokers_order_is_anothers() -> None:
    book = moved()
    book.report(r.Acknowledged(broker="other", client_id=f"{book.order_id}.1")).expect("BreakRaised")


# -- The fold ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{"filled_quantity": Decimal(1)}, {"broker_order_id": "B1"}],
)
def test_an_order_of_which_something_may_be_there_cannot_be_moved(changes: dict[str, Any]) -> None:
    book = Routed(up=(B,)).submit(10)
    order = book.order
    book.engine.state.put_order(replace(order, **changes))
    event = OrderRerouted(
        order_id=order.order_id,
        broker=B,
        before=A,
        request=order.next_request(RequestKind.SUBMIT),
        reason="r",
        decision=RiskDecision(),
    )
    with pytest.raises(Defect, match="may be at paper"):
        evolve(book.engine.state, event, 0, book.now)
    book.engine.state.put_order(replace(order, requests=(order.next_request(RequestKind.CANCEL),)))
    with pytest.raises(Defect, match="may be at paper"):
        evolve(book.engine.state, event, 0, book.now)
    with pytest.raises(Defect, match="does not exist"):
        evolve(book.engine.state, replace(event, order_id="none"), 0, book.now)


def test_a_playbook_without_rules_is_as_before() -> None:
    book = Playbook().submit(10)
    assert (book.order.broker, book.order.route) == (BROKER, None)


# -- In a running gate ---------------------------------------------------------------------------------------------


class Away(ScriptedBroker):
    """Cannot be reached while `away`."""

    away = False

    async def submit(self, send: Send) -> Answer:
        if self.away:
            self.calls.append(send)
            return Answer(outcome=r.Outcome.NOT_SENT, reason="no route to host")
        return await super().submit(send)


def running(test, **fund: Any) -> dict[str, Away]:
    """A gate whose fund goes to `one`, then `two`, then `three`."""
    brokers = {name: Away(name) for name in ("one", "two", "three")}
    section = FundSection(unlimited=True, broker="one", routes=(Route(brokers=tuple(brokers)),), **fund)
    config = Config(funds={"paper-momentum": section}, brokers={name: PaperBroker() for name in brokers})

    async def main() -> None:
        signer, clock = Signer(config.audit.origin, bytes(32)), VirtualClock(START)
        made = list(brokers.values())
        async with assemble(config, MemoryJournal(), signer, clock, CountingIds(), made) as gate:
            await test(gate, brokers)

    run_virtual(main())
    return brokers


def sent(brokers: dict[str, Away]) -> list[list[str]]:
    return [[call.client_id for call in broker.calls] for broker in brokers.values()]


def test_an_order_goes_on_until_a_broker_takes_it() -> None:
    async def test(gate: Gate, at: dict[str, Away]) -> None:
        at["one"].away = at["two"].away = True
        order = (await gate.execute(buy())).order
        await gate.quiet()
        order = await gate.queries.order(order.order_id)
        assert (order.broker, order.state, order.client_id) == ("three", State.SUBMITTED, "ord-000001.3")
        told = await story(gate.journal, order.order_id)
        assert [row.detail for row in told if row.kind == "OrderRerouted/1"] == [
            "from one to two: no route to host",
            "from two to three: no route to host",
        ]
        assert await replay(gate.journal, MemoryJournal()) == []

    assert sent(running(test)) == [["ord-000001.1"], ["ord-000001.2"], ["ord-000001.3"]]


def test_the_last_of_a_route_is_tried_again_by_itself() -> None:
    async def test(gate: Gate, at: dict[str, Away]) -> None:
        for broker in at.values():
            broker.away = True
        order = (await gate.execute(buy())).order
        await gate.clock.sleep(60)
        at["three"].away = False
        await gate.clock.sleep(60)
        assert (await gate.queries.order(order.order_id)).state is State.SUBMITTED

    one, two, three = sent(running(test))
    assert (one, two, set(three)) == (["ord-000001.1"], ["ord-000001.2"], {"ord-000001.3"})


def test_what_waits_for_a_session_goes_on_after_a_while() -> None:
    async def test(gate: Gate, at: dict[str, Away]) -> None:
        view = gate.runner.engine.view
        epochs = dict(view.sessions)
        view.sessions.clear()
        order = (await gate.execute(buy())).order
        assert (order.broker, order.state) == ("one", State.ACCEPTED)
        await gate.clock.sleep(29)
        assert (await gate.queries.order(order.order_id)).broker == "one"
        await gate.clock.sleep(60)
        assert (await gate.queries.order(order.order_id)).broker == "one"
        view.sessions["two"] = epochs["two"]
        await gate.clock.sleep(31)
        order = await gate.queries.order(order.order_id)
        assert (order.broker, order.state) == ("two", State.SUBMITTED)

    assert sent(running(test)) == [[], ["ord-000001.2"], []]


def test_what_waits_ends_when_its_time_is_over() -> None:
    async def test(gate: Gate, _at: dict[str, Away]) -> None:
        gate.runner.engine.view.sessions.clear()
        until = gate.clock.now() + timedelta(seconds=45)
        terms = {
            "tif": TimeInForce.GTD,
            "expires_at": until,
            "order_type": OrderType.LIMIT,
            "limit_price": Decimal(1),
        }
        order = (await gate.execute(buy(**terms))).order
        await gate.clock.sleep(50)
        order = await gate.queries.order(order.order_id)
        assert (order.broker, order.state) == ("one", State.EXPIRED)
        assert order.ended_at is not None
        assert (order.ended_at - until).total_seconds() < 1

    running(test)


def test_a_fund_says_how_long_its_orders_wait() -> None:
    async def test(gate: Gate, _at: dict[str, Away]) -> None:
        del gate.runner.engine.view.sessions["one"]
        gate.runner.engine.view.is_down = lambda _broker: False  # as on a node that cannot know it
        order = (await gate.execute(buy())).order
        assert order.broker == "one"
        await gate.clock.sleep(6)
        assert (await gate.queries.order(order.order_id)).broker == "two"

    running(test, workers=WorkerTerms(failover_after_s=5))
