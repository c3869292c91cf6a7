"""The fold of one order's row: the event's path walked, with what else it changes."""

from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from ordergate.domain.book import Book
from ordergate.domain.errors import Defect
from ordergate.domain.orders import events as e
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, WORKING, State
from ordergate.domain.orders.transitions import by_quantity
from ordergate.domain.orders.ways import check_way

_NOT_FILLED: Final = (State.CREATED, State.ACCEPTED, State.SUBMITTED)
_BY_QUANTITY: Final = (State.SUBMITTED, State.PARTIALLY_FILLED, State.FILLED)


def order_of(state: Book, event: e.OrderEvent) -> Order:
    """The order that an event is about, once the table has found the event legal."""
    order = state.orders.get(event.order_id)
    if order is None:
        raise Defect(f"{name_of(event)} of order {event.order_id}, which does not exist")
    check_way(event, order.state)
    return order


def name_of(event: e.OrderEvent) -> str:
    """The name of its kind."""
    return type(event).__name__


def put(state: Book, event: e.OrderEvent, order: Order, time: datetime, **changes: Any) -> None:
    """Writes the order with the event's path walked, the changes made and one more version."""
    at = time
    for reached, at in zip(event.path, event.times, strict=True):
        changes |= _reached(order, reached, at)
    after = replace(order, version=order.version + 1, updated_at=at, **changes)
    if after.state in TERMINAL and (after.requests or after.awaits):
        after = replace(after, requests=(), awaits=None, decide_by=None)
    came_to = State.FILLED if State.CLOSED in event.path else after.state
    if came_to in _BY_QUANTITY and came_to is not by_quantity(after.filled_quantity, after.quantity):
        numbers = f"{after.filled_quantity} filled of {after.quantity}"
        raise Defect(f"{name_of(event)}: order {order.order_id} cannot be {after.state} with {numbers}")
    state.put_order(after)


def _reached(order: Order, reached: State, at: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {"state": reached}
    if reached is State.ACCEPTED:
        changes["accepted_at"] = order.accepted_at or at
    elif reached is State.SUBMITTED and order.state in _NOT_FILLED:
        changes["submitted_at"] = at
    elif reached in WORKING:  # perhaps again, after a bust
        changes["filled_at"] = None
    elif reached is State.FILLED:
        changes["filled_at"] = at
    elif reached in TERMINAL:
        changes["ended_at"] = at
        if reached is State.CLOSED:
            changes["confirmed"] = True
    return changes
