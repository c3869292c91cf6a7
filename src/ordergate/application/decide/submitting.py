"""How an order comes into being: from a request, or because it was found at a broker."""

from datetime import datetime
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import asdict, replace

from ordergate.application.decide.context import Context, Decision, OrderResult
from ordergate.application.decide.gate import deadline, judge, others_to_ask
from ordergate.application.decide.moving import check_here
from ordergate.domain.book import Key
from ordergate.domain.contingencies.protection import protection_of
from ordergate.domain.errors import Code, Conflict, Defect, Invalid, OrderMoved
from ordergate.domain.funds import Fund, TaxLotMethod
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.commands import (
    AdoptOrder,
    SubmitOrder,
    check_max_slippage,
    check_prices,
    check_time_in_force,
)
from ordergate.domain.orders.decision import RiskCode, RiskDecision
from ordergate.domain.orders.events import InstrumentDefined, OrderAdopted, OrderEntered
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import Phase, RequestKind, State, TimeInForce
from ordergate.domain.risk.case import Case, Question
from ordergate.domain.risk.throttles import same_as
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
_NOT_OF_GUARDS = (RiskCode.DUPLICATE, RiskCode.REPEATED, RiskCode.ORDER_NOTIONAL, RiskCode.PRICE_COLLAR)
"""Refusals that their entry has passed, level and size: a market that moves since must not leave it bare."""


class Admitted(Struct, frozen=True, gc=False):
    """What a new order is about, with whose fund and instrument; nothing is wrong with its content."""

    fund: Fund
    instrument: Instrument
    fingerprint: str
    order_id: str


class Judgment(Struct, frozen=True, gc=False):
    """How far the gate lets an order go now.

    Attributes:
        path: from CREATED on.
        epoch: of the session that sends it; None where it is not sent yet.
        awaits, decide_by, run, remember_s: as in `OrderEntered` and its order.
    """

    decision: RiskDecision
    path: tuple[State, ...]
    epoch: int | None = None
    awaits: tuple[str, ...] | None = None
    decide_by: datetime | None = None
    run: int | None = None
    remember_s: int = 0


def submit(ctx: Context, command: SubmitOrder, waived: tuple[RiskCode, ...] = ()) -> Decision[OrderResult]:
    """A new order, as far as it gets; or the one that the same key made before.

    Args:
        waived: refusals of the gate that do not count this time.

    Raises:
        Invalid: the content is wrong.
        Conflict: the key or the order id stands for something else.
    """
    new = yield from admit(ctx, command)
    if isinstance(new, OrderResult):
        return new
    judgment = weigh(ctx, command, new.fund, new.instrument, waived)
    decision = judgment.decision
    times = ctx.ticks(len(judgment.path))
    order = new_order(ctx, command, new, judgment.path, times)
    order = replace(order, reference_price=decision.reference_price)
    request = submit_request(order, judgment, times[-1])
    if request is None:
        order = replace(order, reason_code=decision.code, reason=decision.reason, ended_at=times[-1])
    else:
        order = replace(
            order,
            requests=(request,),
            request_count=1,
            client_id=request.client_id,
            awaits=judgment.awaits,
            decide_by=judgment.decide_by,
        )
    yield entered(ctx, command, new, order, judgment.path, times, judgment)
    return OrderResult(order=order, decision=decision)


def admit(ctx: Context, command: SubmitOrder) -> Decision[Admitted | OrderResult]:
    """What a new order is about; or the order that the same key made before.

    Raises:
        Invalid, Conflict: as `submit`.
    """
    fund = known_fund(ctx, command.fund_id)
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
    return Admitted(fund, instrument, fingerprint, order_id)


def weigh(
    ctx: Context,
    wanted: SubmitOrder | Order,
    fund: Fund,
    instrument: Instrument,
    waived: tuple[RiskCode, ...] = (),
) -> Judgment:
    """What the gate says of an order that has not left, and how far it gets with that."""
    asked = _question(ctx, wanted, fund)
    waived = (*waived, *_NOT_OF_GUARDS) if asked.guards else waived
    decision, case = judge(
        ctx, asked, fund, instrument, lambda: ctx.state.traffic.last_made(same_as(wanted)), waived
    )
    remember_s = 0 if asked.guards else _remember_s(case)
    if decision.code:
        return Judgment(decision, _REFUSED_PATH, remember_s=remember_s)
    run, awaits = None if asked.guards else _run(case), others_to_ask(case)
    if awaits:
        until = deadline(ctx, case, awaits)
        return Judgment(decision, _ASKED_PATH, awaits=awaits, decide_by=until, run=run, remember_s=remember_s)
    epoch = ctx.view.opens(asked.broker)
    path = _WAITING_PATH if epoch is None else _SENT_PATH
    return Judgment(decision, path, epoch, run=run, remember_s=remember_s)


def submit_request(order: Order, judgment: Judgment, at: datetime) -> Request | None:
    """The order's submit as the gate lets it: sent, waiting for the session or for other gates; None if refused."""
    if judgment.decision.code:
        return None
    request = order.next_request(RequestKind.SUBMIT, judgment.epoch, at)
    return request if judgment.awaits is None else replace(request, phase=Phase.RISK)


def entered(
    ctx: Context,
    command: SubmitOrder,
    new: Admitted,
    order: Order,
    path: tuple[State, ...],
    times: tuple[datetime, ...],
    judgment: Judgment | None = None,
) -> OrderEntered:
    """The event of an order that comes into being; without a judgment where it is only created."""
    window = ctx.view.signals.window_of(command, new.fund)
    return OrderEntered(
        order_id=order.order_id,
        path=path,
        times=times,
        order=order,
        key_kind=command.key_kind,
        key=command.key,
        fingerprint=new.fingerprint,
        key_expires=None if window is None else times[0] + window,
        decision=None if judgment is None else judgment.decision,
        run=None if judgment is None else judgment.run,
        remember_s=0 if judgment is None else judgment.remember_s,
    )


def _question(ctx: Context, command: SubmitOrder | Order, fund: Fund) -> Question:
    protected = protection_of(command, ctx.view.signals.protect) is not None
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
        guards=command.parent_order_id is not None,
        stop_to_come=command.stop_loss if protected else None,
    )


def _run(case: Case) -> int | None:
    """Which run of its strategy an order is, where runs are limited."""
    return case.ground.runs + 1 if "max_runs" in case.ground.stated else None


def _remember_s(case: Case) -> int:
    if "duplicate_window_s" not in case.ground.stated:
        return 0
    return max(limits.duplicate_window_s or 0 for _scope, limits in case.levels)


def known_fund(ctx: Context, fund_id: str) -> Fund:
    """The fund of that name, which is here.

    Raises:
        Invalid: there is none.
        Conflict: it is in another shard.
    """
    check_here(ctx, fund_id)
    fund = ctx.state.funds.get(fund_id)
    if fund is None:
        known = ", ".join(sorted(ctx.state.funds.rows))
        raise Invalid(Code.UNKNOWN_FUND, f"{fund_id!r} is no fund; there are {known}", "#/fund_id")
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
    if command.lots is not None and fund.tax_lot_method is not TaxLotMethod.SPECIFIC:
        detail = (
            f"fund {fund.fund_id!r} has method {fund.tax_lot_method}: lots are named where it is specific"
        )
        raise Invalid(Code.BAD_VALUE, detail, "#/lots")
    check_broker(ctx, command.broker or fund.broker)


def check_broker(ctx: Context, broker: str) -> None:
    """Raises Invalid unless there is a broker of that name."""
    if broker not in ctx.view.brokers:
        known = ", ".join(sorted(ctx.view.brokers))
        raise Invalid(Code.UNKNOWN_BROKER, f"{broker!r} is no broker; there are {known}", "#/broker")


def new_order(
    ctx: Context,
    command: SubmitOrder,
    new: Admitted,
    path: tuple[State, ...],
    times: tuple[datetime, ...],
) -> Order:
    """The order that has come so far on its path."""
    quote = ctx.view.quotes.get(command.symbol)
    reached = dict(zip(path, times, strict=True))
    return Order(
        **dict(zip(_OF_AN_ORDER, _read_terms(command), strict=True)),
        broker=command.broker or new.fund.broker,
        order_id=new.order_id,
        idempotency_key=command.key if command.key_kind == "idempotency_key" else None,
        state=path[-1],
        created_at=times[0],
        updated_at=times[-1],
        accepted_at=reached.get(State.ACCEPTED),
        submitted_at=reached.get(State.SUBMITTED),
        arrival_bid=quote.bid if quote else None,
        arrival_ask=quote.ask if quote else None,
        protect=protection_of(command, ctx.view.signals.protect),
    )


def adopt(ctx: Context, command: AdoptOrder) -> Decision[OrderResult]:
    """An order that works at a broker already.

    Raises:
        Invalid: unknown fund, symbol or broker.
        Conflict: the order id, or the broker's id, is another order's.
    """
    known_fund(ctx, command.fund_id)
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
