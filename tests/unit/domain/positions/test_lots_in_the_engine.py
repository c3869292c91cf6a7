"""Lots through the engine: in whatever order and however often fills come, lots that orders name, changes of method."""

from decimal import Decimal
from itertools import permutations
from random import Random

import pytest
from msgspec.structs import replace

from ordergate.application.entry import encode
from ordergate.domain.errors import Code, Conflict, Invalid
from ordergate.domain.funds import TaxLotMethod
from ordergate.domain.orders import commands as c
from ordergate.domain.orders.commands import parse_order
from ordergate.domain.orders.states import Side
from ordergate.testing.playbook import FUND, Playbook, bust, correct, fill
from tests.unit.domain.positions.ledgers import METHODS

D = Decimal
METHOD = pytest.mark.parametrize("method", METHODS)
BUYS = (
    fill("a", 10, "180.10", seconds=1, fee=D("0.35"), fee_currency="USD"),
    fill("b", 20, "181.30", seconds=2),
    fill("d", 30, "179.70", seconds=3),
    bust("e", "b", seconds=4),
    correct("g", "d", 25, "179.80", seconds=5),
)
SALES = (
    fill("a", 15, "182.00", seconds=6, fee=D("0.10"), fee_currency="USD"),
    fill("b", 5, "183.00", seconds=7),
    bust("d", "a", seconds=8),
)


def fund(method: str):
    return replace(FUND, tax_lot_method=TaxLotMethod(method))


def settled(method: str, said: list[tuple[str, object]]):
    """What does not depend on the order of reports: orders' fills, quantities, balances, what was spent, fees."""
    book = Playbook(fund(method))
    orders = {"buy": book.submit(100).order_id, "sell": book.submit(100, side=Side.SELL).order_id}
    for side, report in said:
        book.order_id = orders[side]
        book.report(report)
    state = book.engine.state
    position = state.positions.rows["fund", "AAPL"]
    open_lots = list(state.open_lots(position))
    assert sum(lot.remaining for lot in open_lots) == position.quantity
    assert position.oldest_open == (open_lots[0].number if open_lots else position.lot_count + 1)
    again = book.replayed()  # the journal's bytes alone lead to the same rows
    for table, other in zip(state.tables, again.tables, strict=True):
        assert table.rows == other.rows, table.name
    return (
        [(o.filled_quantity, o.filled_value) for o in (state.orders.rows[i] for i in orders.values())],
        position.quantity,
        position.realized_pnl - position.cost,
        position.fees,
        {key: row.amount for key, row in state.balances.rows.items()},
    )


@METHOD
def test_any_order_and_multiplicity_of_fills_gives_the_same_state(method: str) -> None:
    said = [("buy", one) for one in BUYS] + [("sell", one) for one in SALES]
    wanted = settled(method, said)
    assert wanted[1:3] == (30, -(10 * D("180.1") + 25 * D("179.8")) + 5 * 183)
    random = Random(7)
    for _ in range(40):
        shuffled = [one for one in said for _ in range(random.randint(1, 3))]
        random.shuffle(shuffled)
        assert settled(method, shuffled) == wanted


def test_every_permutation_of_one_orders_fills_gives_the_same_state() -> None:
    wanted = settled("average", [("buy", one) for one in BUYS])
    for order in permutations(BUYS):
        assert settled("average", [("buy", one) for one in order]) == wanted


def test_an_order_closes_the_lots_that_it_names() -> None:
    book = Playbook(fund("specific"))
    for price in (10, 12, 14):
        book.submit(10).report(fill("x", 10, price))
    state = book.engine.state
    first, second, third = (lot.lot_id for lot in state.open_lots(state.positions.rows["fund", "AAPL"]))
    book.submit(15, side=Side.SELL, lots=(third, second)).report(fill("x", 4, 20), fill("y", 11, 20))
    left = {lot.lot_id: lot.remaining for lot in state.open_lots(state.positions.rows["fund", "AAPL"])}
    assert left == {first: 10, second: 5}
    assert state.positions.rows["fund", "AAPL"].realized_pnl == 10 * (20 - 14) + 5 * (20 - 12)
    assert book.order.lots == (third, second)
    assert book.replayed().orders.rows[book.order_id].lots == (third, second)
    assert b'"lots":["' in encode(book.entries[-3]).data


@pytest.mark.parametrize("method", [m for m in METHODS if m != "specific"])
def test_lots_are_named_for_funds_of_that_method_alone(method: str) -> None:
    book = Playbook(fund(method))
    with pytest.raises(Invalid) as caught:
        book.submit(10, lots=("ord-1.x",))
    assert (caught.value.code, caught.value.pointer) == (Code.BAD_VALUE, "#/lots")
    assert method in str(caught.value)


BODY = {
    "idempotency_key": "k", "fund_id": "fund", "symbol": "AAPL", "side": "sell", "quantity": 1, "order_type": "market",
}  # fmt: skip


@pytest.mark.parametrize(
    ("lots", "code", "pointer"),
    [
        ("ord-1.x", Code.WRONG_TYPE, "#/lots"),
        ({"a": 1}, Code.WRONG_TYPE, "#/lots"),
        ([], Code.BAD_VALUE, "#/lots"),
        ([f"l{n}" for n in range(101)], Code.BAD_VALUE, "#/lots"),
        (["a", 1], Code.WRONG_TYPE, "#/lots/1"),
        (["a", ""], Code.BAD_VALUE, "#/lots/1"),
        (["a", "b", "a"], Code.BAD_VALUE, "#/lots/2"),
        (["x" * 401], Code.BAD_VALUE, "#/lots/0"),
    ],
)
def test_what_is_no_list_of_lots_is_refused(lots: object, code: Code, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_order(BODY | {"lots": lots})
    assert (caught.value.code, caught.value.pointer) == (code, pointer)


def test_named_lots_are_part_of_what_the_request_is() -> None:
    plain, named, other = (parse_order(BODY | more) for more in ({}, {"lots": ["a"]}, {"lots": ["b"]}))
    assert len({one.fingerprint() for one in (plain, named, other)}) == 3
    assert parse_order(BODY | {"lots": None}).fingerprint() == plain.fingerprint()


@pytest.mark.parametrize("method", ["fifo", "lifo", "hifo", "loifo", "specific"])
def test_an_averaged_cost_is_not_told_apart_again_while_something_is_held(method: str) -> None:
    book = Playbook(fund("average"))
    book.submit(10).report(fill("x", 10, 10))
    with pytest.raises(Conflict, match="AAPL") as caught:
        book.step(c.Configure((fund(method),), ()))
    assert caught.value.code is Code.LOTS_AVERAGED
    book.submit(10, side=Side.SELL).report(fill("x", 10, 12))
    book.step(c.Configure((fund(method),), ()))
    assert book.engine.state.funds.rows["fund"].tax_lot_method is TaxLotMethod(method)
    book.submit(10).report(fill("x", 10, 10))
    book.step(c.Configure((fund("average"),), ()))  # the other way round nothing is lost


def test_what_is_closed_costs_nothing_to_pass_over() -> None:
    """A close looks at the lots that are open, not at those that were."""
    book = Playbook(fund("lifo"))
    book.submit(1).report(fill("x", 1, 10))
    for _ in range(30):
        book.submit(5).report(fill("x", 5, 11))
        book.submit(5, side=Side.SELL).report(fill("x", 5, 12))
    state = book.engine.state
    position = state.positions.rows["fund", "AAPL"]
    assert (position.oldest_open, position.lot_count, len(list(state.open_lots(position)))) == (1, 31, 1)
    mark = state.mark()
    book.submit(5).report(fill("x", 5, 11))
    assert len(list(state.open_lots(position))) == 2
    state.undo(mark)
    assert [lot.number for lot in state.open_lots(position)] == [1]
    state.forget_position(("fund", "AAPL"))
    assert list(state.open_lots(position)) == []
