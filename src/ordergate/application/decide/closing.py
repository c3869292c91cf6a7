"""Orders that close a position beside its stops: when a stop has traded, they close no more than is left.

Of stops and other orders on the same side the gate counts only the larger, as stops give way to a close. Here a close
gives way to a stop: what it could fill beyond what is held, and the gate would not let through by itself, is taken off.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from msgspec.structs import replace

from ordergate.application.decide.changing import amend, cancel
from ordergate.application.decide.context import Context, Decision
from ordergate.application.decide.gate import judge
from ordergate.application.decide.parents import children_of, overridden
from ordergate.domain.contingencies.events import CloseCut
from ordergate.domain.contingencies.protection import cuts, will_close
from ordergate.domain.errors import Refused
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders import events as e
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder
from ordergate.domain.orders.decision import RiskCode, RiskRefusal
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import WORKING, RequestKind, Side
from ordergate.domain.risk.case import Question
from ordergate.domain.risk.conduct_checks import kill_switch, shorting
from ordergate.domain.risk.exposure_checks import position

T = TypeVar("T")

NOT_CUT: Final = "CLOSE_NOT_CUT"
_OPENS: Final = (position, shorting, kill_switch)
"""The checks that say whether a position may be opened, or become larger."""


def fit_closes(ctx: Context, about: Order, *, may_replace: bool = True) -> Decision[None]:
    """Cuts or cancels the orders on an order's side, the newest first, that would open what the gate does not let."""
    closes = _closes(ctx, about.fund_id, about.symbol, about.side)
    over = sum(map(will_close, closes), ZERO) - _held(ctx, about)
    for order, keep in cuts(closes, over):
        refusal = _refused(ctx, order)
        if refusal is None:
            continue
        too_much = plain(will_close(order) - keep)
        if not (keep and may_replace and (yield from _cutting(reduced(ctx, order, keep)))):
            keep = ZERO
            try:
                yield from _cutting(cancel(ctx, CancelOrder(order_id=order.order_id, reason=refusal.reason)))
            except Refused as refused:
                yield _cut(order, too_much, None, NOT_CUT, str(refused))
                continue
        yield _cut(order, too_much, keep, refusal.code, refusal.reason)


def close_dropped(ctx: Context, event: e.RequestDropped, before: Order) -> Decision[None]:
    """A broker does not make such an order smaller: it is canceled; nor cancel it: somebody is told."""
    request, order = before.request(event.number), ctx.state.orders.rows[event.order_id]
    if request is None or not request.cuts or order.state not in WORKING:
        return
    if request.kind is RequestKind.REPLACE:
        yield from fit_closes(ctx, order, may_replace=False)
    else:
        closes = _closes(ctx, order.fund_id, order.symbol, order.side)
        over = min(sum(map(will_close, closes), ZERO) - _held(ctx, order), will_close(order))
        if over > 0 and _refused(ctx, order) is not None:
            reason = f"its broker does not cancel it: {event.reason or 'it does not say why'}"
            yield _cut(order, plain(over), None, NOT_CUT, reason)


def reduced(ctx: Context, order: Order, keep: Decimal) -> Decision[bool]:
    """Asks the broker for a smaller order, where it changes orders and the gate lets it."""
    if order.state not in WORKING or not ctx.view.replaces(order.broker):
        return False
    try:
        change = ReplaceOrder(order_id=order.order_id, quantity=plain(order.filled_quantity + keep))
        result = yield from amend(ctx, change)
    except Refused:
        return False
    return result.decision is None or result.decision.code is None


def _cutting(decision: Decision[T]) -> Decision[T]:
    """The decision; its requests bear what they are for."""
    while True:
        try:
            event = next(decision)
        except StopIteration as stop:
            answer: T = stop.value
            return answer
        if isinstance(event, e.RequestOpened):
            event = replace(event, request=replace(event.request, cuts=True))
        yield event


def _held(ctx: Context, about: Order) -> Decimal:
    """What orders of that side can close of the position."""
    cell = ctx.state.exposures.cell(about.fund_id, about.symbol)
    return ZERO if cell is None else max(-about.side.sign * cell.held, ZERO)


def _closes(ctx: Context, fund_id: str, symbol: str, side: Side) -> list[Order]:
    """The fund's orders of a symbol on a side that may still trade and are no stops of its position, oldest first."""
    cell = ctx.state.exposures.cell(fund_id, symbol)
    if cell is None or not (cell.selling if side.sign < 0 else cell.buying):
        return []
    rows = ctx.state.orders.rows
    found = [rows[order_id] for order_id in ctx.state.open_orders.closing(fund_id, symbol, side.sign)]
    return sorted(found, key=lambda order: (order.created_at, order.order_id))


def _refused(ctx: Context, order: Order) -> RiskRefusal | None:
    """Why the gate would not let an order open anything now, with what is left of it, if it were not there yet."""
    fund, instrument = ctx.state.funds.rows[order.fund_id], ctx.state.instruments.rows[order.symbol]
    waived = (RiskCode.HALTED, *overridden(ctx, order))  # a halt cancels by itself

    def look() -> RiskRefusal | None:
        _decision, case = judge(ctx, _as_new(order), fund, instrument)
        said = (check(case) for check in _OPENS)
        return next((one for one in said if one is not None and one.code not in waived), None)

    return _without(ctx, [order, *children_of(ctx, order.order_id)], look)


def _without(ctx: Context, orders: Sequence[Order], look: Callable[[], T]) -> T:
    """What a look finds during which none of the orders counts: a parent before its children."""
    if not orders:
        return look()
    return ctx.state.exposures.without(orders[0], lambda: _without(ctx, orders[1:], look))


def _as_new(order: Order) -> Question:
    return Question(
        fund_id=order.fund_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        left=will_close(order),
        order_type=order.order_type,
        broker=order.broker,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        entry_price=order.entry_price,
        strategy_id=order.strategy_id,
        is_new=False,
    )


def _cut(order: Order, too_much: Decimal, keep: Decimal | None, code: str, reason: str) -> CloseCut:
    return CloseCut(
        order_id=order.order_id,
        fund_id=order.fund_id,
        symbol=order.symbol,
        quantity=too_much,
        keep=keep,
        code=code,
        reason=reason,
    )
