"""An order as the venue keeps it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from ordergate.domain.money import ZERO, plain
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import OperationTerms
from ordergate.domain.orders.states import OrderType, Side, TimeInForce


class Status(StrEnum):
    """Whether it works, or how it ended."""

    WORKING = "working"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"


class VenueOrder(Struct, kw_only=True):
    """One order; changed in place by the venue, written with the transaction that the change belongs to.

    Attributes:
        number: counts the venue's orders; `broker_order_id` shows it.
        client_id: of the last accepted submit or replace.
        fills: how many executions it has had.
        triggered: whether its stop was reached; True where it has none.
        priority: place in time among the orders of its symbol, the smaller the earlier.
        expires: when a DAY, GTD or OPG order ends, or an operation that takes its time is done.
    """

    number: int
    client_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    tif: TimeInForce
    limit_price: Decimal | None
    stop_price: Decimal | None
    entered: datetime
    expires: datetime | None = None
    triggered: bool = True
    priority: int = 0
    filled: Decimal = ZERO
    fills: int = 0
    status: Status = Status.WORKING
    reason: str | None = None
    operation: Operation = Operation.SPOT_TRADE
    terms: OperationTerms | None = None

    @property
    def broker_order_id(self) -> str:
        """As clients know the order."""
        return broker_order_id(self.number)

    @property
    def leaves(self) -> Decimal:
        """What is still to be filled."""
        return plain(self.quantity - self.filled) if self.filled else self.quantity

    @property
    def fleeting(self) -> bool:
        """Whether it may not rest."""
        return self.tif in (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG)


def broker_order_id(number: int) -> str:
    """The public name of the order of that number."""
    return f"P{number}"


def number_of(name: str | None) -> int | None:
    """The order that a public name means; None where it is none of this venue's."""
    digits = name[1:] if name is not None and name.startswith("P") else ""
    return int(digits) if digits.isascii() and digits.isdecimal() else None
