"""What is done about a sent order that takes too long: noted first, then canceled or repriced as by anybody."""

from ordergate.application.decide.changing import amend, cancel
from ordergate.application.decide.context import Context, Decision
from ordergate.domain.orders.commands import AttendOrder, CancelOrder, ReplaceOrder
from ordergate.domain.orders.events import OrderOverdue
from ordergate.domain.orders.states import WORKING, Remedy


def attend(ctx: Context, command: AttendOrder) -> Decision[bool]:
    """Notes the delay and does what the remedy says; whether it did. Nothing, where the order has changed meanwhile.

    Raises:
        Invalid, Conflict: the remedy cannot be done; nothing was noted.
    """
    order = ctx.state.orders.get(command.order_id)
    if order is None or order.version != command.version or order.state not in WORKING:
        return False
    yield OrderOverdue(order_id=order.order_id, why=command.why, since=command.since, remedy=command.remedy)
    if command.remedy is Remedy.CANCEL:
        yield from cancel(ctx, CancelOrder(order_id=order.order_id))
    elif command.remedy is Remedy.REPRICE:
        yield from amend(ctx, ReplaceOrder(order_id=order.order_id, limit_price=command.limit_price))
    return True
