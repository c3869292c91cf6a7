"""The fold of what happens to an order between two brokers."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from ordergate.domain.book import Book
from ordergate.domain.errors import Defect
from ordergate.domain.orders.rerouting import OrderRerouted
from ordergate.domain.orders.states import RequestKind
from ordergate.domain.orders.ways import check_way


def _rerouted(state: Book, event: OrderRerouted, _index: int, time: datetime) -> None:
    order = state.orders.get(event.order_id)
    if order is None:
        raise Defect(f"OrderRerouted of order {event.order_id}, which does not exist")
    check_way(event, order.state)
    submits = [request for request in order.requests if request.kind is RequestKind.SUBMIT]
    if len(submits) != len(order.requests) or order.filled_quantity or order.broker_order_id is not None:
        raise Defect(f"OrderRerouted of order {event.order_id}, of which something may be at {order.broker}")
    request = event.request
    state.put_order(
        replace(
            order,
            broker=event.broker,
            requests=(request,),
            request_count=max(order.request_count, request.number),
            client_id=request.client_id,
            reference_price=event.decision.reference_price,
            version=order.version + 1,
            updated_at=time,
        )
    )


ROUTING_FOLDS: Final[Mapping[type, Callable[[Book, Any, int, datetime], None]]] = {OrderRerouted: _rerouted}
