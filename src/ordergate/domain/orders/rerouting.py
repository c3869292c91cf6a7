"""That an order goes to another broker: of what it did before there is proof that it left nothing."""

from ordergate.domain.orders.decision import RiskDecision
from ordergate.domain.orders.events import OrderEvent
from ordergate.domain.orders.order import Request


class OrderRerouted(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderRerouted/1"):
    """The order goes to the next broker of its route, for the one that it was at provably does not have it.

    Attributes:
        broker: where it goes now.
        before: where it was.
        request: the new submit, which takes the place of the one that is not there.
        reason: why it is not there.
        decision: what the risk gate said of the order at that broker.
    """

    broker: str
    before: str
    request: Request
    reason: str
    decision: RiskDecision


RoutingEvent = OrderRerouted
