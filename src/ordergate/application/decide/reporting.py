"""What a broker's report means for an order.

A report is untrusted: what does not fit becomes a break and changes nothing. A fill that fits is booked
whatever the order's state, once the order can have left.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from ordergate.application.decide.closed_there import adopted, fitted, grown
from ordergate.application.decide.context import Context, Decision, close_if_done, raise_break
from ordergate.application.decide.executing import executed
from ordergate.application.decide.halting import say_if_stopped
from ordergate.application.decide.rerouting import go_on
from ordergate.application.decide.resending import barred, cancel_again, send_again
from ordergate.application.decide.wrong import name_of, report_key, request_of, wrong_report
from ordergate.domain.breaks import BreakKind
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.orders import events as e
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import TERMINAL, Phase, RequestKind, State
from ordergate.domain.orders.transitions import Move, allowed, next_state


def report(ctx: Context, said: r.AnyReport) -> Decision[None]:
    """Journals what a report changes; nothing, where it says what is known."""
    order = find_order(ctx, said) or (yield from adopted(ctx, said))
    if order is None:
        return
    if order.state in (State.CREATED, State.PENDING_RISK):
        yield from _illegal(ctx, order, said)
        return
    wrong = wrong_report(order, said)
    if wrong is not None:
        yield from _strange(ctx, wrong[0], said, wrong[1], order)
        return
    if order.state is State.ACCEPTED and _proves_sent(said):
        yield from _left_after_all(ctx, order, said)
        order = ctx.state.orders.rows[order.order_id]
    if order.by_broker and isinstance(said, r.Executed):
        yield from grown(ctx, order, said)
        order = ctx.state.orders.rows[order.order_id]
    unanswered = order.open_request(RequestKind.SUBMIT) is not None
    yield from _HANDLERS[type(said)](ctx, order, said)
    if unanswered:
        yield from cancel_again(ctx, order.order_id)
    if order.by_broker:
        yield from fitted(ctx, order.order_id)
    yield from close_if_done(ctx, order.order_id)


def find_order(ctx: Context, said: r.AnyReport) -> Order | None:
    """The order that a report is about, if it is ours and at that broker."""
    order_id = None
    if said.client_id is not None:
        order_id = order_id_of(said.client_id)
    elif said.broker_order_id is not None:
        order_id = ctx.state.order_by_broker_id.get((said.broker, said.broker_order_id))
    order = ctx.state.orders.get(order_id) if order_id is not None else None
    if order is None or order.broker != said.broker or order.algo is not None:  # no broker has a parent
        return None
    return order if said.client_id is not None or order.broker_order_id == said.broker_order_id else None


def _illegal(ctx: Context, order: Order, said: r.AnyReport) -> Decision[None]:
    detail = f"{name_of(said)} of an order in state {order.state}"
    yield from _strange(ctx, BreakKind.ILLEGAL_REPORT, said, detail, order)


def _strange(
    ctx: Context, kind: BreakKind, said: r.AnyReport, detail: str, order: Order | None = None
) -> Decision[None]:
    """What changes nothing would be raised again by every delivery: it is known by the report itself."""
    order_id = None if order is None else order.order_id
    yield from raise_break(ctx, kind, said.broker, detail, order_id, key=report_key(kind, said, order_id))


def _proves_sent(said: r.AnyReport) -> bool:
    if isinstance(said, r.Answered):
        return said.outcome is r.Outcome.ACCEPTED
    return isinstance(said, _PROVE_SENT)


def _left_after_all(ctx: Context, order: Order, said: r.AnyReport) -> Decision[None]:
    at = ctx.tick()
    yield e.OrderAcknowledged(
        order_id=order.order_id,
        path=(State.SUBMITTED,),
        times=(at,),
        time=at,
        broker_order_id=said.broker_order_id,
    )
    detail = f"{name_of(said)} of an order that was held to be unsent"
    yield from raise_break(ctx, BreakKind.UNSENT_FILL, order.broker, detail, order.order_id)


def _acknowledged(ctx: Context, order: Order, said: r.AnyReport) -> Decision[None]:
    known = order.acknowledged_at is not None and said.broker_order_id in (None, order.broker_order_id)
    if known and order.open_request(RequestKind.SUBMIT) is None:
        return
    yield e.OrderAcknowledged(order_id=order.order_id, time=ctx.tick(), broker_order_id=said.broker_order_id)


def _working(ctx: Context, order: Order, said: r.Working) -> Decision[None]:
    if order.state in TERMINAL or order.state is State.FILLED:
        done_at = order.ended_at or order.filled_at
        if said.asked_after is not None and done_at is not None and done_at > said.asked_after:
            return  # it may have worked still when the broker looked
        detail = f"it works at the broker, and is {order.state} here"
        yield from _strange(ctx, BreakKind.STILL_WORKING, said, detail, order)
        return
    yield from _present(ctx, order, said)


def _present(ctx: Context, order: Order, said: r.AnyReport) -> Decision[None]:
    """What changes nothing else still says that the order is at the broker."""
    if order.open_request(RequestKind.SUBMIT) is not None:
        yield from _acknowledged(ctx, order, said)


_END_MOVES: Final[Mapping[r.End, tuple[Move, State, type[e.OrderEnd], str]]] = {
    r.End.CANCELED: (Move.CANCEL, State.CANCELED, e.OrderCanceled, "CANCELED_BY_BROKER"),
    r.End.REJECTED: (Move.REJECT, State.REJECTED, e.OrderRejected, "REJECTED_BY_BROKER"),
    r.End.EXPIRED: (Move.EXPIRE, State.EXPIRED, e.OrderExpired, "EXPIRED"),
    r.End.FAILED: (Move.FAIL, State.FAILED, e.OrderFailed, "FAILED_AT_BROKER"),
}


def _ended(ctx: Context, order: Order, said: r.Ended) -> Decision[None]:
    move, target, event, code = _END_MOVES[said.end]
    if order.state is target:
        return
    if order.by_broker and order.state in (State.FILLED, State.CLOSED):
        yield from _confirmed(ctx, order, said)  # no more of it is executed
        return
    if order.state in TERMINAL or order.state is State.FILLED:
        detail = f"the broker says {said.end}, the order is {order.state}; the first end stands"
        yield from _strange(ctx, BreakKind.CONFLICTING_END, said, detail, order)
        return
    if not allowed(order.state, move):
        yield from _illegal(ctx, order, said)
        return
    if said.end is r.End.CANCELED and order.open_request(RequestKind.CANCEL) is not None:
        code = "CANCELED_ON_REQUEST"
    yield event(order_id=order.order_id, path=(target,), times=(ctx.tick(),), code=code, reason=said.reason)  # type: ignore[misc]


def _replaced(ctx: Context, order: Order, said: r.Replaced) -> Decision[None]:
    request = request_of(order, said)
    if request is None:
        yield from _present(ctx, order, said)
        return
    if request.number < order.accepted_number:
        reason = "a later replace was accepted before"
        yield e.RequestDropped(order_id=order.order_id, number=request.number, reason=reason)
        return
    quantity = max(said.quantity or request.quantity or order.quantity, order.filled_quantity)
    path = _by_quantity(order, Move.REPLACE, quantity)
    yield e.OrderReplaced(
        order_id=order.order_id,
        path=path,
        times=ctx.ticks(len(path)),
        number=request.number,
        broker_order_id=said.broker_order_id,
        quantity=quantity,
        limit_price=said.limit_price or request.limit_price,
        stop_price=said.stop_price or request.stop_price,
        completes=said.completes and order.filled_quantity < quantity,
    )
    after = ctx.state.orders.rows[order.order_id]
    # The fill that completes an order may come before the replace that it was done under.
    if (said.completes or order.confirmed) and after.state is State.FILLED and not after.confirmed:
        yield e.OrderConfirmed(order_id=order.order_id)


def _restated(ctx: Context, order: Order, said: r.Restated) -> Decision[None]:
    if not _changes_terms(order, said):
        yield from _present(ctx, order, said)
        return
    if not allowed(order.state, Move.RESTATE):
        yield from _illegal(ctx, order, said)
        return
    filled = order.filled_quantity * said.ratio
    quantity = max(said.quantity or order.quantity, filled)
    target = next_state(order.state, Move.RESTATE, filled, quantity)
    path = () if target is order.state else (target,)
    yield e.OrderRestated(
        order_id=order.order_id,
        path=path,
        times=ctx.ticks(len(path)),
        reason=said.reason,
        quantity=quantity,
        limit_price=said.limit_price,
        stop_price=said.stop_price,
        ratio=said.ratio,
    )


def _changes_terms(order: Order, said: r.Restated) -> bool:
    """Whether a restatement names other terms; one that was delivered before names those that are."""
    named = (said.quantity, said.limit_price, said.stop_price)
    present = (order.quantity, order.limit_price, order.stop_price)
    return any(name is not None and name != have for name, have in zip(named, present, strict=True))


def _by_quantity(order: Order, move: Move, quantity: Any) -> tuple[State, ...]:
    target = next_state(order.state, move, order.filled_quantity, quantity)
    return () if target is order.state else (target,)


def _marked(ctx: Context, order: Order, said: r.Marked) -> Decision[None]:
    if (said.mark in order.marks) != said.on:
        yield e.OrderMarked(order_id=order.order_id, mark=said.mark, on=said.on)
    else:
        yield from _present(ctx, order, said)


def _request_refused(ctx: Context, order: Order, said: r.RequestRefused) -> Decision[None]:
    request = request_of(order, said)
    if request is not None and request.kind is not RequestKind.SUBMIT:
        yield from _refused(ctx, order, request, said.reason)


def _refused(ctx: Context, order: Order, request: Request, reason: str | None) -> Decision[None]:
    """The broker does not do it; of a cancel that says nothing for good before it is known to have the order."""
    submit = order.open_request(RequestKind.SUBMIT)
    if request.kind is RequestKind.CANCEL and submit is not None and submit.phase is not Phase.PARKED:
        if request.phase is Phase.SENT:
            yield _doubted(order, request, Phase.UNKNOWN, reason)
        return
    yield e.RequestDropped(order_id=order.order_id, number=request.number, reason=reason)
    if request.kind is RequestKind.CANCEL:
        yield from say_if_stopped(ctx, order.order_id)


def _confirmed(ctx: Context, order: Order, said: r.Confirmed | r.Ended) -> Decision[None]:
    if order.state is State.FILLED and not order.confirmed:
        yield e.OrderConfirmed(order_id=order.order_id)


def _answered(ctx: Context, order: Order, said: r.Answered) -> Decision[None]:
    request = request_of(order, said)
    if request is None or request.phase is Phase.READY:
        return
    handler = _answered_submit if request.kind is RequestKind.SUBMIT else _answered_change
    yield from handler(ctx, order, request, said)


def _answered_submit(ctx: Context, order: Order, request: Request, said: r.Answered) -> Decision[None]:
    if said.outcome is r.Outcome.ACCEPTED:
        yield from _acknowledged(ctx, order, said)
    elif said.outcome is r.Outcome.REJECTED:
        ended = r.Ended(broker=said.broker, client_id=said.client_id, end=r.End.REJECTED, reason=said.reason)
        yield from _ended(ctx, order, ended)
    elif said.epoch not in (None, request.epoch):
        return  # of a call before the last
    elif said.outcome is r.Outcome.NOT_SENT and not request.repeated:
        yield from _disproved(ctx, order, request, said.reason)
    elif request.phase is Phase.SENT:
        yield _doubted(order, request, Phase.UNKNOWN, said.reason)


def _answered_change(ctx: Context, order: Order, request: Request, said: r.Answered) -> Decision[None]:
    if said.outcome is r.Outcome.REJECTED:
        yield from _refused(ctx, order, request, said.reason)
    elif said.outcome is not r.Outcome.ACCEPTED and request.phase is Phase.SENT:
        yield _doubted(order, request, Phase.UNKNOWN, said.reason)


def _disproved(ctx: Context, order: Order, request: Request, reason: str | None) -> Decision[bool]:
    """The order was never sent: it waits again, unless somebody wants it canceled or it goes on; says whether so."""
    yield e.SendDisproved(
        order_id=order.order_id,
        path=(State.ACCEPTED,),
        times=(ctx.tick(),),
        number=request.number,
        reason=reason,
    )
    if order.open_request(RequestKind.CANCEL) is not None:
        yield e.OrderCanceled(
            order_id=order.order_id,
            path=(State.CANCELED,),
            times=(ctx.tick(),),
            code="CANCELED_BEFORE_SENDING",
        )
        return True
    return (yield from go_on(ctx, order.order_id, reason or "it could not be sent"))


def _doubted(order: Order, request: Request, phase: Phase, reason: str | None) -> e.AnyOrderEvent:
    return e.RequestDoubted(order_id=order.order_id, number=request.number, phase=phase, reason=reason)


def _looked_up(ctx: Context, order: Order, said: r.LookedUp) -> Decision[None]:
    request = request_of(order, said)
    if request is None or request.phase in (Phase.READY, Phase.PARKED):
        return
    here = request.phase is Phase.SENT and request.epoch == ctx.view.sessions.get(order.broker)
    if here or said.epoch not in (None, request.epoch):
        return  # sent (again) since: what was looked up came before it
    absent = said.finding is r.Finding.ABSENT
    repeatable = said.finding is r.Finding.REPEATABLE and request.kind is RequestKind.SUBMIT
    bar = _bar(ctx, order) if repeatable else None
    if repeatable and bar is None:
        # It may have arrived: the order stays SUBMITTED.
        yield from send_again(ctx, order, replace(request, repeated=True), State.SUBMITTED)
    elif absent and request.kind is RequestKind.SUBMIT:
        reason = said.reason or "the broker proved that it has no such order"
        if not (yield from _disproved(ctx, order, request, reason)):
            yield from send_again(ctx, order, request, State.ACCEPTED)
    elif said.final or absent or bar is not None:
        yield _doubted(order, request, Phase.PARKED, said.reason)
        why = said.reason or "neither found nor proven absent"
        again = "" if bar is None else f"; it is not sent again, for {bar}"
        detail = f"{request.kind} {request.client_id}: {why}{again}"
        yield from raise_break(ctx, BreakKind.UNRESOLVED, order.broker, detail, order.order_id)
    elif request.phase is Phase.SENT:
        yield _doubted(order, request, Phase.UNKNOWN, said.reason)


def _bar(ctx: Context, order: Order) -> str | None:
    """Why what may have arrived is not sent again."""
    canceled = order.open_request(RequestKind.CANCEL) is not None
    bar = barred(ctx.state, ctx.view, ctx.now(), order)
    return "somebody wants it canceled" if bar is None and canceled else bar


_PROVE_SENT: Final = (r.Acknowledged, r.Working, r.Executed, r.Ended, r.Replaced, r.Restated, r.Marked)
_HANDLERS: Final[Mapping[type, Callable[[Context, Order, Any], Decision[None]]]] = {
    r.Acknowledged: _acknowledged,
    r.Working: _working,
    r.Executed: executed,
    r.Ended: _ended,
    r.Replaced: _replaced,
    r.Restated: _restated,
    r.Marked: _marked,
    r.RequestRefused: _request_refused,
    r.Confirmed: _confirmed,
    r.Answered: _answered,
    r.LookedUp: _looked_up,
}
