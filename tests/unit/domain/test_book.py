"""The tables in memory: what is kept, what is forgotten, and that what was read back works on."""

from decimal import Decimal

from ordergate.domain.book import Book
from ordergate.domain.orders.reports import End
from ordergate.domain.orders.states import Side, State
from ordergate.testing.playbook import BROKER, Playbook, ack, ended, fill


def committed() -> tuple[Playbook, dict[str, set[object]]]:
    """One order that works and one that has ended, both with a fill, and what was written."""
    book = Playbook().submit(100).report(ack("B1"), fill("x1", 10, 10))
    book.submit(100).report(ack("B2"), fill("x1", 20, 10), ended(End.CANCELED))
    state = book.engine.state
    keys = {table.name: table.key for table in state.tables}
    written = {name: {keys[name](row) for row in rows} for name, rows, _before in state.changed()}
    book.engine.state.settle()
    return book, written


def test_each_row_that_was_written_is_named_once() -> None:
    book, written = committed()
    assert written["orders"] == {"ord-1", "ord-2"}
    assert written["fills"] == {("ord-1", "x1"), ("ord-2", "x1")}
    assert written["positions"] == {("fund", "AAPL")}
    assert "breaks" not in written
    assert list(book.engine.state.changed()) == []


def test_a_row_is_named_with_what_it_was_when_it_was_last_settled() -> None:
    book = Playbook().submit(100)
    book.engine.state.settle()
    order = book.engine.state.orders.rows["ord-1"]
    book.report(ack("B1"), fill("x1", 10, 10), fill("x2", 10, 10))
    changed = {name: (rows, before) for name, rows, before in book.engine.state.changed()}
    assert changed["orders"] == ([book.engine.state.orders.rows["ord-1"]], [order])
    assert changed["fills"][1] == [None, None]


def test_what_has_ended_is_forgotten_with_all_that_belongs_to_it() -> None:
    state = committed()[0].engine.state
    assert set(state.orders.rows) == {"ord-1"}
    assert set(state.fills.rows) == {("ord-1", "x1")}
    assert state.order_by_broker_id == {(BROKER, "B1"): "ord-1"}
    assert state.keys.rows == {}
    assert state.positions.rows["fund", "AAPL"].quantity == 30


def test_a_closed_lot_and_a_flat_position_are_forgotten() -> None:
    book = Playbook().submit(10).report(fill("x1", 10, 10))
    book.submit(10, side=Side.SELL).report(fill("x1", 10, 10))
    book.engine.state.settle()
    assert book.engine.state.positions.rows == book.engine.state.lots.rows == {}


def test_an_order_that_is_read_back_goes_on_and_can_be_released() -> None:
    book = Playbook().submit(100).report(ack(), fill("x1", 20, 10), ended(End.CANCELED))
    state = book.engine.state
    order, fills = book.order, list(state.order_executions("ord-1"))
    state.settle()
    state.load_order(order, fills)
    book.report(fill("x1", 20, 10)).expect()
    book.report(fill("x2", 5, 10)).expect("OrderFilled", "BreakRaised", state=State.CANCELED, filled=25)
    state.settle()
    assert state.orders.rows == {}
    state.load_order(order, fills)
    state.release([(state.orders, "ord-1"), (state.funds, "fund"), (state.orders, "nobody")])
    assert (state.orders.rows, state.fills.rows, state.execution_count("ord-1")) == ({}, {}, 0)
    assert set(state.funds.rows) == {"fund"}


def test_an_order_without_a_name_at_the_broker_is_read_back_and_forgotten() -> None:
    book = Playbook().submit(100).report(ended(End.REJECTED))
    state, order = book.engine.state, book.order
    state.settle()
    state.load_order(order, [])
    state.release([(state.orders, "ord-1")])
    assert (state.orders.rows, state.order_by_broker_id) == ({}, {})


def test_what_is_in_memory_is_newer_than_what_is_read_back() -> None:
    book = Playbook().submit(100)
    old = book.order
    book.report(fill("x1", 20, 10))
    book.engine.state.orders.load(old)
    assert book.order.filled_quantity == 20


def test_a_lot_that_was_not_read_back_is_passed_over() -> None:
    book = Playbook().submit(10).report(fill("x1", 10, 10))
    position = book.engine.state.positions.rows["fund", "AAPL"]
    assert [lot.remaining for lot in book.engine.state.open_lots(position)] == [Decimal(10)]
    assert list(Book().open_lots(position)) == []
