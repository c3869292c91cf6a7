"""Of failover: `tests.simulation.routed` finds them."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from ordergate.application.decide import reporting
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.events import RequestDropped
from ordergate.domain.orders.order import Order
from tests.simulation.bugs.registry import routed_bug


@routed_bug
def unknown_submit_moves_on() -> Iterator[Any]:
    """An order goes on to the next broker while nobody knows whether the one before has it."""
    answered = reporting._HANDLERS[r.Answered]

    def hasty(ctx: Any, order: Order, said: r.Answered) -> Any:
        if said.outcome is r.Outcome.UNKNOWN:
            said = replace(said, outcome=r.Outcome.NOT_SENT)
        return answered(ctx, order, said)

    with patch.dict(reporting._HANDLERS, {r.Answered: hasty}):
        yield


@routed_bug
def refused_cancel_of_an_unknown_submit_dropped() -> Iterator[Any]:
    """A broker that refuses a cancel is believed, though nobody knows yet whether it has the order."""

    def credulous(_ctx: Any, order: Order, request: Any, reason: str | None) -> Any:
        yield RequestDropped(order_id=order.order_id, number=request.number, reason=reason)

    with patch.object(reporting, "_refused", credulous):
        yield
