"""What becomes of a signal: an order, sent or only created, or a refusal that stands in the journal."""

from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import asdict

from ordergate.application.decide.context import Context, Decision, OrderResult
from ordergate.application.decide.creating import create
from ordergate.application.decide.submitting import submit
from ordergate.domain.book import Key
from ordergate.domain.errors import Code, Invalid, OrderMoved, Refused
from ordergate.domain.orders.commands import CreateOrder, SubmitOrder, parse_choice
from ordergate.domain.orders.events import SignalRefused
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType
from ordergate.domain.signals import CreateFromSignal, Signal, SubmitSignal
from ordergate.domain.times import format_time


class SignalResult(Struct, frozen=True, kw_only=True):
    """What became of a signal: an order, or a refusal that stands in the journal."""

    order: Order | None = None
    replayed: bool = False
    refusal: Refused | None = None


def submit_signal(ctx: Context, command: SubmitSignal) -> Decision[SignalResult]:
    """An order from an approved signal; otherwise a refusal, which is journalled.

    Raises:
        OrderMoved: the signal made an order already, in another shard.
    """
    return (yield from _order_from(ctx, command.signal, None, submit))


def create_from_signal(ctx: Context, command: CreateFromSignal) -> Decision[SignalResult]:
    """The same, but the order is only created.

    Raises:
        OrderMoved: the signal made an order already, in another shard.
    """
    return (yield from _order_from(ctx, command.signal, command.order_type, _created))


def _created(ctx: Context, order: SubmitOrder) -> Decision[OrderResult]:
    return create(ctx, CreateOrder(**asdict(order)))


def _order_from(
    ctx: Context,
    signal: Signal,
    type_name: str | None,
    make: Callable[[Context, SubmitOrder], Decision[OrderResult]],
) -> Decision[SignalResult]:
    fund_id = signal.fund_id or ctx.view.signals.fund
    try:
        if not signal.approved:
            raise Invalid(Code.SIGNAL_NOT_APPROVED, signal.disapproval or "not approved", "#/approved")
        key = ctx.state.keys.get((fund_id, *ctx.view.signals.key_of(signal)))
        if key is None:
            _check_not_expired(ctx, signal)
            signal.check_levels()
        result = yield from make(ctx, _order_of(ctx, signal, fund_id, type_name, _order_before(ctx, key)))
    except OrderMoved:
        raise
    except Refused as refused:
        yield SignalRefused(
            signal_id=signal.signal_id,
            symbol=signal.symbol,
            code=refused.code,
            reason=str(refused),
            fund_id=fund_id,
        )
        return SignalResult(refusal=refused)
    return SignalResult(order=result.order, replayed=result.replayed)


def _check_not_expired(ctx: Context, signal: Signal) -> None:
    """A signal whose time is over makes no order; one that made an order in time still stands for it."""
    if signal.expires_at is not None and signal.expires_at <= ctx.now():
        detail = f"{format_time(signal.expires_at)} is over: it came too late"
        raise Invalid(Code.SIGNAL_EXPIRED, detail, "#/expires_at")


def _order_before(ctx: Context, key: Key | None) -> Order | None:
    """What the signal made before: what is configured since then makes no other order of it."""
    if key is None or (key.expires_at is not None and key.expires_at <= ctx.now()):
        return None
    return ctx.state.orders.get(key.order_id)


def _order_of(
    ctx: Context, signal: Signal, fund_id: str, type_name: str | None, before: Order | None
) -> SubmitOrder:
    if signal.quantity is None:
        raise Invalid(Code.MISSING, "is missing: the signal names no quantity", "#/position_size")
    configured = ctx.view.signals.order_type if before is None else before.order_type
    order_type = parse_choice(OrderType, configured if type_name is None else type_name, "#/order_type")
    limit, stop = order_type.has_limit, order_type.has_stop
    kind, key = ctx.view.signals.key_of(signal)
    return SubmitOrder(
        fund_id=fund_id,
        symbol=signal.symbol,
        side=signal.side,
        quantity=signal.quantity,
        order_type=order_type,
        key_kind=kind,
        key=key,
        limit_price=signal.entry_price if limit else None,
        stop_price=signal.entry_price if stop else None,
        strategy_id=signal.strategy_id,
        order_manager=signal.order_manager,
        signal_id=signal.signal_id,
        entry_price=signal.entry_price,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        expires_at=signal.expires_at,
        max_slippage_pips=_borne(ctx, signal.symbol, order_type)
        if before is None
        else before.max_slippage_pips,
    )


def _borne(ctx: Context, symbol: str, order_type: OrderType) -> Decimal | None:
    """The slippage that signals' orders bear, as far as an order of that type and instrument can say it."""
    instrument = ctx.view.instrument(symbol)
    if order_type.has_stop or instrument is None or instrument.pip_size is None:
        return None
    return ctx.view.signals.max_slippage_pips
