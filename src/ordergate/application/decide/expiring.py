"""Orders whose time is over before they left: nobody else can end those."""

from datetime import datetime

from ordergate.application.decide.context import Context, Decision
from ordergate.application.view import View
from ordergate.domain.book import Book
from ordergate.domain.orders.commands import ExpireOrder
from ordergate.domain.orders.events import OrderExpired
from ordergate.domain.orders.expiry import order_over_at
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import State, TimeInForce
from ordergate.domain.times import format_time

_WAITING = (State.PENDING_RISK, State.ACCEPTED)


def over_at(state: Book, view: View, order: Order) -> datetime | None:
    """When the order's time is over; None where no time ends it, or no calendar says when, or it is only created."""
    if order.state is State.CREATED:
        return None
    if view.calendar is None:
        return order.expires_at if order.tif is TimeInForce.GTD else None
    return order_over_at(order, state.instruments.rows[order.symbol], view.calendar)


def over_by(state: Book, view: View, now: datetime, order: Order) -> datetime | None:
    """When the order's time was over, where it is over now."""
    over = over_at(state, view, order)
    return over if over is not None and over <= now else None


def expired(ctx: Context, order: Order, over: datetime) -> OrderExpired:
    """The end of an order that never left."""
    return OrderExpired(
        order_id=order.order_id,
        path=(State.EXPIRED,),
        times=(ctx.tick(),),
        code="EXPIRED_BEFORE_SENDING",
        reason=f"its time ended at {format_time(over)}, before it was sent",
    )


def expire(ctx: Context, command: ExpireOrder) -> Decision[None]:
    """Ends an order that waits here and whose time is over; any other is its broker's to end."""
    order = ctx.state.orders.get(command.order_id)
    if order is not None and order.state in _WAITING and command.over_at <= ctx.now():
        yield expired(ctx, order, command.over_at)
