"""The kill switch: blocks at once, cancels what works, and is lifted by somebody else."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from ordergate.application.decide.context import Context, Decision, asked_again, started
from ordergate.application.decide.parents import stop
from ordergate.domain.book import Book
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound, quoted
from ordergate.domain.orders.events import OrderCanceled, OrderOverdue, RequestOpened
from ordergate.domain.orders.open_orders import Group, group_of
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import UNSENT, WORKING, Delay, Remedy, RequestKind, State
from ordergate.domain.risk.commands import LiftHalt, ThrowSwitch
from ordergate.domain.risk.events import TradingHalted, TradingResumed
from ordergate.domain.risk.kill_switch import HALTABLE, Halt, Mode, scopes_of, strictest, tightens
from ordergate.domain.risk.limits import FIRM, Level, Scope, shown_scope

MOST_AT_ONCE: Final = 1_000
"""Orders canceled in one step; the rest follow in the next ones, and nothing new is taken meanwhile."""

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=1)
"""Between a cancel that a broker refuses and the next one: doubled each time, up to the longest."""
_MOST_DOUBLINGS: Final = 6

CANCELED_BY_HALT: Final = "CANCELED_BY_HALT"


class HaltResult(Struct, frozen=True, kw_only=True):
    """A halt, and what it did at once: orders that never left are canceled, the broker is asked about the others.

    Attributes:
        left: orders that the next steps cancel.
    """

    halt: Halt
    canceled: int = 0
    asked: int = 0
    left: int = 0


def throw_switch(ctx: Context, command: ThrowSwitch) -> Decision[HaltResult]:
    """Halts a scope; again, it goes on canceling.

    Raises:
        Invalid: the level cannot be halted, nothing has that name, or there is no reason.
        Conflict: a stricter halt holds.
    """
    if command.level not in HALTABLE:
        detail = f"a {command.level} cannot be halted; {', '.join(HALTABLE)} can"
        raise Invalid(Code.BAD_VALUE, detail, "#/level")
    _check_name(ctx, command.level, command.name)
    if not command.reason.strip():
        raise Invalid(Code.MISSING, "is missing: why is trading stopped?", "#/reason")
    return (yield from throw(ctx, command))


def throw(ctx: Context, command: ThrowSwitch) -> Decision[HaltResult]:
    """Halts, and cancels; nothing new where the same halt holds."""
    scope = command.level, command.name
    before = ctx.state.halts.get(scope)
    if before is not None and before.holds and before.mode is Mode.HALT and command.mode is Mode.REDUCE_ONLY:
        detail = f"{shown_scope(scope)} is halted, which stops more: lift that first"
        raise Conflict(Code.HALTED, detail, "#/mode")
    if tightens(before, command.mode):
        halt = Halt(
            level=command.level,
            name=command.name,
            mode=command.mode,
            reason=command.reason,
            by=ctx.by if command.trigger is None else f"trigger/{command.trigger}",
            since=ctx.tick(),
            trigger=command.trigger,
        )
        yield TradingHalted(halt=halt)
    return (yield from go_on(ctx, ctx.state.halts.rows[scope], at_once=command.trigger is None))


def _check_name(ctx: Context, level: Level, name: str) -> None:
    known = {
        Level.FIRM: name == "",
        Level.FUND: name in ctx.state.funds.rows,
        Level.BROKER: name in ctx.view.brokers,
    }
    if not known.get(level, bool(name)):
        wanted = "leave the name out" if level is Level.FIRM else f"there is no such {level}"
        raise Invalid(Code.BAD_VALUE, f"{quoted(name)}: {wanted}", "#/name")


def go_on(ctx: Context, halt: Halt, *, at_once: bool = False) -> Decision[HaltResult]:
    """Cancels what works under a halt and has no cancel on its way yet.

    Args:
        at_once: also what was refused so lately that it is not asked for again yet, or was left to a person.
    """
    now = ctx.now()
    wanted = [order for order in _stopped_by(ctx.state, halt) if at_once or not _pauses(order, halt, now)]
    canceled = asked = 0
    for order in wanted[:MOST_AT_ONCE]:
        if order.state in UNSENT:
            canceled += 1
            yield canceled_by(ctx, order, halt)
        else:
            asked += 1
            if order.algo is not None:
                yield from stop(ctx, order, CANCELED_BY_HALT, reason_of(halt))
                continue
            parked = order.open_request(RequestKind.CANCEL)
            if parked is not None:
                yield asked_again(ctx, order, parked)
                continue
            request = order.next_request(RequestKind.CANCEL)
            at = ctx.tick()
            yield RequestOpened(
                order_id=order.order_id, request=started(request, ctx.view.sessions.get(order.broker), at)
            )
    return HaltResult(halt=halt, canceled=canceled, asked=asked, left=len(wanted) - canceled - asked)


def next_cancel(state: Book) -> datetime | None:
    """When `go_on` next asks for a cancel that was refused; None where it waits for none."""
    rows = state.orders.rows
    due = (
        at
        for halt in state.halts.rows.values()
        if halt.holds
        for order in map(rows.__getitem__, state.open_orders.refused())
        if (at := _asked_again_at(order, halt)) is not None and _stops(state, halt, group_of(order))
    )
    return min(due, default=None)


def _pauses(order: Order, halt: Halt, now: datetime) -> bool:
    if order.open_request(RequestKind.CANCEL) is not None:
        return True  # parked: a person has it
    at = _asked_again_at(order, halt)
    return at is not None and now < at


def _asked_again_at(order: Order, halt: Halt) -> datetime | None:
    """When a cancel that was refused since the halt began is asked for again; None where none was."""
    refused = order.noticed(Delay.NOT_CANCELED)
    parked = order.open_request(RequestKind.CANCEL) is not None
    if refused is None or refused.at <= halt.since or parked:
        return None
    return refused.at + min(FIRST_PAUSE * (1 << min(refused.times - 1, _MOST_DOUBLINGS)), LONGEST_PAUSE)


def say_if_stopped(ctx: Context, order_id: str) -> Decision[None]:
    """Notes that the broker has refused to cancel what must not work: how often, since the halt began."""
    order = ctx.state.orders.rows[order_id]
    halt = stopped(ctx.state, order)
    if halt is None or order.state not in WORKING:
        return
    before = order.noticed(Delay.NOT_CANCELED)
    count = 1 if before is None or before.at <= halt.since else before.times + 1
    yield OrderOverdue(
        order_id=order_id, why=Delay.NOT_CANCELED, since=halt.since, remedy=Remedy.CANCEL, count=count
    )


def _stopped_by(state: Book, halt: Halt) -> list[Order]:
    """What a halt has still to cancel, the oldest first."""
    groups = state.open_orders.stoppable()
    found = [state.orders.rows[one] for group, ids in groups if _stops(state, halt, group) for one in ids]
    return sorted(found, key=lambda order: (order.created_at, order.order_id))


def _stops(state: Book, halt: Halt, group: Group) -> bool:
    if halt.scope not in scopes_of(group.fund_id, group.strategy_id, group.broker):
        return False
    return halt.mode is Mode.HALT or not _only_reduces(state, group)


def _only_reduces(state: Book, group: Group) -> bool:
    cell = state.exposures.cell(group.fund_id, group.symbol)
    if cell is None:
        return False
    least, most = cell.quantities()
    return (cell.held > 0 and least >= 0) if group.sign < 0 else (cell.held < 0 and most <= 0)


def canceled_by(ctx: Context, order: Order, halt: Halt) -> OrderCanceled:
    """The end of an order that never left."""
    return OrderCanceled(
        order_id=order.order_id,
        path=(State.CANCELED,),
        times=(ctx.tick(),),
        code=CANCELED_BY_HALT,
        reason=reason_of(halt),
    )


def reason_of(halt: Halt) -> str:
    """Why an order under a halt is canceled."""
    return f"{shown_scope(halt.scope)} is halted by {halt.by}: {halt.reason}"


def stopped(state: Book, order: Order) -> Halt | None:
    """The halt under which an order must not leave now."""
    halt = strictest(state.halts.rows, scopes_of(order.fund_id, order.strategy_id, order.broker))
    if halt is None or (halt.mode is Mode.REDUCE_ONLY and _only_reduces(state, group_of(order))):
        return None
    return halt


def covering_halt(state: Book, scope: Scope) -> Halt | None:
    """The halt during which limits of that scope may not be loosened."""
    if scope[0] in (Level.FIRM, Level.SYMBOL):
        return next((halt for halt in state.halts.rows.values() if halt.holds), None)
    return strictest(state.halts.rows, (FIRM, scope))


def lift(ctx: Context, command: LiftHalt) -> Decision[Halt]:
    """Lets trading go on.

    Raises:
        NotFound: no such halt holds.
        Conflict: the principal is the one who ordered it.
        Invalid: without a reason.
    """
    scope = command.level, command.name
    halt = ctx.state.halts.get(scope)
    if halt is None or not halt.holds:
        raise NotFound(Code.NOT_HALTED, f"{shown_scope(scope)} is not halted", "#/name")
    if not command.reason.strip():
        raise Invalid(Code.MISSING, "is missing: why may trading go on?", "#/reason")
    if ctx.by == halt.by:
        detail = f"{ctx.by!r} ordered the halt of {shown_scope(scope)}: another principal must lift it"
        raise Conflict(Code.SAME_PRINCIPAL, detail, None)
    yield TradingResumed(level=command.level, name=command.name, by=ctx.by, reason=command.reason)
    return ctx.state.halts.rows[scope]
