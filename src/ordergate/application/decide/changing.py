"""Cancels, replaces, and the sending of requests that had to wait."""

from msgspec.structs import replace

from ordergate.application.decide.context import (
    Context,
    Decision,
    OrderResult,
    asked_again,
    close_if_done,
    started,
)
from ordergate.application.decide.expiring import expired, over_by
from ordergate.application.decide.gate import APPROVAL, deadline, judge, others_to_ask
from ordergate.application.decide.halting import canceled_by, stopped
from ordergate.application.decide.parents import children_of, stop
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound, quoted
from ordergate.domain.identifiers import MOST_REQUESTS
from ordergate.domain.money import ZERO, text
from ordergate.domain.orders.commands import CancelOrder, Release, ReplaceOrder
from ordergate.domain.orders.decision import RiskCode, RiskDecision
from ordergate.domain.orders.events import (
    AnyOrderEvent,
    GateAnswered,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderSent,
    ReplaceRefused,
    RequestDropped,
    RequestOpened,
)
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import UNSENT, WORKING, Phase, RequestKind, State
from ordergate.domain.orders.transitions import Move, allowed
from ordergate.domain.risk.case import Case, Question
from ordergate.domain.risk.commands import AnswerGate
from ordergate.domain.risk.kill_switch import Halt
from ordergate.domain.risk.limits import shown_scope
from ordergate.domain.risk.reserving import reserved
from ordergate.domain.slippage import arrival_mid, max_slippage_of


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
    if order.algo is not None:
        yield from _cancel_parent(ctx, order, command.reason)
        return _result(ctx, order)
    before = order.open_request(RequestKind.CANCEL)
    if before is None:
        yield from _open(ctx, order, _next(order, RequestKind.CANCEL))
    elif before.phase is Phase.PARKED:
        yield asked_again(ctx, order, before)
    return _result(ctx, order)


def _cancel_parent(ctx: Context, parent: Order, reason: str | None) -> Decision[None]:
    """No more children, and none of those that work; again, where a broker has kept one."""
    if parent.open_request(RequestKind.CANCEL) is None:
        yield from stop(ctx, parent, "CANCELED_ON_REQUEST", reason)
        return
    for child in children_of(ctx, parent.order_id):
        if child.state is not State.FILLED:
            yield from cancel(ctx, CancelOrder(order_id=child.order_id, reason=reason))


def amend(ctx: Context, command: ReplaceOrder) -> Decision[OrderResult]:
    """Asks the broker for new terms.

    Raises:
        NotFound: no such order.
        Invalid: the terms are wrong for the instrument or the type of order.
        Conflict: the order has ended, is not sent yet, was changed since `version`, more than the new quantity
            is filled, another replace of it waits for those who must agree, it is worked in slices, or is one, or
            its broker made it.
    """
    order = _find(ctx, command.order_id)
    if command.version is not None and command.version != order.version:
        detail = (
            f"order {order.order_id} is at version {order.version}, not {command.version}: look again first"
        )
        raise Conflict(Code.ORDER_VERSION, detail, "#/version")
    if not allowed(order.state, Move.REPLACE):
        raise _finished(order, "replaced")
    if order.algo is not None or order.slice is not None:
        detail = f"order {order.order_id} is worked in slices, or is one: cancel it, and make another for what is left"
        raise Conflict(Code.NOT_CHANGEABLE, detail, "#/order_id")
    if order.by_broker:
        detail = f"order {order.order_id} is {order.broker}'s own, which closed by it: nothing of it can be changed"
        raise Conflict(Code.NOT_CHANGEABLE, detail, "#/order_id")
    if not order.operation.is_trade:
        detail = f"order {order.order_id} is a {order.operation}, which is not changed: cancel it and make a new one"
        raise Conflict(Code.BAD_VALUE, detail, "#/order_id")
    if order.awaits:
        waits = f"a replace of order {order.order_id} waits for {', '.join(order.awaits)}: ask again once it does not"
        raise Conflict(Code.REPLACE_WAITS, waits, "#/order_id")
    request = _terms(ctx, order, command)
    decision, case = _judged(ctx, order, request)
    awaits = others_to_ask(case) if case.asks_more else ()
    if decision.code is not None:
        yield ReplaceRefused(
            order_id=order.order_id,
            decision=decision,
            quantity=command.quantity,
            limit_price=command.limit_price,
            stop_price=command.stop_price,
        )
    elif awaits:
        yield RequestOpened(
            order_id=order.order_id,
            request=replace(request, phase=Phase.RISK),
            decision=decision,
            awaits=awaits,
            decide_by=deadline(ctx, case, awaits),
        )
    else:
        yield from _open(ctx, order, request, decision)
    return OrderResult(order=ctx.state.orders.rows[order.order_id], decision=decision)


def _judged(ctx: Context, order: Order, request: Request) -> tuple[RiskDecision, Case]:
    """What the gate says of the order as it would be."""
    quantity = order.quantity if request.quantity is None else request.quantity
    asked = Question(
        fund_id=order.fund_id,
        symbol=order.symbol,
        side=order.side,
        quantity=quantity,
        left=max(quantity - order.filled_quantity, ZERO),
        order_type=order.order_type,
        broker=order.broker,
        limit_price=order.limit_price if request.limit_price is None else request.limit_price,
        stop_price=order.stop_price if request.stop_price is None else request.stop_price,
        entry_price=order.entry_price,
        strategy_id=order.strategy_id,
        counted=reserved(order),
        is_new=False,
        max_slippage=max_slippage_of(order),
        arrival=arrival_mid(order),
        guards=order.guards,
        operation=order.operation,
    )
    fund, instrument = ctx.state.funds.rows[order.fund_id], ctx.state.instruments.rows[order.symbol]
    return judge(ctx, asked, fund, instrument)


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


def answer_gate(ctx: Context, command: AnswerGate) -> Decision[OrderResult]:
    """What an external gate or a person says of an order that waits for it; the last that agrees lets it go on.

    Raises:
        NotFound: no such order.
        Conflict: it does not wait for that.
    """
    order = _find(ctx, command.order_id)
    request = order.request(command.number)
    if request is None or request.phase is not Phase.RISK or command.gate not in (order.awaits or ()):
        detail = f"order {order.order_id} ({order.state}) does not wait for {quoted(command.gate)}"
        raise Conflict(Code.NOT_AWAITED, detail, "#/order_id")
    is_submit = request.kind is RequestKind.SUBMIT
    last = command.approved and order.awaits == (command.gate,)
    path = (State.ACCEPTED,) if last and is_submit else ()
    yield GateAnswered(
        order_id=order.order_id,
        path=path,
        times=ctx.ticks(len(path)),
        gate=command.gate,
        approved=command.approved,
        number=command.number,
        reason=command.reason,
        timed_out=command.timed_out,
    )
    if not command.approved:
        yield _not_approved(ctx, order, request, command)
        yield from close_if_done(ctx, order.order_id)
    elif last:
        yield from release(ctx, Release(order_id=order.order_id, number=request.number))
    return _result(ctx, order)


def _not_approved(ctx: Context, order: Order, request: Request, command: AnswerGate) -> AnyOrderEvent:
    person = command.gate == APPROVAL
    if command.timed_out:
        reason = command.reason or f"{command.gate} did not answer in time"
    else:
        reason = command.reason or f"{command.gate} refused it"
    if request.kind is not RequestKind.SUBMIT:
        return RequestDropped(order_id=order.order_id, number=request.number, reason=reason)
    times = (ctx.tick(),)
    if person and command.timed_out:
        return OrderExpired(
            order_id=order.order_id,
            path=(State.EXPIRED,),
            times=times,
            code="APPROVAL_EXPIRED",
            reason="nobody approved it in time",
        )
    code = RiskCode.NOT_APPROVED if person else RiskCode.GATE
    return OrderRejected(
        order_id=order.order_id, path=(State.REJECTED,), times=times, code=code, reason=reason
    )


def release(ctx: Context, command: Release) -> Decision[None]:
    """Sends a request that waited for the session, or that is safe to send again; else does nothing."""
    order = ctx.state.orders.get(command.order_id)
    request = order.request(command.number) if order else None
    if order is None or request is None:
        return
    epoch = ctx.view.sessions.get(order.broker)
    if (
        epoch is None
        or order.algo is not None  # of a parent nothing leaves
        or request.phase is Phase.RISK
        or (request.phase is Phase.SENT and request.epoch == epoch)
    ):
        return
    halt = None if request.kind is RequestKind.CANCEL else stopped(ctx.state, order)
    if halt is not None:
        yield from _held_back(ctx, order, request, halt)
    elif request.kind is not RequestKind.SUBMIT:
        if order.overtaken(request):
            reason = "a later replace was sent before this one could be sent again"
            yield RequestDropped(order_id=order.order_id, number=request.number, reason=reason)
            yield from close_if_done(ctx, order.order_id)
        elif allowed(order.state, Move.REQUEST):
            yield from _open(ctx, order, request)
    elif (
        request.phase is Phase.READY
        and order.state is State.ACCEPTED
        and ctx.view.opens(order.broker) == epoch
    ):
        over = over_by(ctx.state, ctx.view, ctx.now(), order)
        if over is not None:
            yield expired(ctx, order, over)
            return
        at = ctx.tick()
        sent = started(request, epoch, at)
        yield OrderSent(order_id=order.order_id, path=(State.SUBMITTED,), times=(at,), request=sent)


def _held_back(ctx: Context, order: Order, request: Request, halt: Halt) -> Decision[None]:
    """What a halt makes of a request that has not left: it never will."""
    if request.kind is not RequestKind.SUBMIT:
        reason = f"{shown_scope(halt.scope)} is halted"
        yield RequestDropped(order_id=order.order_id, number=request.number, reason=reason)
        yield from close_if_done(ctx, order.order_id)
    elif order.state is State.ACCEPTED:
        yield canceled_by(ctx, order, halt)


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


def _open(
    ctx: Context, order: Order, request: Request, decision: RiskDecision | None = None
) -> Decision[None]:
    request = started(request, ctx.view.sessions.get(order.broker), ctx.tick())
    yield RequestOpened(order_id=order.order_id, request=request, decision=decision)
