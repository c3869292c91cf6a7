"""The fold of what happens to parents."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from ordergate.domain.book import Book
from ordergate.domain.errors import Defect
from ordergate.domain.fold_orders import name_of, order_of, put
from ordergate.domain.orders import events as e
from ordergate.domain.orders import parent_events as a
from ordergate.domain.orders.order import Order


def _parent(state: Book, event: e.OrderEvent) -> Order:
    order = order_of(state, event)
    if order.algo is None:
        raise Defect(f"{name_of(event)} of order {order.order_id}, which is no parent")
    return order


def _child_moved(state: Book, event: a.ChildMoved, _index: int, time: datetime) -> None:
    parent = _parent(state, event)
    changes: dict[str, Any] = {
        "filled_quantity": parent.filled_quantity + event.quantity,
        "filled_value": parent.filled_value + event.value,
    }
    if event.slice is not None and parent.algo is not None:
        changes["algo"] = replace(parent.algo, made=event.slice)
    put(state, event, parent, time, **changes)


def _stopped(state: Book, event: a.WorkStopped, _index: int, time: datetime) -> None:
    parent = _parent(state, event).with_request(event.request)
    put(state, event, parent, time, reason_code=event.code, reason=event.reason)


ALGO_FOLDS: Final[Mapping[type, Callable[[Book, Any, int, datetime], None]]] = {
    a.ChildMoved: _child_moved,
    a.WorkStopped: _stopped,
}
