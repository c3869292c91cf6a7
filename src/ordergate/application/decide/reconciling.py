"""What a comparison with a broker's record means for breaks, and what persons do with them.

A difference is one break for as long as it is there. Nothing is traded and no fill is booked here: an adjustment is
its own kind of event, asked for by a person or by the account's policy.
"""

from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from ordergate.application.decide.context import Context, Decision
from ordergate.application.decide.unknown import halt_behind
from ordergate.domain.breaks import Break, BreakKind, Cause, Resolution
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound, quoted
from ordergate.domain.market import mid
from ordergate.domain.money import ZERO
from ordergate.domain.orders.events import BreakRaised, InstrumentDefined
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.states import Side
from ordergate.domain.recon.commands import AdjustBreak, AssignBreak, Reconcile, ResolveBreak
from ordergate.domain.recon.comparing import BY_NAME
from ordergate.domain.recon.difference import Difference
from ordergate.domain.recon.events import BreakAssigned, BreakChanged, BreakResolved, PositionAdjusted

BY: Final = "reconciliation"
_WHY: Final = {
    Resolution.GONE: "a later comparison no longer found it",
    Resolution.FETCHED: "the broker was asked, and what it said was booked",
}
_ADJUSTABLE: Final = (BreakKind.POSITION, BreakKind.BALANCE)


def reconcile(ctx: Context, command: Reconcile) -> Decision[tuple[Break, ...]]:
    """Raises what is new, and resolves what is gone; the breaks that are open at the broker then."""
    known = {item.key: item for item in _watched(ctx, command.broker)}
    for difference in command.found:
        before = known.get(difference.key)
        if before is None or not (before.is_open or _is_same(before, difference)):
            if before is not None:
                yield BreakChanged(item=replace(before, key=None))
            yield BreakRaised(item=_break(ctx, command.broker, difference))
            if difference.cause is Cause.JOURNAL_BEHIND:
                yield from halt_behind(ctx, command.broker, difference.detail)
        elif before.is_open and (now := _as_it_is(before, difference)) != before:
            yield BreakChanged(item=now)
    there = command.perhaps | {difference.key for difference in command.found}
    for key, item in known.items():
        if key in there or item.kind not in command.covers:
            continue
        if not item.is_open:
            if item.kind in BY_NAME:
                continue  # under that name there is nothing else: it would be the same again
            yield BreakChanged(item=replace(item, key=None))
        else:
            how = Resolution.FETCHED if key in command.fetched else Resolution.GONE
            yield _resolved(ctx, item, how, BY, _WHY[how])
    return tuple(item for item in _watched(ctx, command.broker) if item.is_open)


def _watched(ctx: Context, broker: str) -> list[Break]:
    """The explained ones first, so that one which was raised since speaks for its key."""
    rows = [row for row in ctx.state.breaks.rows.values() if row.is_watched and row.broker == broker]
    return sorted(rows, key=lambda row: (row.is_open, row.raised_at))


def _is_same(item: Break, found: Difference) -> bool:
    return (item.ours, item.theirs) == (found.ours, found.theirs)


def _break(ctx: Context, broker: str, found: Difference) -> Break:
    return Break(
        break_id=f"brk-{ctx.index()}",
        kind=found.kind,
        broker=broker,
        detail=found.detail,
        raised_at=ctx.tick(),
        order_id=found.order_id,
        key=found.key,
        symbol=found.symbol,
        cause=found.cause,
        ours=found.ours,
        theirs=found.theirs,
    )


def _as_it_is(item: Break, found: Difference) -> Break:
    return replace(item, kind=found.kind, detail=found.detail, ours=found.ours, theirs=found.theirs)


def _resolved(ctx: Context, item: Break, how: Resolution, by: str, why: str) -> BreakResolved:
    done = replace(item, resolved_at=ctx.tick(), resolved_by=by, resolution=how, why=why)
    return BreakResolved(item=done)


def assign(ctx: Context, command: AssignBreak) -> Decision[Break]:
    """Says who looks into a break.

    Raises:
        NotFound: there is no such break.
        Conflict: it is resolved.
    """
    item = _open(ctx, command.break_id)
    if item.owner != command.owner:
        yield BreakAssigned(item=replace(item, owner=command.owner))
    return ctx.state.breaks.rows[command.break_id]


def resolve(ctx: Context, command: ResolveBreak) -> Decision[Break]:
    """Ends a break with nothing to be done. The same difference is not raised again, one with other numbers is.

    Raises:
        NotFound: there is no such break.
        Conflict: it is resolved.
        Invalid: it is not said why.
    """
    item = _open(ctx, command.break_id)
    yield _resolved(ctx, item, Resolution.EXPLAINED, ctx.by, _why(command.why))
    return ctx.state.breaks.rows[command.break_id]


def adjust(ctx: Context, command: AdjustBreak) -> Decision[Break]:
    """Books the difference of a position or balance into a fund, and ends the break.

    Raises:
        NotFound: there is no such break.
        Conflict: it is resolved, or is not about a position or balance.
        Invalid: it is not said why, which fund, or at which price.
    """
    item, why = _open(ctx, command.break_id), _why(command.why)
    if item.kind not in _ADJUSTABLE or item.ours is None or item.theirs is None or item.symbol is None:
        detail = f"{item.break_id} is {item.kind}: only a position or balance can be adjusted"
        raise Conflict(Code.NOT_ADJUSTABLE, detail, "#/break_id")
    fund_id, difference = _fund(ctx, item, command.fund_id), item.theirs - item.ours
    booked: dict[str, Any] = {"currency": item.symbol, "amount": difference}
    if item.kind is BreakKind.POSITION:
        trade = yield from _trade(ctx, item, fund_id, difference, command.price)
        booked = {"trade": trade}
    yield PositionAdjusted(
        break_id=item.break_id, broker=item.broker, fund_id=fund_id, by=ctx.by, why=why, **booked
    )
    yield _resolved(ctx, item, Resolution.ADJUSTED, ctx.by, why)
    return ctx.state.breaks.rows[command.break_id]


def _open(ctx: Context, break_id: str) -> Break:
    item = ctx.state.breaks.get(break_id)
    if item is None:
        raise NotFound(Code.BREAK_NOT_FOUND, f"there is no break {quoted(break_id)}", "#/break_id")
    if not item.is_open:
        detail = f"{break_id} was resolved by {item.resolved_by}: {item.why}"
        raise Conflict(Code.BREAK_RESOLVED, detail, "#/break_id")
    return item


def _why(why: str) -> str:
    if not why.strip():
        raise Invalid(Code.MISSING, "is missing: why is nothing left to be done?", "#/reason")
    return why


def _fund(ctx: Context, item: Break, named: str | None) -> str:
    there = sorted(fund.fund_id for fund in ctx.state.funds.rows.values() if fund.broker == item.broker)
    if named is not None:
        if named not in ctx.state.funds.rows:
            raise Invalid(Code.UNKNOWN_FUND, f"{quoted(named)} is no fund", "#/fund_id")
        return named
    if len(there) != 1:
        detail = f"is missing: {len(there)} funds trade at {item.broker}: {', '.join(there) or 'none'}"
        raise Invalid(Code.MISSING, detail, "#/fund_id")
    return there[0]


def _trade(
    ctx: Context, item: Break, fund_id: str, quantity: Decimal, price: Decimal | None
) -> Decision[Fill]:
    """What is booked of a position: as a trade would be, under the break's name."""
    symbol = item.symbol or ""
    if symbol not in ctx.state.instruments.rows:
        instrument = ctx.view.instrument(symbol)
        if instrument is None:
            detail = f"{quoted(symbol)} is neither built in nor configured"
            raise Invalid(Code.UNKNOWN_SYMBOL, detail, "#/break_id")
        yield InstrumentDefined(instrument=instrument)
    if price is None:
        quote = ctx.view.quotes.get(symbol)
        if quote is None:
            detail = f"is missing, and {symbol} has no quote: at which price shall it be booked?"
            raise Invalid(Code.MISSING, detail, "#/price")
        price = mid(quote.bid, quote.ask)
    at = ctx.tick()
    return Fill(
        fill_id=f"{item.break_id}-adjusted",
        order_id="",
        exec_id=item.break_id,
        fund_id=fund_id,
        symbol=symbol,
        side=Side.BUY if quantity > ZERO else Side.SELL,
        broker=item.broker,
        time=at,
        booked_at=at,
        quantity=abs(quantity),
        price=price,
    )
