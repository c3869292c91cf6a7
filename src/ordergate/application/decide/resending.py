"""Sending a submit, or a cancel, once more: whether that may be, and doing it."""

from datetime import datetime

from ordergate.application.decide.context import Context, Decision, asked_again, started
from ordergate.application.decide.expiring import expired, over_by
from ordergate.application.decide.halting import canceled_by, stopped
from ordergate.application.view import View
from ordergate.domain.book import Book
from ordergate.domain.orders import events as e
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import TERMINAL, Phase, RequestKind, State
from ordergate.domain.risk.limits import shown_scope
from ordergate.domain.times import format_time


def barred(state: Book, view: View, now: datetime, order: Order) -> str | None:
    """Why nothing more of an order may leave: a halt, or the end of its time; None where something may."""
    halt = stopped(state, order)
    if halt is not None:
        return f"{shown_scope(halt.scope)} is halted"
    over = over_by(state, view, now, order)
    return None if over is None else f"its time ended at {format_time(over)}"


def send_again(ctx: Context, order: Order, request: Request, state: State) -> Decision[None]:
    """Sends a submit once more, where the session is up and the order in that state."""
    epoch = ctx.view.opens(order.broker)
    present = ctx.state.orders.rows[order.order_id]
    if epoch is None or present.state is not state:
        return
    halt = stopped(ctx.state, present)
    if halt is not None:
        if state is State.ACCEPTED:
            yield canceled_by(ctx, present, halt)
        return
    over = over_by(ctx.state, ctx.view, ctx.now(), present) if state is State.ACCEPTED else None
    if over is not None:
        yield expired(ctx, present, over)
        return
    at = ctx.tick()
    sent = started(request, epoch, at)
    yield e.OrderSent(order_id=order.order_id, path=(State.SUBMITTED,), times=(at,), request=sent)


def cancel_again(ctx: Context, order_id: str) -> Decision[None]:
    """Of an order that is known to be there only now: a cancel that may have come before it did is asked for anew."""
    order = ctx.state.orders.rows[order_id]
    cancel, submit = order.open_request(RequestKind.CANCEL), order.open_request(RequestKind.SUBMIT)
    if submit is not None or order.state in (*TERMINAL, State.FILLED):
        return
    if cancel is not None and cancel.phase in (Phase.UNKNOWN, Phase.PARKED):
        yield asked_again(ctx, order, cancel)
