"""Orders that are created first and submitted later: nothing is judged or reserved before somebody submits them."""

from ordergate.application.decide.context import Context, Decision, OrderResult
from ordergate.application.decide.naming import check_broker
from ordergate.application.decide.submitting import (
    admit,
    entered,
    known_fund,
    new_order,
    submit_request,
    weigh,
)
from ordergate.domain.errors import Code, NotFound, quoted
from ordergate.domain.orders.commands import CreateOrder, SubmitCreated
from ordergate.domain.orders.events import OrderCanceled, OrderJudged
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import State
from ordergate.domain.times import format_time

_PATH = (State.CREATED,)


def create(ctx: Context, command: CreateOrder) -> Decision[OrderResult]:
    """A new order that stays where it is; or the one that the same key made before, wherever that is by now.

    Raises:
        Invalid: the content is wrong.
        Conflict: the key or the order id stands for something else.
    """
    new = yield from admit(ctx, command)
    if isinstance(new, OrderResult):
        return new
    times = ctx.ticks(1)
    order = new_order(ctx, command, new, _PATH, times)
    yield entered(ctx, command, new, order, _PATH, times)
    return OrderResult(order=order)


def submit_created(ctx: Context, command: SubmitCreated) -> Decision[OrderResult]:
    """Lets the gate judge a created order, and sends it as far as it gets; one that was submitted already, as it is.

    Raises:
        NotFound: there is no such order.
        Invalid: its fund or broker is not there any more.
        Conflict: its fund is in another shard.
    """
    order = ctx.state.orders.get(command.order_id)
    if order is None:
        raise NotFound(Code.ORDER_NOT_FOUND, f"there is no order {quoted(command.order_id)}", "#/order_id")
    if order.state is not State.CREATED:
        return OrderResult(order=order, replayed=True)
    fund = known_fund(ctx, order.fund_id)
    check_broker(ctx, order.broker)
    if order.expires_at is not None and order.expires_at <= ctx.now():
        yield _too_late(ctx, order)
        return OrderResult(order=ctx.state.orders.rows[order.order_id])
    judgment = weigh(ctx, order, order.broker, fund, ctx.state.instruments.rows[order.symbol])
    path = judgment.path[1:]
    times = ctx.ticks(len(path))
    yield OrderJudged(
        order_id=order.order_id,
        path=path,
        times=times,
        decision=judgment.decision,
        request=submit_request(order, judgment, times[-1]),
        awaits=judgment.awaits,
        decide_by=judgment.decide_by,
        run=judgment.run,
        remember_s=judgment.remember_s,
        algo=judgment.algo,
    )
    return OrderResult(order=ctx.state.orders.rows[order.order_id], decision=judgment.decision)


def _too_late(ctx: Context, order: Order) -> OrderCanceled:
    over = "" if order.expires_at is None else format_time(order.expires_at)
    return OrderCanceled(
        order_id=order.order_id,
        path=(State.CANCELED,),
        times=(ctx.tick(),),
        code="EXPIRED_BEFORE_SENDING",
        reason=f"its time was over at {over}, before it was submitted",
    )
