"""Cancels, replaces, and the sending of requests that had to wait."""

from msgspec.structs import replace

from ordergate.application.decide.context import Context, Decision, OrderResult, close_if_done, started
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound, quoted
from ordergate.domain.identifiers import MOST_REQUESTS
from ordergate.domain.money import text
from ordergate.domain.orders.commands import CancelOrder, Release, ReplaceOrder
from ordergate.domain.orders.events import OrderCanceled, OrderSent, RequestDropped, RequestOpened
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import UNSENT, WORKING, Phase, RequestKind, State
from ordergate.domain.orders.transitions import Move, allowed


def cancel(ctx: Context, command: CancelOrder) -> Decision[OrderResult]:
    """Cancels an order that was never sent; asks the broker about any other.

    Raises:
        NotFound: no such order.
        Conflict: it is filled or ended.
    """
    order = _find(ctx, command.order_id)
    if order.state in UNSENT:
        times = (ctx.tick(),)
        yield OrderCanceled(
            order_id=order.order_id,
            path=(State.CANCELED,),
            times=times,
            code="CANCELED_BEFORE_SENDING",
            reason=command.reason,
        )
        return _result(ctx, order)
    if order.state not in WORKING:
        raise _finished(order, "canceled")
    if order.open_request(RequestKind.CANCEL) is None:
        yield from _open(ctx, order, _next(order, RequestKind.CANCEL))
    return _result(ctx, order)


def amend(ctx: Context, command: ReplaceOrder) -> Decision[OrderResult]:
    """Asks the broker for new terms.

    Raises:
        NotFound: no such order.
        Invalid: the terms are wrong for the instrument or the type of order.
        Conflict: the order has ended, is not sent yet, was changed since `version`, or more than the new
            quantity is filled.
    """
    order = _find(ctx, command.order_id)
    if command.version is not None and command.version != order.version:
        detail = (
            f"order {order.order_id} is at version {order.version}, not {command.version}: look again first"
        )
        raise Conflict(Code.ORDER_VERSION, detail, "#/version")
    if not allowed(order.state, Move.REPLACE):
        raise _finished(order, "replaced")
    request = _terms(ctx, order, command)
    yield from _open(ctx, order, request)
    return _result(ctx, order)


def _terms(ctx: Context, order: Order, command: ReplaceOrder) -> Request:
    instrument = ctx.state.instruments.rows[order.symbol]
    if command.quantity is not None:
        instrument.check_quantity(command.quantity)
        if command.quantity < order.filled_quantity:
            filled = text(order.filled_quantity)
            detail = (
                f"{text(command.quantity)} is below the {filled} that are filled: cancel the rest instead"
            )
            raise Conflict(Code.BELOW_FILLED, detail, "#/quantity")
    for pointer, price, has in (
        ("#/limit_price", command.limit_price, order.order_type.has_limit),
        ("#/stop_price", command.stop_price, order.order_type.has_stop),
    ):
        if price is not None and not has:
            raise Invalid(Code.PRICE_UNEXPECTED, f"a {order.order_type} order has none", pointer)
        if price is not None:
            instrument.check_price(price, pointer)
    wanted = (command.quantity, command.limit_price, command.stop_price)
    present = (order.quantity, order.limit_price, order.stop_price)
    if all(want is None or want == have for want, have in zip(wanted, present, strict=True)):
        raise Invalid(Code.NOTHING_TO_CHANGE, "name a quantity, limit_price or stop_price that differs", None)
    return replace(
        _next(order, RequestKind.REPLACE),
        quantity=command.quantity,
        limit_price=command.limit_price,
        stop_price=command.stop_price,
    )


def release(ctx: Context, command: Release) -> Decision[None]:
    """Sends a request that waited for the session, or that is safe to send again; else does nothing."""
    order = ctx.state.orders.get(command.order_id)
    request = order.request(command.number) if order else None
    if order is None or request is None:
        return
    epoch = ctx.view.sessions.get(order.broker)
    if epoch is None or (request.phase is Phase.SENT and request.epoch == epoch):
        return
    if request.kind is not RequestKind.SUBMIT:
        if order.overtaken(request):
            reason = "a later replace was sent before this one could be sent again"
            yield RequestDropped(order_id=order.order_id, number=request.number, reason=reason)
            yield from close_if_done(ctx, order.order_id)
        elif allowed(order.state, Move.REQUEST):
            yield from _open(ctx, order, request)
    elif request.phase is Phase.READY and order.state is State.ACCEPTED:
        at = ctx.tick()
        sent = started(request, epoch, at)
        yield OrderSent(order_id=order.order_id, path=(State.SUBMITTED,), times=(at,), request=sent)


def _find(ctx: Context, order_id: str) -> Order:
    order = ctx.state.orders.get(order_id)
    if order is None:
        raise NotFound(Code.ORDER_NOT_FOUND, f"there is no order {quoted(order_id)}", "#/order_id")
    return order


def _result(ctx: Context, order: Order) -> OrderResult:
    return OrderResult(order=ctx.state.orders.rows[order.order_id])


def _finished(order: Order, verb: str) -> Conflict:
    why = "has not been sent yet" if order.state in UNSENT else f"is {order.state}"
    return Conflict(Code.ORDER_FINISHED, f"order {order.order_id} {why} and cannot be {verb}", "#/order_id")


def _next(order: Order, kind: RequestKind) -> Request:
    if order.request_count >= MOST_REQUESTS:
        detail = f"order {order.order_id} has had {MOST_REQUESTS} requests: cancel it and make a new one"
        raise Conflict(Code.TOO_MANY_REQUESTS, detail, "#/order_id")
    return order.next_request(kind)


def _open(ctx: Context, order: Order, request: Request) -> Decision[None]:
    request = started(request, ctx.view.sessions.get(order.broker), ctx.tick())
    yield RequestOpened(order_id=order.order_id, request=request)
