"""How an order comes into being from a request."""

from datetime import datetime
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from ordergate.application.decide.context import Context, Decision, OrderResult
from ordergate.application.decide.gate import deadline, judge, others_to_ask
from ordergate.application.decide.moving import check_here
from ordergate.application.decide.naming import check_broker, known_instrument, where_to
from ordergate.application.decide.parents import as_child, overridden, parent_of
from ordergate.domain.algos.terms import AlgoTerms
from ordergate.domain.book import Key
from ordergate.domain.contingencies.protection import protection_of
from ordergate.domain.errors import Code, Conflict, Defect, Invalid, OrderMoved
from ordergate.domain.funds import Fund, TaxLotMethod
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.commands import COMPENSATES, SubmitOrder
from ordergate.domain.orders.decision import RiskCode, RiskDecision
from ordergate.domain.orders.events import OrderEntered
from ordergate.domain.orders.operations import check_operation, operation_of
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import Phase, RequestKind, State, TimeInForce
from ordergate.domain.orders.terms import check_max_slippage, check_prices, check_time_in_force
from ordergate.domain.risk.case import Case, Question
from ordergate.domain.risk.throttles import same_as
from ordergate.domain.routing import Routed
from ordergate.domain.slippage import arrival_mid, max_slippage_of
from ordergate.domain.times import format_time

_REFUSED_PATH = (State.CREATED, State.PENDING_RISK, State.REJECTED)
_ASKED_PATH = (State.CREATED, State.PENDING_RISK)
_WAITING_PATH = (State.CREATED, State.PENDING_RISK, State.ACCEPTED)
_SENT_PATH = (*_WAITING_PATH, State.SUBMITTED)
_OF_AN_ORDER = tuple(
    name
    for name in SubmitOrder.__struct_fields__
    if name not in ("key_kind", "key", "order_id", "broker", "operation")
)
_read_terms = attrgetter(*_OF_AN_ORDER)
_NOT_OF_GUARDS = (RiskCode.DUPLICATE, RiskCode.REPEATED, RiskCode.ORDER_NOTIONAL, RiskCode.PRICE_COLLAR)
"""Refusals that their entry has passed, level and size: a market that moves since must not leave it bare."""
_NOT_OF_CHILDREN = (RiskCode.DUPLICATE, RiskCode.REPEATED)
"""Refusals that their parent has passed: slices are alike, and no new idea of the strategy."""


class Admitted(Struct, frozen=True, gc=False):
    """What a new order is about, with whose fund and instrument; nothing is wrong with its content."""

    fund: Fund
    instrument: Instrument
    fingerprint: str
    order_id: str
    routed: Routed


class Judgment(Struct, frozen=True, gc=False):
    """How far the gate lets an order go now.

    Attributes:
        path: from CREATED on.
        epoch: of the session that sends it; None where it is not sent yet.
        awaits, decide_by, run, remember_s: as in `OrderEntered` and its order.
        algo: how it is worked, where it is a parent; then nothing of it is sent itself.
    """

    decision: RiskDecision
    path: tuple[State, ...]
    epoch: int | None = None
    awaits: tuple[str, ...] | None = None
    decide_by: datetime | None = None
    run: int | None = None
    remember_s: int = 0
    algo: AlgoTerms | None = None


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
    judgment = weigh(ctx, command, new.routed.broker, new.fund, new.instrument, waived)
    decision = judgment.decision
    times = ctx.ticks(len(judgment.path))
    order = new_order(ctx, command, new, judgment.path, times)
    order = replace(order, reference_price=decision.reference_price, algo=judgment.algo)
    request = submit_request(order, judgment, times[-1])
    if decision.code is not None:
        order = replace(order, reason_code=decision.code, reason=decision.reason, ended_at=times[-1])
    elif request is not None:
        order = replace(
            order,
            requests=(request,),
            request_count=1,
            client_id=request.client_id if judgment.algo is None else None,
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
    instrument, new = known_instrument(ctx, command.symbol)
    if new is not None:
        yield new
    where = where_to(ctx, command, fund, instrument)
    _check(ctx, command, fund, instrument)
    check_broker(ctx, where.broker)
    order_id = command.order_id or ctx.view.new_order_id()
    if command.order_id is not None and ctx.state.orders.get(order_id) is not None:
        raise Conflict(
            Code.ORDER_ID_TAKEN, f"{order_id!r} is another order's; leave it out or change it", "#/order_id"
        )
    return Admitted(fund, instrument, fingerprint, order_id, where)


def weigh(
    ctx: Context,
    wanted: SubmitOrder | Order,
    broker: str,
    fund: Fund,
    instrument: Instrument,
    waived: tuple[RiskCode, ...] = (),
) -> Judgment:
    """What the gate says of an order that has not left, and how far it gets with that."""
    parent = parent_of(ctx, wanted)
    asked = question_of(ctx, wanted, broker, instrument, parent)
    waived = (*waived, *_NOT_OF_GUARDS) if asked.guards else waived
    waived = waived if parent is None else (*waived, *_NOT_OF_CHILDREN, *overridden(ctx, parent))

    def look() -> tuple[RiskDecision, Case]:
        made = same_as(wanted)
        return judge(ctx, asked, fund, instrument, lambda: ctx.state.traffic.last_made(made), waived)

    # What its parent has let through as a whole does not count beside it.
    decision, case = look() if parent is None else ctx.state.exposures.without(parent, look)
    depends = asked.guards or asked.of_parent
    remember_s = 0 if depends else _remember_s(case)
    if decision.code:
        return Judgment(decision, _REFUSED_PATH, remember_s=remember_s)
    run, awaits = None if depends else _run(case), others_to_ask(case)
    if awaits:
        until = deadline(ctx, case, awaits)
        return Judgment(decision, _ASKED_PATH, None, awaits, until, run, remember_s, case.algo)
    epoch = ctx.view.opens(asked.broker) if case.algo is None else None
    path = _WAITING_PATH if epoch is None else _SENT_PATH
    return Judgment(decision, path, epoch, run=run, remember_s=remember_s, algo=case.algo)


def submit_request(order: Order, judgment: Judgment, at: datetime) -> Request | None:
    """The order's submit as the gate lets it: sent, waiting for the session or for other gates.

    None if refused, or if it is a parent that waits for nobody.
    """
    if judgment.decision.code or (judgment.algo is not None and judgment.awaits is None):
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


def question_of(
    ctx: Context, command: SubmitOrder | Order, broker: str, instrument: Instrument, parent: Order | None
) -> Question:
    """What the gate is asked of an order of which no broker has anything yet."""
    bound = None if parent is None else max_slippage_of(parent)
    protected = protection_of(command, ctx.view.signals.protect) is not None
    return Question(
        fund_id=command.fund_id,
        symbol=command.symbol,
        side=command.side,
        quantity=command.quantity,
        left=command.quantity,
        order_type=command.order_type,
        broker=broker,
        limit_price=command.limit_price,
        stop_price=command.stop_price,
        entry_price=command.entry_price,
        strategy_id=command.strategy_id,
        max_slippage=max_slippage_of(command),
        arrival=None if parent is None or bound is None else arrival_mid(parent),
        guards=command.parent_order_id is not None and command.slice is None,
        operation=operation_of(command.operation, instrument),
        terms=command.terms,
        stop_to_come=command.stop_loss if protected else None,
        tif=command.tif,
        of_parent=parent is not None,
        undoes=isinstance(command, SubmitOrder) and command.key_kind == COMPENSATES,
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
    check_operation(
        operation_of(command.operation, instrument),
        command.terms,
        instrument,
        command.order_type,
        command.side,
        command.tif,
    )
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
    order = Order(
        **dict(zip(_OF_AN_ORDER, _read_terms(command), strict=True)),
        operation=operation_of(command.operation, new.instrument),
        broker=new.routed.broker,
        route=new.routed.route,
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
    parent = parent_of(ctx, command)
    return order if parent is None else as_child(order, parent, command.key)
