"""How an order comes into being: from a request, from a signal, or because it was found at a broker."""

from datetime import datetime
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import asdict, replace

from ordergate.application.decide.context import Context, Decision, OrderResult
from ordergate.application.decide.gate import deadline, judge, others_to_ask
from ordergate.application.decide.moving import check_here
from ordergate.domain.book import Key
from ordergate.domain.errors import Code, Conflict, Defect, Invalid, OrderMoved, Refused
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.commands import (
    AdoptOrder,
    SubmitOrder,
    check_max_slippage,
    check_prices,
    check_time_in_force,
    parse_choice,
)
from ordergate.domain.orders.decision import RiskCode, RiskDecision
from ordergate.domain.orders.events import InstrumentDefined, OrderAdopted, OrderEntered, SignalRefused
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType, Phase, RequestKind, State, TimeInForce
from ordergate.domain.risk.case import Case, Question
from ordergate.domain.risk.throttles import Fingerprint
from ordergate.domain.signals import Signal, SubmitSignal
from ordergate.domain.slippage import max_slippage_of
from ordergate.domain.times import format_time

_REFUSED_PATH = (State.CREATED, State.PENDING_RISK, State.REJECTED)
_ASKED_PATH = (State.CREATED, State.PENDING_RISK)
_WAITING_PATH = (State.CREATED, State.PENDING_RISK, State.ACCEPTED)
_SENT_PATH = (*_WAITING_PATH, State.SUBMITTED)
_OF_AN_ORDER = tuple(
    name for name in SubmitOrder.__struct_fields__ if name not in ("key_kind", "key", "order_id", "broker")
)
_read_terms = attrgetter(*_OF_AN_ORDER)


class SignalResult(Struct, frozen=True, kw_only=True):
    """What became of a signal: an order, or a refusal that stands in the journal."""

    order: Order | None = None
    replayed: bool = False
    refusal: Refused | None = None


def submit(ctx: Context, command: SubmitOrder, waived: tuple[RiskCode, ...] = ()) -> Decision[OrderResult]:
    """A new order, as far as it gets; or the one that the same key made before.

    Args:
        waived: refusals of the gate that do not count this time.

    Raises:
        Invalid: the content is wrong.
        Conflict: the key or the order id stands for something else.
    """
    fund = _fund(ctx, command.fund_id)
    fingerprint = command.fingerprint()
    key = ctx.state.keys.get((command.fund_id, command.key_kind, command.key))
    if key is not None and (key.expires_at is None or key.expires_at > ctx.now()):
        return OrderResult(order=_replay(ctx, key, fingerprint), replayed=True)
    instrument, new = _instrument(ctx, command.symbol)
    if new is not None:
        yield new
    _check(ctx, command, fund, instrument)
    order_id = command.order_id or ctx.view.new_order_id()
    if command.order_id is not None and ctx.state.orders.get(order_id) is not None:
        raise Conflict(
            Code.ORDER_ID_TAKEN, f"{order_id!r} is another order's; leave it out or change it", "#/order_id"
        )
    decision, case = judge(
        ctx,
        _question(command, fund),
        fund,
        instrument,
        lambda: ctx.state.traffic.last_made(_same(command)),
        waived,
    )
    awaits = () if decision.code else others_to_ask(case)
    epoch = ctx.view.sessions.get(command.broker or fund.broker)
    path = _path(refused=decision.code is not None, awaits=bool(awaits), session=epoch is not None)
    times = ctx.ticks(len(path))
    order = replace(
        _order(ctx, command, fund, order_id, path, times), reference_price=decision.reference_price
    )  # fmt: skip
    if decision.code:
        order = _refused(order, decision)
    elif awaits:
        order = _with_submit(order, None, Phase.RISK)
        order = replace(order, awaits=awaits, decide_by=deadline(ctx, case, awaits))
    else:
        order = _with_submit(order, epoch)
    yield OrderEntered(
        order_id=order_id,
        path=path,
        times=times,
        order=order,
        key_kind=command.key_kind,
        key=command.key,
        fingerprint=fingerprint,
        key_expires=None if fund.dedupe_window is None else times[0] + fund.dedupe_window,
        decision=decision,
        run=None if decision.code else _run(case),
        remember_s=_remember_s(case),
    )
    return OrderResult(order=order, decision=decision)


def _question(command: SubmitOrder, fund: Fund) -> Question:
    return Question(
        fund_id=command.fund_id,
        symbol=command.symbol,
        side=command.side,
        quantity=command.quantity,
        left=command.quantity,
        order_type=command.order_type,
        broker=command.broker or fund.broker,
        limit_price=command.limit_price,
        stop_price=command.stop_price,
        entry_price=command.entry_price,
        strategy_id=command.strategy_id,
        max_slippage=max_slippage_of(command),
    )


def _same(command: SubmitOrder) -> Fingerprint:
    return (
        command.fund_id, command.symbol, command.side, command.quantity, command.limit_price, command.stop_price,
        command.strategy_id,
    )  # fmt: skip


def _path(*, refused: bool, awaits: bool, session: bool) -> tuple[State, ...]:
    if refused:
        return _REFUSED_PATH
    if awaits:
        return _ASKED_PATH
    return _SENT_PATH if session else _WAITING_PATH


def _run(case: Case) -> int | None:
    """Which run of its strategy an order is, where runs are limited."""
    return case.ground.runs + 1 if "max_runs" in case.ground.stated else None


def _remember_s(case: Case) -> int:
    if "duplicate_window_s" not in case.ground.stated:
        return 0
    return max(limits.duplicate_window_s or 0 for _scope, limits in case.levels)


def _fund(ctx: Context, fund_id: str) -> Fund:
    fund = ctx.state.funds.get(fund_id)
    if fund is None:
        check_here(ctx, fund_id)
        known = ", ".join(sorted(ctx.state.funds.rows))
        raise Invalid(Code.UNKNOWN_FUND, f"{fund_id!r} is no fund; there are {known}", "#/fund_id")
    check_here(ctx, fund_id)
    return fund


def _replay(ctx: Context, key: Key, fingerprint: str) -> Order:
    if key.fingerprint != fingerprint:
        detail = (
            f"{key.key!r} was used for order {key.order_id} with other content: a new order needs a new key"
        )
        raise Conflict(Code.KEY_REUSED, detail, f"#/{key.kind}")
    order = ctx.state.orders.get(key.order_id)
    if order is None:
        raise _moved(ctx, key)
    return order


def _moved(ctx: Context, key: Key) -> Exception:
    move = ctx.state.moves.get(key.fund_id)
    if move is None:
        return Defect(f"order {key.order_id} of key {key.key!r} is missing")
    detail = f"{key.key!r} made order {key.order_id} in shard {move.shard}, before the fund came here: read it there"
    return OrderMoved(key.order_id, detail, f"#/{key.kind}")


def _instrument(ctx: Context, symbol: str) -> tuple[Instrument, InstrumentDefined | None]:
    """The instrument, and the event that defines it where the journal does not know it yet."""
    instrument, known = ctx.view.instrument(symbol), ctx.state.instruments.get(symbol)
    if instrument is not None and known is not None:
        return known, None
    if instrument is None:
        detail = f'{symbol!r} is neither built in nor configured: add [instruments."{symbol}"] to the configuration'
        raise Invalid(Code.UNKNOWN_SYMBOL, detail, "#/symbol")
    return instrument, InstrumentDefined(instrument=instrument)


def _check(ctx: Context, command: SubmitOrder, fund: Fund, instrument: Instrument) -> None:
    check_prices(command.order_type, command.limit_price, command.stop_price)
    check_time_in_force(command.order_type, command.tif, command.expires_at)
    check_max_slippage(command.order_type, command.max_slippage_bps, command.max_slippage_pips)
    if command.max_slippage_pips is not None and instrument.pip_size is None:
        detail = f"{command.symbol} is not counted in pips: write max_slippage_bps"
        raise Invalid(Code.BAD_VALUE, detail, "#/max_slippage_pips")
    if command.tif is TimeInForce.GTD and command.expires_at is not None and command.expires_at <= ctx.now():
        detail = f"{format_time(command.expires_at)} is over: a gtd order names a time to come"
        raise Invalid(Code.BAD_VALUE, detail, "#/expires_at")
    instrument.check_quantity(command.quantity)
    if command.limit_price is not None:
        instrument.check_price(command.limit_price, "#/limit_price")
    if command.stop_price is not None:
        instrument.check_price(command.stop_price, "#/stop_price")
    broker = command.broker or fund.broker
    if broker not in ctx.view.brokers:
        known = ", ".join(sorted(ctx.view.brokers))
        raise Invalid(Code.UNKNOWN_BROKER, f"{broker!r} is no broker; there are {known}", "#/broker")


def _order(
    ctx: Context,
    command: SubmitOrder,
    fund: Fund,
    order_id: str,
    path: tuple[State, ...],
    times: tuple[datetime, ...],
) -> Order:
    quote = ctx.view.quotes.get(command.symbol)
    reached = dict(zip(path, times, strict=True))
    return Order(
        **dict(zip(_OF_AN_ORDER, _read_terms(command), strict=True)),
        broker=command.broker or fund.broker,
        order_id=order_id,
        idempotency_key=command.key if command.key_kind == "idempotency_key" else None,
        state=path[-1],
        created_at=times[0],
        updated_at=times[-1],
        accepted_at=reached.get(State.ACCEPTED),
        submitted_at=reached.get(State.SUBMITTED),
        arrival_bid=quote.bid if quote else None,
        arrival_ask=quote.ask if quote else None,
    )


def _refused(order: Order, decision: RiskDecision) -> Order:
    return replace(order, reason_code=decision.code, reason=decision.reason, ended_at=order.updated_at)


def _with_submit(order: Order, epoch: int | None, phase: Phase | None = None) -> Order:
    request = order.next_request(RequestKind.SUBMIT, epoch, order.updated_at)
    if phase is not None:
        request = replace(request, phase=phase)
    return replace(order, requests=(request,), request_count=1, client_id=request.client_id)


def submit_signal(ctx: Context, command: SubmitSignal) -> Decision[SignalResult]:
    """An order from an approved signal; otherwise a refusal, which is journalled.

    Raises:
        OrderMoved: the signal made an order already, in another shard.
    """
    signal = command.signal
    fund_id = signal.fund_id or ctx.view.signals.fund
    try:
        if not signal.approved:
            raise Invalid(Code.SIGNAL_NOT_APPROVED, signal.disapproval or "not approved", "#/approved")
        _check_not_expired(ctx, signal, fund_id)
        result = yield from submit(ctx, _order_of(signal, fund_id, ctx.view.signals.order_type))
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


def _check_not_expired(ctx: Context, signal: Signal, fund_id: str) -> None:
    """A signal whose time is over makes no order; one that made an order in time still stands for it."""
    known = ctx.state.keys.get((fund_id, "signal_id", signal.signal_id)) is not None
    if signal.expires_at is not None and signal.expires_at <= ctx.now() and not known:
        detail = f"{format_time(signal.expires_at)} is over: it came too late"
        raise Invalid(Code.SIGNAL_EXPIRED, detail, "#/expires_at")


def _order_of(signal: Signal, fund_id: str, type_name: str) -> SubmitOrder:
    if signal.quantity is None:
        raise Invalid(Code.MISSING, "is missing: the signal names no quantity", "#/position_size")
    order_type = parse_choice(OrderType, type_name, "#/order_type")
    limit, stop = order_type.has_limit, order_type.has_stop
    return SubmitOrder(
        fund_id=fund_id,
        symbol=signal.symbol,
        side=signal.side,
        quantity=signal.quantity,
        order_type=order_type,
        key_kind="signal_id",
        key=signal.signal_id,
        limit_price=signal.entry_price if limit else None,
        stop_price=signal.entry_price if stop else None,
        strategy_id=signal.strategy_id,
        signal_id=signal.signal_id,
        entry_price=signal.entry_price,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        expires_at=signal.expires_at,
    )


def adopt(ctx: Context, command: AdoptOrder) -> Decision[OrderResult]:
    """An order that works at a broker already.

    Raises:
        Invalid: unknown fund, symbol or broker.
        Conflict: the order id, or the broker's id, is another order's.
    """
    _fund(ctx, command.fund_id)
    _known, new = _instrument(ctx, command.symbol)
    if new is not None:
        yield new
    if command.broker not in ctx.view.brokers:
        raise Invalid(Code.UNKNOWN_BROKER, f"{command.broker!r} is no broker", "#/broker")
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
