"""How an order comes into being because it was found at a broker, or agreed by telephone."""

from msgspec.structs import asdict

from ordergate.application.decide.context import Context, Decision, OrderResult
from ordergate.application.decide.naming import check_broker, known_instrument
from ordergate.application.decide.submitting import known_fund
from ordergate.domain.errors import Code, Conflict
from ordergate.domain.orders.commands import AdoptOrder
from ordergate.domain.orders.events import OrderAdopted
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import State


def adopt(ctx: Context, command: AdoptOrder) -> Decision[OrderResult]:
    """An order that works at a broker already.

    Raises:
        Invalid: unknown fund, symbol or broker.
        Conflict: the order id, or the broker's id, is another order's.
    """
    known_fund(ctx, command.fund_id)
    _known, new = known_instrument(ctx, command.symbol)
    if new is not None:
        yield new
    check_broker(ctx, command.broker)
    if ctx.state.orders.get(command.order_id) is not None:
        raise Conflict(Code.ORDER_ID_TAKEN, f"{command.order_id!r} is another order's", "#/order_id")
    taken = ctx.state.order_by_broker_id.get((command.broker, command.broker_order_id))
    if taken is not None:
        detail = f"{command.broker_order_id!r} at {command.broker} is order {taken} already"
        raise Conflict(Code.ORDER_ID_TAKEN, detail, "#/broker_order_id")
    now = ctx.tick()
    order = Order(
        **asdict(command),
        state=State.SUBMITTED,
        created_at=now,
        updated_at=now,
        submitted_at=now,
        acknowledged_at=now,
    )
    yield OrderAdopted(order_id=order.order_id, path=(State.SUBMITTED,), times=(now,), order=order)
    return OrderResult(order=order)
