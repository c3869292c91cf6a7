"""What the paper venue declares to be able to do."""

from typing import Final

from ordergate.application.ports.brokers import Capabilities, Deduplication
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType, TimeInForce

CAPABILITIES: Final = Capabilities(
    order_types=frozenset(OrderType),
    tifs=frozenset(TimeInForce),
    deduplication=Deduplication.FOREVER,
    proves_absence=True,
    grace_s=0,
    replaces=True,
    calls=256,
    statements=True,
    operations=frozenset(Operation),
)
