"""Protective stops, in the same step as what calls for them: no fill is booked without its stop, and none has two.

A fill of an entry that asks for it gets a stop; whatever moves a position cuts or cancels the stops that would close
more than is held, and a stop that trades cuts the other orders that would (`closing`). A stop is an order like any
other: the gate judges it, halts stop it, a broker may refuse it. What is left without one is said aloud.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

from ordergate.application.decide.changing import cancel
from ordergate.application.decide.closing import close_dropped, fit_closes, reduced
from ordergate.application.decide.context import Context, Decision, OrderResult
from ordergate.application.decide.creating import create, submit_created
from ordergate.application.decide.submitting import submit
from ordergate.domain.contingencies.events import ProtectionFailed
from ordergate.domain.contingencies.protection import CLOSES, cuts, level, room, will_close
from ordergate.domain.errors import Refused
from ordergate.domain.funds import TaxLotMethod
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders import events as e
from ordergate.domain.orders.commands import (
    CancelOrder,
    CreateOrder,
    SubmitCreated,
    SubmitOrder,
)
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import (
    WORKING,
    OrderType,
    Protection,
    RequestKind,
    State,
    TimeInForce,
)
from ordergate.domain.recon.events import PositionAdjusted

KEY_KIND: Final = "protects"
NOT_REDUCED: Final = "STOP_NOT_REDUCED"
_ACTOR: Final = "ordergate"
_BY_BROKER: Final = "CANCELED_BY_BROKER"
_DONE: Final = (State.FILLED, State.CLOSED)

T = TypeVar("T")
FollowUps = Iterator[Decision[None]]


def protected(ctx: Context, decision: Decision[T]) -> Decision[T]:
    """The decision, and behind it what its events mean for protective stops."""
    follow_ups: list[Decision[None]] = []
    while True:
        try:
            event = next(decision)
        except StopIteration as stop:
            answer: T = stop.value
            break
        look = _LOOKS.get(type(event))
        if look is None:
            yield event
            continue
        before = ctx.state.orders.get(getattr(event, "order_id", ""))
        yield event
        follow_ups += look(ctx, event, before)
    for follow_up in follow_ups:
        yield from follow_up
    return answer


def _executed(
    ctx: Context, event: e.OrderFilled | e.FillCorrected | e.FillBusted, before: Order
) -> FollowUps:
    after = ctx.state.orders.rows[event.order_id]
    more = after.filled_quantity - before.filled_quantity
    if after.protect is Protection.STOP and more < 0:
        yield _fit_to_entry(ctx, after)
    yield _fit(ctx, after.fund_id, after.symbol, after.strategy_id)
    if after.guards and more > 0:
        yield fit_closes(ctx, after)
    if after.protect is Protection.STOP and more > 0:
        yield _protect(ctx, after, more, event.fill.fill_id)
    if after.guards and after.state in _DONE:
        yield _drop_successor(ctx, after)


def _entered(ctx: Context, event: e.OrderEntered, _before: Order | None) -> FollowUps:
    """One that is not made here, such as a refused stop that an override lets through, fits as little for that."""
    order = event.order
    if order.guards:
        yield _fit(ctx, order.fund_id, order.symbol, order.strategy_id)


def _adjusted(ctx: Context, event: PositionAdjusted, _before: Order | None) -> FollowUps:
    if event.trade is not None:
        yield _fit(ctx, event.fund_id, event.trade.symbol)


def _ended(ctx: Context, event: e.OrderEnd, before: Order) -> FollowUps:
    if before.guards and not before.by_broker:
        yield _after_the_end(ctx, event, before)


def _dropped(ctx: Context, event: e.RequestDropped, before: Order) -> FollowUps:
    request = before.request(event.number)
    if not before.guards:
        yield close_dropped(ctx, event, before)
        return
    if request is None:
        return
    if request.kind is RequestKind.REPLACE:
        yield _fit(ctx, before.fund_id, before.symbol, before.strategy_id, may_replace=False)
    elif request.kind is RequestKind.CANCEL:
        yield _still_there(ctx, event)


_LOOKS: Final[Mapping[type, Callable[[Context, Any, Any], FollowUps]]] = {
    e.OrderEntered: _entered,
    e.OrderFilled: _executed,
    e.FillCorrected: _executed,
    e.FillBusted: _executed,
    PositionAdjusted: _adjusted,
    e.OrderCanceled: _ended,
    e.OrderRejected: _ended,
    e.OrderExpired: _ended,
    e.OrderFailed: _ended,
    e.RequestDropped: _dropped,
}


def _protect(ctx: Context, entry: Order, quantity: Decimal, fill_id: str) -> Decision[None]:
    """A stop for what a fill has opened; nothing for what it has only closed."""
    if entry.stop_loss is None:
        return
    side, instrument = CLOSES[entry.side], ctx.state.instruments.rows[entry.symbol]
    fund = ctx.state.funds.rows[entry.fund_id]
    stop = SubmitOrder(
        fund_id=entry.fund_id,
        symbol=entry.symbol,
        side=side,
        quantity=plain(min(quantity, _room(ctx, entry, side=side))),
        order_type=OrderType.STOP,
        key_kind=KEY_KIND,
        key=fill_id,
        tif=TimeInForce.GTC,
        stop_price=level(entry.stop_loss, side, instrument),
        strategy_id=entry.strategy_id,
        broker=entry.broker,
        actor=_ACTOR,
        lots=(fill_id,) if fund.tax_lot_method is TaxLotMethod.SPECIFIC else None,
        parent_order_id=entry.order_id,
        order_manager=entry.order_manager,
    )
    yield from _make(ctx, stop)


def _make(ctx: Context, stop: SubmitOrder) -> Decision[None]:
    """Sends a stop, or creates it where it has to wait; says so where there is none then."""
    if stop.quantity <= 0:
        return
    try:
        if isinstance(stop, CreateOrder):
            result = yield from create(ctx, stop)
        else:
            result = yield from submit(ctx, stop)
    except Refused as refused:
        yield _failed(stop, stop.quantity, refused.code, str(refused))
    else:
        yield from _say_if_refused(result)


def _say_if_refused(result: OrderResult) -> Decision[None]:
    order = result.order
    if order.state is State.REJECTED:
        yield _failed(order, order.quantity, order.reason_code or "", order.reason or "", order.order_id)


def _failed(
    stop: SubmitOrder | Order, quantity: Decimal, code: str, reason: str, stop_id: str | None = None
) -> ProtectionFailed:
    return ProtectionFailed(
        order_id=stop.parent_order_id or "",
        stop_id=stop_id,
        fund_id=stop.fund_id,
        symbol=stop.symbol,
        quantity=quantity,
        stop_price=stop.stop_price or ZERO,
        code=code,
        reason=reason,
    )


def _stops(ctx: Context, fund_id: str, symbol: str) -> list[Order]:
    """The stops of a fund's position that have not ended, oldest first."""
    cell = ctx.state.exposures.cell(fund_id, symbol)
    if cell is None or not cell.guards:
        return []
    stops = [ctx.state.orders.rows[order_id] for order_id in cell.guards]
    return sorted(stops, key=lambda stop: (stop.created_at, stop.order_id))


def _room(ctx: Context, about: Order, side: Any = None) -> Decimal:
    """How much more stops may close of the position that an order, which does not count, is about."""
    cell = ctx.state.exposures.cell(about.fund_id, about.symbol)
    held = ZERO if cell is None else cell.held
    others = [s for s in _stops(ctx, about.fund_id, about.symbol) if s.order_id != about.order_id]
    return room(held, side or about.side, others)


def _fit(
    ctx: Context, fund_id: str, symbol: str, strategy_id: str | None = None, *, may_replace: bool = True
) -> Decision[None]:
    """Cuts the stops that would close more than is held: those of the strategy that has closed some of it first."""
    stops = sorted(_stops(ctx, fund_id, symbol), key=lambda stop: stop.strategy_id == strategy_id)
    for side in {stop.side: None for stop in stops}:
        cell = ctx.state.exposures.cell(fund_id, symbol)
        over = -room(ZERO if cell is None else cell.held, side, stops)
        yield from _cut(ctx, [stop for stop in stops if stop.side is side], over, may_replace=may_replace)


def _fit_to_entry(ctx: Context, entry: Order) -> Decision[None]:
    """Cuts the stops of an entry that would close more than it has filled: a broker has taken back some of that."""
    own = [s for s in _stops(ctx, entry.fund_id, entry.symbol) if s.parent_order_id == entry.order_id]
    over = sum((will_close(stop) for stop in own), ZERO) - entry.filled_quantity
    yield from _cut(ctx, own, over, may_replace=True)


def _cut(ctx: Context, stops: list[Order], excess: Decimal, *, may_replace: bool) -> Decision[None]:
    for stop, keep in cuts(stops, excess):
        if not keep:
            yield from _withdraw(ctx, stop)
        elif not (may_replace and (yield from reduced(ctx, stop, keep))):
            yield from _succeed(ctx, stop, keep)


def _withdraw(ctx: Context, stop: Order) -> Decision[bool]:
    """Cancels a stop; says so where it cannot be asked for."""
    try:
        yield from cancel(ctx, CancelOrder(order_id=stop.order_id))
    except Refused as refused:
        yield _failed(stop, will_close(stop), NOT_REDUCED, str(refused), stop.order_id)
        return False
    return True


def _succeed(ctx: Context, stop: Order, keep: Decimal) -> Decision[None]:
    """Another, smaller stop in place of one: it is only created while that may still trade, and sent at its end."""
    works = stop.state in WORKING
    waits_for = stop.retry_of if stop.state is State.CREATED else stop.order_id
    if not (yield from _withdraw(ctx, stop)):
        return
    kind = CreateOrder if works or stop.state is State.CREATED else SubmitOrder
    yield from _make(ctx, _like(kind, stop, keep, waits_for))


def _like(kind: type[SubmitOrder], stop: Order, quantity: Decimal, retry_of: str | None) -> SubmitOrder:
    return kind(
        fund_id=stop.fund_id,
        symbol=stop.symbol,
        side=stop.side,
        quantity=quantity,
        order_type=stop.order_type,
        key_kind=KEY_KIND,
        key=f"{stop.order_id}/rest-{stop.request_count}",
        tif=stop.tif,
        stop_price=stop.stop_price,
        strategy_id=stop.strategy_id,
        broker=stop.broker,
        actor=stop.actor,
        lots=stop.lots,
        retry_of=retry_of,
        parent_order_id=stop.parent_order_id,
        order_manager=stop.order_manager,
    )


def _successors(ctx: Context, stop: Order) -> list[Order]:
    """The stop, if any, that waits for the end of another."""
    stops = _stops(ctx, stop.fund_id, stop.symbol)
    return [one for one in stops if one.state is State.CREATED and one.retry_of == stop.order_id]


def _drop_successor(ctx: Context, stop: Order) -> Decision[None]:
    for successor in _successors(ctx, stop):
        yield from _withdraw(ctx, successor)


def _after_the_end(ctx: Context, event: e.OrderEnd, stop: Order) -> Decision[None]:
    """Sends what waited for a stop's end; where nothing did and nobody asked for it, says that it is gone."""
    successors = _successors(ctx, stop)
    for successor in successors:
        yield from _send(ctx, successor)
    if successors or (isinstance(event, e.OrderCanceled) and event.code != _BY_BROKER):
        return
    bare = min(will_close(stop), _room(ctx, stop))
    if bare > 0:
        yield _failed(stop, bare, event.code, event.reason or "it does not say why", stop.order_id)


def _send(ctx: Context, successor: Order) -> Decision[None]:
    fits = _room(ctx, successor)
    if fits < successor.quantity:  # the stop before it has traded meanwhile
        if (yield from _withdraw(ctx, successor)):
            yield from _make(ctx, _like(SubmitOrder, successor, fits, successor.retry_of))
        return
    try:
        result = yield from submit_created(ctx, SubmitCreated(successor.order_id))
    except Refused as refused:
        yield _failed(successor, successor.quantity, refused.code, str(refused), successor.order_id)
    else:
        yield from _say_if_refused(result)


def _still_there(ctx: Context, event: e.RequestDropped) -> Decision[None]:
    """A broker does not cancel a stop: it still works, and nothing takes its place."""
    stop = ctx.state.orders.rows[event.order_id]
    yield from _drop_successor(ctx, stop)
    too_much = will_close(stop) - max(_room(ctx, stop), ZERO)
    if stop.state in WORKING and too_much > 0:
        reason = f"its broker does not cancel it: {event.reason or 'it does not say why'}"
        yield _failed(stop, too_much, NOT_REDUCED, reason, stop.order_id)
