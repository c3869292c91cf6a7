"""What happens to a parent: its children's events say the rest."""

from decimal import Decimal

from ordergate.domain.money import ZERO
from ordergate.domain.orders.events import OrderEvent
from ordergate.domain.orders.order import Request


class ChildMoved(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="ChildMoved/1"):
    """A child was made, left, or was executed; `order_id` is the parent's.

    Attributes:
        slice: the number of the slice that the child was made for, where it came into being.
        quantity, value: how much more is filled, and quantity x price; less where an execution was taken back.
    """

    child_id: str
    slice: int | None = None
    quantity: Decimal = ZERO
    value: Decimal = ZERO


class WorkStopped(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="WorkStopped/1"):
    """A parent makes no more children; it ends with `code` once those that work have ended.

    Attributes:
        request: a cancel, which no broker is asked for: it is open until then.
    """

    request: Request
    code: str
    reason: str | None = None


AlgoEvent = ChildMoved | WorkStopped
