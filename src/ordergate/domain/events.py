"""Every kind of event: what happens to orders, and to funds on the move."""

from ordergate.domain.moving import MoveEvent
from ordergate.domain.orders.events import AnyOrderEvent

AnyEvent = AnyOrderEvent | MoveEvent
