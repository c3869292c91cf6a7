"""What an order reserves: how much it may still add to a position."""

from decimal import Decimal

from ordergate.domain.money import ZERO
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, RequestKind, State


def reserved(order: Order) -> tuple[Decimal, Decimal]:
    """What can still be filled of an order, and its worth at its own price: 0 before it is submitted and after its end.

    A replace that is under way counts where it asks for more; an order without any price counts at the market's.
    What is no trade fills no position.
    """
    if order.state in TERMINAL or order.state is State.CREATED or not order.operation.is_trade:
        return ZERO, ZERO
    quantity, price = order.quantity, order.limit_price or order.reference_price or ZERO
    for request in order.requests:
        if request.kind is RequestKind.REPLACE:
            quantity = max(quantity, request.quantity or ZERO)
            price = max(price, request.limit_price or ZERO)
    left = quantity - order.filled_quantity
    return (left, left * price) if left > 0 else (ZERO, ZERO)
