"""What a broker closes by itself: one order of the entry's fund, booked as any other, whatever is halted."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from ordergate.domain.breaks import Break, BreakKind, Cause
from ordergate.domain.contingencies.events import CloseCut, ProtectionFailed
from ordergate.domain.errors import Conflict
from ordergate.domain.events import AnyEvent
from ordergate.domain.funds import Fund, TaxLotMethod
from ordergate.domain.moving import LeaveFund
from ordergate.domain.orders.commands import CancelOrder, Configure, ReplaceOrder
from ordergate.domain.orders.events import BreakRaised
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Confirmed, End, Ended, Executed
from ordergate.domain.orders.states import ExecutionKind, OrderType, Protection, Side, State
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import FIRM, Level
from ordergate.testing.playbook import BROKER, START, fill
from tests.unit.domain.contingencies.guarded import Guarded
from tests.unit.domain.risk.limited import stated

TICKET = "T7"


def closed(book: Guarded, quantity: int = 100, exec_id: str = "d1", price: int = 95, **more: Any) -> Executed:
    """The broker closes so much of what the order spoken of has opened."""
    fields: dict[str, Any] = {
        "broker_order_id": TICKET, "closes": f"{book.order_id}.1", "symbol": "AAPL", "side": Side.SELL,
        "order_type": OrderType.STOP,
    }  # fmt: skip
    return fill(exec_id, quantity, price, **fields | more)


def told(book: Guarded, *said: Executed | Ended | Confirmed) -> Guarded:
    """Just so, whatever order is spoken of."""
    events: list[AnyEvent] = []
    for one in said:
        book.step(one)
        events += book.events
    book.events = events
    return book


def theirs(book: Guarded) -> list[Order]:
    return [order for order in book.engine.state.orders.rows.values() if order.by_broker]


def the_one(book: Guarded) -> Order:
    (order,) = theirs(book)
    return order


def broken(book: Guarded) -> list[Break]:
    return [entry.event.item for entry in book.entries if isinstance(entry.event, BreakRaised)]


def entered(quantity: int = 100, protect: Protection = Protection.NONE, **more: Any) -> Guarded:
    return Guarded().protecting(protect).entered(quantity, **more)


def test_one_step_adopts_it_and_books_the_fill() -> None:
    book = entered(order_manager="m", take_profit=Decimal(120))
    told(book, closed(book, completes=True)).expect("OrderAdopted", "OrderFilled")
    order, entry = the_one(book), book.order
    assert (order.fund_id, order.strategy_id, order.broker, order.symbol, order.order_manager) == (
        "fund", "trend", BROKER, "AAPL", "m",
    )  # fmt: skip
    assert (order.side, order.quantity, order.filled_quantity, order.order_type, order.stop_price) == (
        Side.SELL, 100, 100, OrderType.STOP, 95,
    )  # fmt: skip
    assert (order.parent_order_id, order.broker_order_id, order.actor, order.client_id) == (
        entry.order_id, TICKET, BROKER, None,
    )  # fmt: skip
    assert (order.state, order.confirmed, book.position) == (State.CLOSED, True, 0)
    assert {entry.actor for entry in book.entries[-2:]} == {BROKER}
    assert not broken(book)


@pytest.mark.parametrize(("told_type", "is_type", "limit", "stop"), [
    (OrderType.STOP, OrderType.STOP, None, 95),
    (OrderType.LIMIT, OrderType.LIMIT, 120, None),
    (OrderType.MARKET, OrderType.MARKET, None, None),
    (None, OrderType.MARKET, None, None),
])  # fmt: skip
def test_its_type_is_what_is_told_and_its_price_the_signal_s(
    told_type: OrderType | None, is_type: OrderType, limit: int | None, stop: int | None
) -> None:
    book = entered(take_profit=Decimal(120))
    order = the_one(told(book, closed(book, order_type=told_type)))
    assert (order.order_type, order.limit_price, order.stop_price) == (is_type, limit, stop)


def test_where_ordergate_makes_the_stops_no_level_stood_at_the_broker() -> None:
    book = entered(protect=Protection.STOP)
    assert the_one(told(book, closed(book))).stop_price is None


@pytest.mark.parametrize(("action", "side"), [
    ("buy", Side.SELL), ("long", Side.SELL), ("sell", Side.COVER), ("short", Side.COVER),
])  # fmt: skip
def test_it_is_on_the_closing_side(action: str, side: Side) -> None:
    book = entered(action=action)
    order = the_one(told(book, closed(book, side=side)))
    assert (order.side, book.position) == (side, 0)
    book = entered(action=action)
    assert the_one(told(book, closed(book, side=None, symbol=None))).side is side, "where it is not told, too"


def test_told_again_it_is_one_order_and_one_fill() -> None:
    book = entered()
    told(book, closed(book))
    size = len(book.entries)
    told(book, closed(book), closed(book)).expect()
    assert (len(theirs(book)), len(book.entries), book.position) == (1, size, 0)


def test_further_executions_make_it_larger() -> None:
    book = entered()
    told(book, closed(book, 60)).expect("OrderAdopted", "OrderFilled")
    assert the_one(book).state is State.FILLED
    told(book, closed(book, 30, "d2"), closed(book, 10, "d3", completes=True))
    book.expect("OrderRestated", "OrderFilled", "OrderRestated", "OrderFilled")
    order = the_one(book)
    assert (order.quantity, order.filled_quantity, order.state, book.position) == (100, 100, State.CLOSED, 0)
    assert not broken(book)
    assert book.replayed().orders.rows[order.order_id] == order


def test_in_whatever_order_they_come_all_are_booked() -> None:
    for told_in in permutations((0, 1, 2)):
        book = entered()
        parts = (closed(book, 60), closed(book, 30, "d2"), closed(book, 10, "d3", completes=True))
        told(book, *(parts[number] for number in told_in), *parts)
        order = the_one(book)
        assert (order.filled_quantity, order.state, book.position) == (100, State.CLOSED, 0)
        late = [item for item in broken(book) if item.kind is BreakKind.LATE_FILL]
        assert len(broken(book)) == len(late) == 2 - told_in.index(2), "said aloud, and no overfill"


@pytest.mark.parametrize("said", [
    Confirmed(broker=BROKER, broker_order_id=TICKET), Ended(broker=BROKER, broker_order_id=TICKET, end=End.CANCELED),
])  # fmt: skip
def test_it_closes_once_the_broker_says_that_no_more_comes(said: Confirmed | Ended) -> None:
    book = entered()
    told(book, closed(book, 60), said)
    order = the_one(book)
    assert (order.quantity, order.state, book.position) == (60, State.CLOSED, 40)
    assert not broken(book)
    told(book, said).expect()


def test_what_is_taken_back_makes_it_smaller_and_all_of_it_ends_it() -> None:
    book = entered()
    told(book, closed(book, 60), closed(book, 40, "d2"))
    busted = closed(book, 0, "b2", price=0, execution_kind=ExecutionKind.BUST, refers_to="d2")
    told(book, busted).expect("FillBusted", "OrderRestated")
    order = the_one(book)
    assert (order.quantity, order.state, order.leaves_quantity, book.position) == (60, State.FILLED, 0, 40)
    told(book, closed(book, 70, "c1", execution_kind=ExecutionKind.CORRECT, refers_to="d1", seconds=1))
    order = the_one(book)
    assert (order.quantity, order.filled_quantity, order.state, book.position) == (70, 70, State.FILLED, 30)
    told(book, closed(book, 0, "b1", price=0, execution_kind=ExecutionKind.BUST, refers_to="c1"))
    order = the_one(book)
    assert (order.state, order.reason_code, book.position) == (State.CANCELED, "CANCELED_BY_BROKER", 100)
    assert not broken(book)


def test_a_bust_that_comes_first_is_not_lost() -> None:
    book = entered()
    told(book, closed(book, 0, "b1", price=0, execution_kind=ExecutionKind.BUST, refers_to="d1"))
    assert (the_one(book).state, book.position) == (State.CANCELED, 100)
    told(book, closed(book))
    assert (len(theirs(book)), the_one(book).filled_quantity, book.position) == (1, 0, 100)


@pytest.mark.parametrize("scope", [
    FIRM, (Level.FUND, "fund"), (Level.STRATEGY, "trend"), (Level.BROKER, BROKER),
], ids=str)  # fmt: skip
def test_no_halt_stops_it_and_no_limit_is_asked(scope: tuple[Level, str]) -> None:
    book = entered()
    book.limits(stated(allowed_order_types=("limit",), max_order_qty=1))
    book.step(ThrowSwitch(level=scope[0], name=scope[1], reason="a test", mode=Mode.HALT))
    told(book, closed(book)).expect("OrderAdopted", "OrderFilled")
    assert book.position == 0


def test_it_counts_for_the_day_and_is_no_order_of_the_strategy() -> None:
    book = Guarded(stated(max_orders_per_s=2)).protecting(Protection.NONE).entered()
    before = book.engine.state.volumes.rows["fund", "AAPL"].quantity
    told(book, closed(book, price=90))
    assert book.engine.state.volumes.rows["fund", "AAPL"].quantity == before + 100
    assert dict(book.engine.state.accounts.rows["fund"].profits)["USD"] == -1_000
    book.order_of(1)
    assert book.code is None, "it is the second order of this second, not the third"


def test_ordergate_s_own_stops_are_canceled_or_cut() -> None:
    book = entered(protect=Protection.STOP)
    stop = next(order for order in book.stops if not order.by_broker)
    told(book, closed(book, 60))
    assert (book.position, book.sizes) == (40, [40])
    told(book, closed(book, 40, "d2", completes=True))
    assert (book.position, book.sizes) == (0, [])
    book.told(stop, Ended(broker=BROKER, end=End.CANCELED))
    assert not book.failures


def test_other_closes_give_way_to_it() -> None:
    book = Guarded(stated(enable_shorting=False)).protecting(Protection.NONE).entered()
    entry = book.order_id
    book.order_of(100, side=Side.SELL, limit=110)
    working, book.order_id = book.order_id, entry
    told(book, closed(book, 100))
    (cut,) = [event for event in book.events if isinstance(event, CloseCut)]
    assert (cut.order_id, cut.keep) == (working, 0)


def test_it_closes_the_lots_that_the_entry_opened() -> None:
    book = Guarded().protecting(Protection.NONE)
    book.step(Configure((Fund(fund_id="fund", broker=BROKER, tax_lot_method=TaxLotMethod.SPECIFIC),), ()))
    book.entered(50).entered(100)
    second = book.order_id
    told(book, closed(book))
    assert the_one(book).lots == (f"{second}-f1",)
    position = book.engine.state.positions.rows["fund", "AAPL"]
    assert [lot.remaining for lot in book.engine.state.open_lots(position)] == [50]


def test_more_than_the_entry_may_be_closed_for_the_broker_nets_what_there_is() -> None:
    book = entered(50)
    book.entered(100)
    told(book, closed(book, 150))
    assert (the_one(book).quantity, book.position, broken(book)) == (150, 0, [])


def test_before_the_entry_s_own_fill_it_is_booked_too() -> None:
    book = Guarded().protecting(Protection.NONE).signal(100)
    told(book, closed(book))
    assert book.position == -100
    book.filled()
    assert (book.position, broken(book)) == (0, [])


def test_two_orders_of_the_broker_are_two() -> None:
    book = entered()
    told(book, closed(book, 60), closed(book, 40, "d2", broker_order_id="T8", order_type=OrderType.LIMIT))
    assert [(order.broker_order_id, order.quantity) for order in theirs(book)] == [("T7", 60), ("T8", 40)]


def test_it_can_be_neither_canceled_nor_changed() -> None:
    """A request of ours would make it an order of ours, and what more of it comes an overfill."""
    book = entered()
    told(book, closed(book, 60))
    order_id = the_one(book).order_id
    with pytest.raises(Conflict, match="cannot be canceled"):
        book.step(CancelOrder(order_id=order_id))
    with pytest.raises(Conflict, match="nothing of it can be changed"):
        book.step(ReplaceOrder(order_id=order_id, quantity=Decimal(70)))
    told(book, closed(book, 40, "d2"))
    assert (the_one(book).quantity, broken(book)) == (100, [])


def test_of_a_fund_that_has_moved_it_is_booked_where_the_entry_is_and_said_aloud() -> None:
    book = entered()
    book.told(book.order, Confirmed(broker=BROKER))
    book.order_of(100, side=Side.SELL).filled(completes=True)
    entry = next(order for order in book.engine.state.orders.rows.values() if order.signal_id is not None)
    for order in list(book.engine.state.orders.rows.values()):
        book.engine.state.orders.rows.pop(order.order_id)  # ended, and forgotten
    book.step(LeaveFund(fund_id="fund", shard="other", origin="other.example/log"))
    book.engine.state.load_order(entry, [])
    book.order_id = entry.order_id
    told(book, closed(book, 40, completes=True))
    assert (the_one(book).fund_id, the_one(book).filled_quantity) == ("fund", 40)
    assert [item.kind for item in broken(book)] == [BreakKind.FUND_MOVED]


class TestABreakItStays:
    """Nothing is booked of what is no closing of ours."""

    def unknown(self, book: Guarded, said: Executed) -> Break:
        orders = set(book.engine.state.orders.rows)
        told(book, said, said)
        assert set(book.engine.state.orders.rows) == orders
        (item,) = broken(book)
        assert item.kind is BreakKind.UNKNOWN_ORDER
        return item

    def test_of_an_entry_that_nobody_knows(self) -> None:
        book = entered()
        item = self.unknown(book, closed(book, closes="somebody.1"))
        assert item.cause is Cause.FOREIGN
        assert "which closes 'somebody.1'" in item.detail

    def test_of_an_entry_that_only_a_later_journal_knows(self) -> None:
        book = entered()
        item = self.unknown(book, closed(book, closes="ord-900000.1"))
        assert item.cause is Cause.JOURNAL_BEHIND
        assert book.engine.state.halts.rows[Level.BROKER, BROKER].holds

    def test_of_an_entry_that_the_gate_refused(self) -> None:
        book = Guarded(stated(max_order_qty=1)).signal(100)
        assert book.order.state is State.REJECTED
        self.unknown(book, closed(book))

    def test_of_an_entry_that_was_only_created(self) -> None:
        book = Guarded()
        book.create(100)
        self.unknown(book, closed(book))

    def test_without_the_broker_s_id(self) -> None:
        book = entered()
        self.unknown(book, closed(book, broker_order_id=None))

    def test_of_an_entry_at_another_broker(self) -> None:
        book = entered()
        said = closed(book)
        told(
            book,
            Executed(**{name: getattr(said, name) for name in said.__struct_fields__} | {"broker": "other"}),
        )
        assert ([item.kind for item in broken(book)], theirs(book)) == ([BreakKind.UNKNOWN_ORDER], [])

    @pytest.mark.parametrize(("wrong", "kind"), [
        ({"side": Side.BUY}, BreakKind.WRONG_SIDE),
        ({"symbol": "MSFT"}, BreakKind.WRONG_INSTRUMENT),
        ({"quantity": Decimal(-1)}, BreakKind.BAD_EXECUTION),
        ({"price": Decimal("NaN")}, BreakKind.BAD_EXECUTION),
        ({"time": START.replace(tzinfo=None)}, BreakKind.BAD_EXECUTION),
    ])  # fmt: skip
    def test_what_cannot_be(self, wrong: dict[str, Any], kind: BreakKind) -> None:
        book = entered()
        said = closed(book)
        lie = Executed(**{name: getattr(said, name) for name in said.__struct_fields__} | wrong)
        told(book, lie, lie)
        assert ([item.kind for item in broken(book)], theirs(book), book.position) == ([kind], [], 100)
        assert broken(book)[0].order_id == book.order_id


def test_no_failure_of_protection_is_told_of_it() -> None:
    book = entered()
    told(book, closed(book, 60))
    told(book, closed(book, 0, "b1", price=0, execution_kind=ExecutionKind.BUST, refers_to="d1"))
    assert not [entry for entry in book.entries if isinstance(entry.event, ProtectionFailed)]
