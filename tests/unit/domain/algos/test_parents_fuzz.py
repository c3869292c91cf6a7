"""Whatever comes in, a parent is the sum of its children, and what both may still fill is counted once."""

from collections import Counter
from decimal import Decimal
from typing import Any

from ordergate.domain.orders.order import Order
from ordergate.domain.orders.parent_events import ChildMoved
from ordergate.domain.orders.states import TERMINAL
from ordergate.domain.risk.reserving import reserved
from tests.unit.application.test_no_way_round import Fuzz

ZERO = Decimal(0)


def children_of(fuzz: Fuzz, parent: Order) -> list[Order]:
    rows = fuzz.book.engine.state.orders.rows.values()
    return [one for one in rows if one.parent_order_id == parent.order_id and one.slice is not None]


def counted_once(fuzz: Fuzz) -> tuple[Decimal, Decimal]:
    """What can still be bought and sold, added up anew."""
    sides = {1: ZERO, -1: ZERO}
    for order in fuzz.book.engine.state.orders.rows.values():
        left = reserved(order)[0]
        if order.algo is not None:
            left = max(left - sum((reserved(one)[0] for one in children_of(fuzz, order)), ZERO), ZERO)
        sides[order.side.sign] += left
    return sides[1], sides[-1]


def check(fuzz: Fuzz, events: list[Any], seen: Counter[str]) -> None:
    state = fuzz.book.engine.state
    for parent in [order for order in state.orders.rows.values() if order.algo is not None]:
        children = children_of(fuzz, parent)
        assert parent.filled_quantity == sum((one.filled_quantity for one in children), ZERO)
        assert parent.filled_value == sum((one.filled_value for one in children), ZERO)
        assert len({one.slice for one in children}) == len(children)
        assert (parent.client_id, parent.broker_order_id) == (None, None)
        working = {one.order_id for one in children if one.state not in TERMINAL}
        assert working == set(state.exposures.parents.children(parent.order_id))
        assert not (working and parent.state in TERMINAL)
        seen[parent.state] += 1
    for event in events:
        if isinstance(event, ChildMoved) and event.slice is not None:
            parent = state.orders.rows[event.order_id]
            on_its_way = state.exposures.parents.on_its_way(parent.order_id)
            assert parent.filled_quantity + on_its_way <= parent.quantity
            seen["child"] += 1
    cell = state.exposures.cell("fund", "AAPL")
    if cell is not None:
        assert (cell.buying, cell.selling) == counted_once(fuzz)


def test_parents_are_the_sum_of_their_children() -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        fuzz = Fuzz(seed)
        for _ in range(250):
            check(fuzz, fuzz.one(lifts=True), seen)
        assert fuzz.book.replayed().orders.rows == fuzz.book.engine.state.orders.rows
    assert seen["child"]
    assert {"ACCEPTED", "SUBMITTED", "PARTIALLY_FILLED", "CANCELED"} <= seen.keys()
