"""Protective stops: made with the fill, never more than is held, and told of where there are none."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest

from ordergate.domain.breaks import BreakKind
from ordergate.domain.contingencies.events import ProtectionFailed
from ordergate.domain.contingencies.protection import level
from ordergate.domain.funds import Fund, TaxLotMethod
from ordergate.domain.instruments import built_in
from ordergate.domain.orders.commands import CancelOrder, Configure, ReplaceOrder
from ordergate.domain.orders.reports import End
from ordergate.domain.orders.states import OrderType, Protection, RequestKind, Side, State, TimeInForce
from ordergate.domain.recon.commands import AdjustBreak, Reconcile
from ordergate.domain.recon.comparing import Difference
from ordergate.domain.risk.commands import AnswerGate, AskOverride, GrantOverride, ThrowSwitch
from ordergate.domain.risk.exposure import Cell
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level
from ordergate.domain.signals import CreateFromSignal, Signal, SubmitSignal
from ordergate.testing.playbook import BROKER, ack, bust, correct, ended, fill, refused, replaced
from tests.unit.domain.contingencies.guarded import Guarded
from tests.unit.domain.risk.limited import stated


def test_a_fill_has_its_stop_in_the_same_step() -> None:
    book = Guarded().signal(100, order_manager="m").filled(60)
    book.expect("OrderFilled", "OrderEntered", state=State.PARTIALLY_FILLED, filled=60)
    (stop,) = book.stops
    assert (stop.side, stop.order_type, stop.tif, stop.quantity, stop.stop_price) == (
        Side.SELL, OrderType.STOP, TimeInForce.GTC, 60, 95,
    )  # fmt: skip
    assert (stop.parent_order_id, stop.fund_id, stop.broker, stop.strategy_id, stop.order_manager) == (
        book.order_id, "fund", BROKER, "trend", "m",
    )  # fmt: skip
    assert (stop.state, stop.signal_id, stop.protect) == (State.SUBMITTED, None, None)
    book.filled(40)
    assert book.sizes == [60, 40]


@pytest.mark.parametrize(("action", "side", "stop_loss"), [
    ("buy", Side.SELL, 95), ("long", Side.SELL, 95), ("sell", Side.COVER, 105), ("short", Side.COVER, 105),
])  # fmt: skip
def test_it_closes_what_the_fill_has_opened(action: str, side: Side, stop_loss: int) -> None:
    (stop,) = Guarded().entered(100, action).stops
    assert (stop.side, stop.stop_price) == (side, stop_loss)


@pytest.mark.parametrize(("protect", "more"), [
    (Protection.NONE, {}),
    (Protection.STOP, {"stop_loss": None}),
])  # fmt: skip
def test_nothing_is_made_unless_both_the_configuration_and_the_signal_ask(
    protect: Protection, more: Any
) -> None:
    book = Guarded().protecting(protect).signal(100, **more).filled()
    assert book.order.protect is None
    assert not book.stops
    book.expect("OrderFilled")


def test_what_the_configuration_said_when_the_order_was_made_counts() -> None:
    protected, bare = Guarded().signal(100), Guarded().protecting(Protection.NONE).signal(100)
    protected.protecting(Protection.NONE).filled()
    bare.protecting(Protection.STOP).filled()
    assert (protected.sizes, bare.sizes) == ([100], [])


def test_the_same_signal_under_another_configuration_is_the_same_order() -> None:
    book = Guarded()
    book.signal(100)
    asked, first = (
        next(e.event for e in book.entries if type(e.event).__name__ == "OrderEntered"),
        book.order_id,
    )
    book.protecting(Protection.NONE)
    again = Signal(
        signal_id=asked.key,
        symbol="AAPL",
        action="buy",
        quantity=Decimal(100),
        stop_loss=Decimal(95),
        strategy_id="trend",
    )
    book.engine.state.keys.load(book.replayed().keys.rows["fund", "signal_id", asked.key])
    answer = book.step(SubmitSignal(again)).answer
    assert (answer.replayed, answer.order.order_id) == (True, first)


def test_an_order_that_names_its_signal_is_an_entry_too_and_one_without_is_not() -> None:
    book = Guarded().order_of(100, signal_id="s-9", stop_loss=Decimal(95)).filled()
    assert book.sizes == [100]
    book.order_of(50, stop_loss=Decimal(95)).filled()
    assert book.sizes == [100]


@pytest.mark.parametrize("action", ["close_long", "sell"])
def test_what_only_closes_passes_where_stops_are_not_allowed(action: str) -> None:
    book = Guarded(stated(allowed_order_types=("market",))).held(100)
    book.signal(100, action).filled()
    assert (book.position, book.sizes, book.failures) == (0, [], [])


def test_what_only_closes_is_not_protected_and_what_crosses_zero_is_as_far_as_it_does() -> None:
    book = Guarded().entered(100)
    book.signal(60, "sell").filled().acknowledged()
    assert (book.position, book.sizes) == (40, [40])
    book.signal(100, "sell").filled()
    assert book.position == -60
    assert [(stop.side, stop.quantity) for stop in book.stops if stop.state is State.SUBMITTED and not any(
        request.kind is RequestKind.CANCEL for request in stop.requests
    )] == [(Side.COVER, 60)]  # fmt: skip


def test_levels_lie_on_the_tick_and_are_reached_no_later() -> None:
    instrument = built_in("AAPL")
    assert instrument is not None
    assert instrument.tick == Decimal("0.01")
    cases = (
        ("95", Side.SELL, "95"),
        ("95.001", Side.SELL, "95.01"),
        ("105.009", Side.COVER, "105"),
        ("0.001", Side.COVER, "0.01"),
    )
    for price, side, wanted in cases:
        assert level(Decimal(price), side, instrument) == Decimal(wanted)


def test_stops_close_the_lots_that_their_fills_opened() -> None:
    book = Guarded()
    book.step(Configure((Fund(fund_id="fund", broker=BROKER, tax_lot_method=TaxLotMethod.SPECIFIC),), ()))
    book.signal(100).filled(60).filled(40)
    assert [stop.lots for stop in book.stops] == [(f"{book.order_id}-f1",), (f"{book.order_id}-f2",)]


class TestLess:
    """What makes the position smaller."""

    def test_a_stop_that_trades_leaves_the_others_as_they_are(self) -> None:
        book = Guarded().signal(100).filled(60).filled(40).acknowledged()
        first, second = book.stops
        book.told(first, fill("s1", 60, 94, completes=True))
        assert (book.position, book.sizes) == (40, [40])
        book.told(second, fill("s2", 40, 94, completes=True))
        assert (book.position, book.sizes, book.failures) == (0, [], [])

    def test_closed_by_hand_they_are_canceled(self) -> None:
        book = Guarded().signal(100).filled(60).filled(40).acknowledged()
        stops = book.stops
        book.order_of(100, side=Side.SELL)
        assert book.code is None
        assert book.sizes == [60, 40], "an order that only works takes nothing away"
        book.filled()
        assert [
            stop.open_request(RequestKind.CANCEL) is not None for stop in book.stops if stop in book.stops
        ] == [True, True]
        for stop in stops:
            book.told(stop, ended(End.CANCELED))
        assert (book.position, book.failures) == (0, [])
        assert not book.engine.state.exposures.cell("fund", "AAPL").guards
        assert book.engine.state.exposures.cell("fund", "AAPL").quantities() == (0, 0)

    def test_reduced_by_hand_the_newest_goes_first(self) -> None:
        book = Guarded().signal(100).filled(60).filled(40).acknowledged()
        first, second = book.stops
        book.order_of(50, side=Side.SELL).filled()
        assert book.sizes == [50]
        book.told(second, ended(End.CANCELED)).told(first, replaced(), request=2)
        assert (book.engine.state.orders.rows[first.order_id].quantity, book.sizes) == (50, [50])
        assert not book.failures

    def test_those_of_the_strategy_that_closes_go_first(self) -> None:
        book = Guarded().entered(100).entered(100, strategy_id="carry", stop_loss=Decimal(90))
        book.order_of(100, side=Side.SELL).filled()
        open_stops = [stop for stop in book.stops if stop.open_request(RequestKind.CANCEL) is None]
        assert [(stop.strategy_id, stop.stop_price) for stop in open_stops] == [("carry", 90)]

    def test_a_stop_that_has_traded_keeps_what_it_has(self) -> None:
        book = Guarded().entered(100)
        (stop,) = book.stops
        book.told(stop, fill("s1", 20, 94))
        book.order_of(30, side=Side.SELL).filled()
        change = book.stops[0].open_request(RequestKind.REPLACE)
        assert change is not None
        assert (change.quantity, book.sizes) == (70, [50])

    def test_what_a_broker_takes_back_is_taken_from_that_entry_s_stops(self) -> None:
        book = Guarded().signal(100)
        book.report(fill("x1", 60, 100)).report(fill("x2", 40, 100)).acknowledged()
        entry = book.order_id
        book.entered(30, stop_loss=Decimal(90))
        assert book.sizes == [60, 40, 30]
        book.order_id = entry
        book.report(bust("b1", "x1"))
        assert (book.position, book.sizes) == (70, [40, 30])

    def test_a_correction_shrinks_and_grows_it(self) -> None:
        book = Guarded().signal(100).report(fill("x1", 60, 100)).acknowledged()
        book.report(correct("c1", "x1", 50, 100))
        assert (book.position, book.sizes) == (50, [50])
        book.report(correct("c2", "c1", 80, 100, seconds=1))
        assert (book.position, book.sizes) == (80, [50, 30])

    def test_a_stop_that_waits_to_be_sent_gives_place_to_a_smaller_one_at_once(self) -> None:
        book = Guarded().signal(100)
        book.close_session()
        book.report(fill("x1", 100, 100, completes=True))
        assert book.stops[0].state is State.ACCEPTED
        book.order_of(30, side=Side.SELL, order_id="by-hand")
        book.told(book.order, fill("x2", 30, 100))
        assert [(stop.state, stop.quantity) for stop in book.stops if stop.state is not State.CANCELED] == [
            (State.ACCEPTED, 70)
        ]

    def test_an_adjustment_moves_it_too(self) -> None:
        book = Guarded().entered(100)
        found = Difference(
            kind=BreakKind.POSITION, key="position/AAPL", detail="30 are gone", symbol="AAPL", ours=Decimal(100),
            theirs=Decimal(70),
        )  # fmt: skip
        item = book.step(Reconcile(broker=BROKER, found=(found,), covers=frozenset(BreakKind))).answer[0]
        book.step(AdjustBreak(break_id=item.break_id, why="seen", price=Decimal(100), fund_id="fund"))
        assert (book.position, book.sizes) == (70, [70])


class TestABrokerThatDoesNotReplace:
    """The smaller stop is created at once, and sent when the larger one is surely gone."""

    def reduced(self, by: int = 30) -> Guarded:
        book = Guarded().entered(100)
        book.engine.view.replaces = lambda _broker: False
        book.order_of(by, side=Side.SELL).filled()
        return book

    def test_the_rest_is_sent_when_the_cancel_is_done(self) -> None:
        book = self.reduced()
        old, new = book.stops
        assert (old.open_request(RequestKind.CANCEL) is not None, new.state, new.quantity) == (
            True,
            State.CREATED,
            70,
        )
        book.told(old, ended(End.CANCELED))
        assert [stop.state for stop in book.stops if stop.order_id == new.order_id] == [State.SUBMITTED]
        assert (book.sizes, book.failures) == ([70], [])

    def test_what_trades_meanwhile_makes_the_rest_smaller(self) -> None:
        book = self.reduced()
        old = book.stops[0]
        book.told(old, fill("s1", 20, 94)).told(old, ended(End.CANCELED))
        assert (book.position, book.sizes) == (50, [50])

    def test_where_all_of_it_trades_nothing_is_left(self) -> None:
        book = self.reduced()
        old = book.stops[0]
        book.told(old, fill("s1", 100, 94, completes=True))
        assert (book.position, book.sizes, book.failures) == (-30, [], [])

    def test_reduced_again_the_rest_gives_place_to_a_smaller_one(self) -> None:
        book = self.reduced()
        old = book.stops[0]
        book.order_of(10, side=Side.SELL).filled()
        assert book.sizes == [60]
        book.told(old, ended(End.CANCELED))
        assert [(stop.state, stop.quantity) for stop in book.stops if stop.state is State.SUBMITTED] == [
            (State.SUBMITTED, 60)
        ]

    def test_a_cancel_that_is_refused_is_told(self) -> None:
        book = self.reduced()
        old = book.stops[0]
        book.told(old, refused(), request=2)
        (failure,) = book.failures
        assert (failure.code, failure.quantity, failure.stop_id) == ("STOP_NOT_REDUCED", 30, old.order_id)
        assert book.sizes == [100]

    def test_a_change_that_the_broker_refuses_becomes_a_cancel(self) -> None:
        book = Guarded().entered(100)
        book.order_of(30, side=Side.SELL).filled()
        (old,) = book.stops
        book.told(old, refused(), request=2)
        old, new = book.stops
        assert (old.open_request(RequestKind.CANCEL) is not None, new.state, new.quantity) == (
            True,
            State.CREATED,
            70,
        )


class TestToldLoudly:
    """What is left without a stop stands in the journal."""

    def failure(self, book: Guarded) -> ProtectionFailed:
        (found,) = book.failures
        return found

    def test_the_gate_refuses(self) -> None:
        book = Guarded().signal(100).limits(stated(allowed_order_types=("market",)))
        book.filled()
        failure = self.failure(book)
        assert (failure.order_id, failure.code, failure.quantity, failure.stop_price) == (
            book.order_id, "RISK_ORDER_TYPE", 100, 95,
        )  # fmt: skip
        assert failure.stop_id is not None
        assert "allows market" in failure.reason
        assert (book.position, book.sizes) == (100, [])

    def test_the_content_is_refused(self) -> None:
        book = Guarded().signal(100)
        book.report(fill("x1", "0.00001", 100))
        failure = self.failure(book)
        assert (failure.stop_id, failure.quantity) == (None, Decimal("0.00001"))
        assert book.order.filled_quantity == Decimal("0.00001"), "the fill is booked all the same"

    @pytest.mark.parametrize("end", [End.REJECTED, End.EXPIRED, End.FAILED, End.CANCELED])
    def test_a_broker_ends_it(self, end: End) -> None:
        book = Guarded().entered(100)
        (stop,) = book.stops
        book.told(stop, ended(end))
        failure = self.failure(book)
        assert (failure.stop_id, failure.quantity, failure.order_id) == (stop.order_id, 100, book.order_id)

    def test_what_somebody_cancels_he_knows_of(self) -> None:
        book = Guarded().entered(100)
        (stop,) = book.stops
        book.step(CancelOrder(order_id=stop.order_id))
        book.told(stop, ended(End.CANCELED))
        assert not book.failures

    def test_an_end_that_leaves_nothing_bare_is_not_told(self) -> None:
        book = Guarded().entered(100)
        (stop,) = book.stops
        book.order_of(100, side=Side.SELL).filled()
        book.told(stop, ended(End.EXPIRED))
        assert not book.failures

    def test_an_external_gate_refuses(self) -> None:
        book = Guarded().signal(100).limits(stated(gates=("desk",)))
        book.filled()
        (stop,) = book.stops
        assert stop.state is State.PENDING_RISK
        book.step(AnswerGate(order_id=stop.order_id, gate="desk", approved=False, number=1, reason="no"))
        assert self.failure(book).reason == "no"


class TestTheGate:
    """A stop goes through it like any other order."""

    @pytest.mark.parametrize(("limits", "code"), [
        ({"allowed_order_types": ("market", "limit")}, "RISK_ORDER_TYPE"),
        ({"price_collar_pct": "0.04"}, "RISK_PRICE_COLLAR"),
    ])  # fmt: skip
    def test_an_entry_whose_stop_would_be_refused_does_not_leave(self, limits: Any, code: str) -> None:
        assert Guarded(stated(**limits)).signal(100).order.reason_code == code
        assert (
            Guarded(stated(**limits)).protecting(Protection.NONE).signal(100).order.state is State.SUBMITTED
        )

    def test_reduce_only_lets_it_pass(self) -> None:
        book = Guarded().signal(100)
        book.report(fill("x1", 60, 100)).acknowledged()
        book.by("ann", ThrowSwitch(level=Level.FUND, name="fund", reason="drill", mode=Mode.REDUCE_ONLY))
        book.report(fill("x2", 40, 100))
        assert (book.sizes, book.failures) == ([60, 40], [])

    def test_under_a_halt_it_is_refused_and_told(self) -> None:
        book = Guarded().signal(100)
        book.by("ann", ThrowSwitch(level=Level.FUND, name="fund", reason="drill"))
        book.report(fill("x1", 60, 100))
        assert (book.sizes, [failure.code for failure in book.failures]) == ([], ["RISK_HALTED"])

    def test_equal_fills_have_equal_stops_and_none_is_a_duplicate_or_a_run(self) -> None:
        book = Guarded(stated(duplicate_window_s=60), strategy=stated(max_runs=2))
        book.signal(100).filled(50).filled(50)
        assert (book.sizes, book.failures) == ([50, 50], [])
        assert book.engine.state.strategies.rows["trend"].runs == 1
        book.signal(10, stop_loss=None)
        assert book.order.state is not State.REJECTED

    def test_what_the_entry_has_passed_is_not_asked_again(self) -> None:
        book = Guarded(
            stated(max_order_notional_usd=10_000, price_collar_pct="0.05", approve_above_usd=10_000)
        )
        book.signal(100).quote("AAPL", 120).filled()
        assert (book.sizes, book.failures) == ([100], [])
        assert book.stops[0].state is State.SUBMITTED

    def test_one_that_an_override_lets_through_closes_no_more_than_is_held(self) -> None:
        book = Guarded().signal(100).limits(stated(allowed_order_types=("market",)))
        book.filled()
        (stop,) = book.stops
        book.order_of(70, side=Side.SELL).filled()
        book.by("ann", AskOverride(order_id=stop.order_id, reason="it must be covered"))
        book.by("bob", GrantOverride(order_id=stop.order_id))
        assert (book.position, book.sizes) == (30, [30])

    @pytest.mark.parametrize("mode", [None, Mode.REDUCE_ONLY])
    def test_they_do_not_stand_in_the_way_of_a_close(self, mode: Mode | None) -> None:
        book = Guarded(stated(enable_shorting=False)).entered(100)
        if mode is not None:
            book.by("ann", ThrowSwitch(level=Level.FUND, name="fund", reason="drill", mode=mode))
        book.order_of(100, side=Side.SELL)
        assert book.code is None
        assert book.sizes == [100]
        assert book.order_of(1, side=Side.SELL).code == "RISK_SHORTING"
        book.about(book.engine.state.orders.rows["ord-3"]).filled()
        assert (book.position, book.sizes) == (0, [])

    def test_what_is_left_of_a_close_leaves_room_for_the_next_stop(self) -> None:
        book = Guarded(stated(enable_shorting=False)).signal(100)
        entry = book.order
        book.report(fill("x1", 60, 100)).acknowledged()
        book.order_of(60, side=Side.SELL, limit=110)
        assert book.code is None
        book.about(entry).report(fill("x2", 40, 100))
        assert (book.sizes, book.failures) == ([60, 40], [])

    def test_more_than_is_held_cannot_be_closed_by_them(self) -> None:
        book = Guarded(stated(enable_shorting=False)).entered(100)
        (stop,) = book.stops
        book.by("ann", ReplaceOrder(order_id=stop.order_id, quantity=Decimal(150)))
        assert book.code == "RISK_SHORTING"


def test_an_order_that_was_only_created_keeps_what_was_decided_then() -> None:
    book = Guarded()
    wanted = {
        "signal_id": "s-1",
        "symbol": "AAPL",
        "action": "buy",
        "quantity": Decimal(100),
        "stop_loss": Decimal(95),
    }
    book.order_id = book.step(CreateFromSignal(Signal(**wanted))).answer.order.order_id
    book.protecting(Protection.NONE).submit_created().report(ack())
    assert (book.order.protect, book.filled().sizes) == (Protection.STOP, [100])


@pytest.mark.parametrize("seed", range(30))
def test_of_guards_and_others_the_larger_quantity_counts(seed: int) -> None:
    """Held, and any orders beside it, added up in another way than the exposures do."""
    dice, cell = Random(seed), Cell("fund", built_in("AAPL"))
    cell.held = Decimal(dice.randint(-100, 100))
    sums = {(sign, guards): Decimal(0) for sign in (1, -1) for guards in (True, False)}
    for number in range(dice.randint(0, 6)):
        sign, guards, quantity = dice.choice((1, -1)), dice.random() < 0.5, Decimal(dice.randint(1, 80))
        sums[sign, guards] += quantity
        cell.add_order(sign, quantity, quantity * 100)
        if guards:
            cell.add_guard(f"o-{number}", sign, quantity, quantity * 100)
    sign, guards, more = dice.choice((1, -1)), dice.random() < 0.5, Decimal(dice.randint(0, 80))
    sums[sign, guards] += more
    buying, selling = (max(sums[side, True], sums[side, False]) for side in (1, -1))
    assert cell.quantities(sign, more, guards=guards) == (cell.held - selling, cell.held + buying)
    worth = cell.with_order(sign, more, more * 100, Decimal(100), guards=guards)
    assert (worth.down, worth.up) == ((cell.held - selling) * 100, (cell.held + buying) * 100)


def test_a_late_fill_is_protected_too() -> None:
    book = Guarded().signal(100)
    entry = book.order
    book.report(fill("x1", 60, 100)).acknowledged()
    book.canceled()
    assert book.sizes == [60]
    book.about(entry).report(fill("x2", 10, 100))
    assert (book.position, book.sizes) == (70, [60, 10])


def test_a_stop_whose_cancel_was_too_late_and_a_new_entry_count_apart() -> None:
    book = Guarded().entered(100)
    (old,) = book.stops
    book.order_of(100, side=Side.SELL).filled()
    book.entered(50)
    assert book.sizes == [50]
    book.told(old, fill("s1", 100, 94, completes=True))
    assert (book.position, book.sizes) == (-50, []), "both traded: nothing may close more"


def test_memory_forgets_and_learns_what_guards_a_position() -> None:
    book = Guarded().signal(100).filled(60).filled(40).acknowledged()
    before, cell = book.replayed(), book.engine.state.exposures.cell("fund", "AAPL")
    assert before.exposures.cell("fund", "AAPL").guarding == cell.guarding == (0, 0, 100, 10000)
    mark = book.engine.state.mark()
    book.order_of(100, side=Side.SELL).filled()
    for stop in book.stops:
        book.told(stop, ended(End.CANCELED))
    assert (cell.guards, cell.guarding[2]) == ({}, 0)
    book.engine.state.undo(mark)
    assert (len(cell.guards), cell.guarding[2]) == (2, 100)


def test_the_unacknowledged_stop_is_taken_as_what_was_asked_for() -> None:
    book = Guarded().signal(100).filled()
    (stop,) = book.stops
    book.told(stop, ack("B-s"))
    assert book.sizes == [100]
