"""Parents at work: the child that is due, and what becomes of a parent as its children come to something.

What a child does is journalled for its parent in the same step, behind it, so that no fill of a child is ever missing
from its parent.
"""

from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from ordergate.application.decide.changing import cancel
from ordergate.application.decide.context import Context, Decision
from ordergate.application.decide.expiring import over_at
from ordergate.application.decide.parents import EXPIRED, children_of, ended, parent_of, stop
from ordergate.application.decide.submitting import submit
from ordergate.application.view import View
from ordergate.domain.algos.commands import WorkParent
from ordergate.domain.algos.schedule import Span
from ordergate.domain.algos.working import Due, Work, next_child, next_look
from ordergate.domain.book import Book
from ordergate.domain.errors import Refused
from ordergate.domain.money import ZERO, text
from ordergate.domain.orders import events as e
from ordergate.domain.orders import parent_events as a
from ordergate.domain.orders.commands import CancelOrder, SubmitOrder
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, UNSENT, RequestKind, State
from ordergate.domain.orders.transitions import by_quantity
from ordergate.domain.risk.limits import DEFAULT_QUOTE_AGE_S
from ordergate.domain.risk.splitting import steps_of
from ordergate.domain.times import format_time

KEY_KIND: Final = "slice"
NOT_COMPLETED: Final = "NOT_COMPLETED"
_QUOTE_AGE: Final = timedelta(seconds=DEFAULT_QUOTE_AGE_S)
_WORKED: Final = (State.ACCEPTED, State.SUBMITTED, State.PARTIALLY_FILLED)
_FOR_GOOD: Final = frozenset(
    {
        RiskCode.LIMITS,
        RiskCode.BROKER,
        RiskCode.ORDER_TYPE,
        RiskCode.ASSET_CLASS,
        RiskCode.STRATEGY,
        RiskCode.RESTRICTED,
        RiskCode.SHORTING,
        RiskCode.HALTED,
        RiskCode.REDUCE_ONLY,
    }
)
"""Refusals of a child that end its parent: waiting for the next slice would not help."""

T = TypeVar("T")


def work(ctx: Context, command: WorkParent) -> Decision[datetime | None]:
    """Makes the child that is due, or ends a parent whose time is over; when to look again, None for never.

    Nothing is made twice: which slices were made stands in the parent.
    """
    parent = ctx.state.orders.get(command.order_id)
    if parent is None or not is_worked(parent):
        return None
    over, asked = over_at(ctx.state, ctx.view, parent), work_of(ctx.state, ctx.view, parent)
    if over is not None and over <= ctx.now():
        yield from stop(ctx, parent, EXPIRED, f"its time ended at {format_time(over)}")
        return None
    due = next_child(asked, ctx.now())
    if due is None:
        filled, whole = text(parent.filled_quantity), text(parent.quantity)
        reason = f"{filled} of {whole} were filled when its last slice was over"
        yield from stop(ctx, parent, NOT_COMPLETED, reason)
        return None
    if due.quantity and _has_market(ctx, parent) and not _one_waits(ctx, parent):
        yield from _make(ctx, parent, due)
    following = next_look(asked, ctx.now())
    return None if following is None else following.at


def is_worked(order: Order) -> bool:
    """Whether children of it may still be made."""
    stopped = order.open_request(RequestKind.CANCEL) is not None
    return order.algo is not None and order.state in _WORKED and not stopped


def look_at(state: Book, view: View, parent: Order, now: datetime) -> datetime:
    """When something is due of a parent that is worked: a child, its end, or a look."""
    due, over = next_child(work_of(state, view, parent), now), over_at(state, view, parent)
    at = now if due is None else due.at
    return at if over is None else min(at, over)


def work_of(state: Book, view: View, parent: Order) -> Work:
    """A parent as its algorithm sees it. Its span begins within a session, and ends with its time at the latest.

    Raises:
        ValueError: it is no parent.
    """
    if parent.algo is None:
        raise ValueError(f"order {parent.order_id} is no parent")
    instrument, begins = state.instruments.rows[parent.symbol], parent.accepted_at or parent.created_at
    if view.calendar is not None:
        opening = view.calendar.session_opening(instrument, begins)
        begins = begins if view.calendar.session_end(instrument, begins) <= opening else opening
    over, ends = over_at(state, view, parent), begins + timedelta(seconds=parent.algo.horizon_s)
    return Work(
        quantity=parent.quantity,
        terms=parent.algo,
        span=Span(begins, ends if over is None else max(min(ends, over), begins)),
        steps=steps_of(instrument),
        filled=parent.filled_quantity,
        on_its_way=state.exposures.parents.on_its_way(parent.order_id),
    )


def _has_market(ctx: Context, parent: Order) -> bool:
    """Whether there is a fresh quote: a slice without one waits for the next."""
    quote = ctx.view.quotes.get(parent.symbol)
    if quote is None or quote.bid <= 0 or quote.ask <= 0:
        return False
    return quote.pinned or ctx.now() - quote.time <= _QUOTE_AGE


def _one_waits(ctx: Context, parent: Order) -> bool:
    """Whether a child has not left yet: more of them would all leave at once, when their broker is back."""
    return any(child.state is State.ACCEPTED for child in children_of(ctx, parent.order_id))


def _make(ctx: Context, parent: Order, due: Due) -> Decision[None]:
    """Submits a child; what the gate refuses for good ends the parent."""
    child = SubmitOrder(
        fund_id=parent.fund_id,
        symbol=parent.symbol,
        side=parent.side,
        quantity=due.quantity,
        order_type=parent.order_type,
        key_kind=KEY_KIND,
        key=f"{parent.order_id}/{due.number}",
        tif=parent.tif,
        strategy_id=parent.strategy_id,
        broker=parent.broker,
        actor=parent.actor,
        signal_id=parent.signal_id,
        thesis=parent.thesis,
        entry_price=parent.entry_price,
        stop_loss=parent.stop_loss,
        take_profit=parent.take_profit,
        expires_at=parent.expires_at,
        lots=parent.lots,
        max_slippage_bps=parent.max_slippage_bps,
        max_slippage_pips=parent.max_slippage_pips,
        parent_order_id=parent.order_id,
        order_manager=parent.order_manager,
        slice=due.number,
        operation=parent.operation,
    )
    try:
        result = yield from submit(ctx, child)
    except Refused as refused:  # such as a broker or instrument that is not there any more
        yield from stop(ctx, parent, str(refused.code), str(refused))
        return
    order = result.order
    at_home = order.broker == parent.broker  # another stands in while the parent's is down
    if order.state is State.REJECTED and order.reason_code in _FOR_GOOD and at_home:
        yield from stop(ctx, parent, order.reason_code or "", order.reason)


def followed(ctx: Context, decision: Decision[T]) -> Decision[T]:
    """The decision, and behind it what its events mean for parents and children."""
    if not ctx.state.exposures.parents.any:
        return (yield from decision)
    waiting: list[Decision[None]] = []
    answer = yield from _looked_at(ctx, decision, waiting)
    while waiting:
        yield from _looked_at(ctx, waiting.pop(0), waiting)
    return answer


def _looked_at(ctx: Context, decision: Decision[T], waiting: list[Decision[None]]) -> Decision[T]:
    while True:
        try:
            event = next(decision)
        except StopIteration as stopped:
            answer: T = stopped.value
            return answer
        order_id = event.order_id if isinstance(event, e.OrderEvent) else None
        before = None if order_id is None else ctx.state.orders.get(order_id)
        yield event
        after = None if order_id is None else ctx.state.orders.get(order_id)
        if after is None:
            continue
        if after.slice is not None:
            waiting.append(_child_moved(ctx, before, after))
        elif after.algo is not None:
            waiting.append(_parent_moved(ctx, event, after))


def _child_moved(ctx: Context, before: Order | None, after: Order) -> Decision[None]:
    """What a child's event changes of its parent; its end may be the parent's."""
    parent = parent_of(ctx, after)
    if parent is None or parent.algo is None:
        return
    quantity = after.filled_quantity - (ZERO if before is None else before.filled_quantity)
    value = after.filled_value - (ZERO if before is None else before.filled_value)
    path = _path(parent, after, parent.filled_quantity + quantity)
    if before is None or path or quantity or value:
        yield a.ChildMoved(
            order_id=parent.order_id,
            path=path,
            times=ctx.ticks(len(path)),
            child_id=after.order_id,
            slice=after.slice if before is None else None,
            quantity=quantity,
            value=value,
        )
    if after.state in TERMINAL:
        yield from _settle(ctx, parent.order_id)


def _path(parent: Order, child: Order, filled: Any) -> tuple[State, ...]:
    """The states that a parent comes to: sent with its first child, filled by the sum of all."""
    if parent.state in TERMINAL or (parent.state in UNSENT and child.submitted_at is None):
        return ()
    path = (State.SUBMITTED,) if parent.state in UNSENT else ()
    reached = by_quantity(filled, parent.quantity)
    return path if reached is (path[-1] if path else parent.state) else (*path, reached)


def _settle(ctx: Context, parent_id: str) -> Decision[None]:
    """Once no child is open: a filled parent is closed, one that makes no more of them has ended."""
    parent = ctx.state.orders.rows[parent_id]
    if parent.state in TERMINAL or ctx.state.exposures.parents.children(parent_id):
        return
    if parent.state is State.FILLED:
        yield e.OrderClosed(order_id=parent_id, path=(State.CLOSED,), times=(ctx.tick(),))
    elif parent.open_request(RequestKind.CANCEL) is not None:
        yield ended(ctx, parent, parent.reason_code or "", parent.reason)


def _parent_moved(ctx: Context, event: Any, parent: Order) -> Decision[None]:
    """Cancels what works of a parent that makes no more children, or is filled without them."""
    if not isinstance(event, (a.WorkStopped, *e.ENDS)) and parent.state is not State.FILLED:
        return
    for child in children_of(ctx, parent.order_id):
        if child.state is not State.FILLED and child.open_request(RequestKind.CANCEL) is None:
            yield from withdraw(ctx, child, parent.reason)


def withdraw(ctx: Context, child: Order, reason: str | None) -> Decision[None]:
    """Cancels a child, as anybody may; what cannot be canceled goes on to its own end."""
    try:
        yield from cancel(ctx, CancelOrder(order_id=child.order_id, reason=reason))
    except Refused:
        return
