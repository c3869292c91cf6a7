"""Limits: how they are set, revert, and are measured anew when a day begins; and strategies that run again."""

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from ordergate.application.decide.context import Context, Decision
from ordergate.application.decide.gate import rates
from ordergate.application.decide.halting import covering_halt, go_on, throw
from ordergate.application.decide.silence import halt_the_silent, is_silent
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound, quoted
from ordergate.domain.risk.account import Account, periods_after
from ordergate.domain.risk.commands import ConfigureLimits, EnableStrategy, SetLimits, ThrowSwitch, ValueFunds
from ordergate.domain.risk.events import FundValued, LimitsSet, StrategyEnabled
from ordergate.domain.risk.exposure_checks import LOSS_LIMITS
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import (
    NOTHING,
    ConfiguredLimits,
    Level,
    Limits,
    LimitSet,
    changed,
    check_limits,
    loosened,
    shown_scope,
)
from ordergate.domain.risk.refusing import shown
from ordergate.domain.risk.valuation import USD, exchanged
from ordergate.domain.risk.worth import equity_usd
from ordergate.domain.times import format_time

CONFIGURATION = "configuration"


def set_limits(ctx: Context, command: SetLimits) -> Decision[LimitSet]:
    """The limits as they stand then; the same again changes nothing.

    Raises:
        Invalid: the level does not know a limit, a number is none, or there is nothing of that name.
        Conflict: they were changed since the caller looked, or would be loosened during a halt.
    """
    scope, now = (command.level, command.name), ctx.now()
    _check_name(ctx, command.level, command.name)
    check_limits(command.level, command.limits)
    before = ctx.state.limits.get(scope)
    version = 0 if before is None else before.version
    if command.version is not None and command.version != version:
        detail = (
            f"the limits of {shown_scope(scope)} are at version {version}, not {command.version}: look again"
        )
        raise Conflict(Code.LIMITS_VERSION, detail, "#/version")
    if not command.reason.strip():
        raise Invalid(Code.MISSING, "is missing: why are they changed?", "#/reason")
    if command.reverts_at is not None and command.reverts_at <= now:
        detail = f"{format_time(command.reverts_at)} is over: name a time to come"
        raise Invalid(Code.BAD_VALUE, detail, "#/reverts_at")
    present = NOTHING if before is None else before.at(now)
    _check_not_loosened(ctx, command, present)
    if (
        before is not None
        and present == command.limits
        and command.reverts_at is None
        and before.reverts_at is None
    ):
        return before
    after = LimitSet(
        level=command.level,
        name=command.name,
        version=version + 1,
        limits=command.limits,
        set_at=now,
        set_by=ctx.by,
        reason=command.reason,
        configured=None if before is None else before.configured,
        reverts_at=command.reverts_at,
        reverts_to=None if command.reverts_at is None else present,
    )
    yield LimitsSet(after=after, before=before, changed=changed(present, command.limits))
    return after


def _check_name(ctx: Context, level: Level, name: str) -> None:
    known = {
        Level.FIRM: lambda: name == "",
        Level.FUND: lambda: name in ctx.state.funds.rows,
        Level.STRATEGY: lambda: bool(name),
        Level.SYMBOL: lambda: ctx.view.instrument(name) is not None,
        Level.BROKER: lambda: name in ctx.view.brokers,
    }
    if not known[level]():
        wanted = "leave the name out" if level is Level.FIRM else f"there is no such {level}"
        raise Invalid(Code.BAD_VALUE, f"{quoted(name)}: {wanted}", "#/name")


def _check_not_loosened(ctx: Context, command: SetLimits, present: Limits) -> None:
    halt = covering_halt(ctx.state, (command.level, command.name))
    looser = [] if halt is None else loosened(present, command.limits)
    if halt is not None and looser:
        scope = shown_scope(halt.scope)
        detail = f"{', '.join(looser)} would be loosened while {scope} is halted: lift the halt first"
        raise Conflict(Code.HALTED, detail, f"#/limits/{looser[0]}")


def configure_limits(ctx: Context, command: ConfigureLimits) -> Decision[None]:
    """Takes over what the configuration says, as far as it has changed; what was set since else stays.

    Raises:
        Invalid: a level does not know a limit, or a number is none.
    """
    for stated in command.limits:
        check_limits(stated.level, stated.limits)
        yield from _configured(ctx, stated)


def _configured(ctx: Context, stated: ConfiguredLimits) -> Decision[None]:
    """Takes limits over from the configuration, where it says something else than when it was read last.

    What it would loosen during a halt is taken over at the next start after the halt.
    """
    scope, now = (stated.level, stated.name), ctx.now()
    before = ctx.state.limits.get(scope)
    present = NOTHING if before is None else before.at(now)
    if before is not None and before.configured == stated.limits:
        return
    if covering_halt(ctx.state, scope) is not None and loosened(present, stated.limits):
        return
    after = LimitSet(
        level=stated.level,
        name=stated.name,
        version=1 if before is None else before.version + 1,
        limits=stated.limits,
        set_at=now,
        set_by=ctx.by,
        reason=CONFIGURATION,
        configured=stated.limits,
    )
    yield LimitsSet(after=after, before=before, changed=changed(present, stated.limits))


def enable_strategy(ctx: Context, command: EnableStrategy) -> Decision[None]:
    """Counts a strategy's runs from zero again.

    Raises:
        NotFound: nothing of it was counted or seen.
        Invalid: without a reason.
    """
    if command.strategy_id not in ctx.state.strategies.rows:
        detail = f"no runs of strategy {quoted(command.strategy_id)} were counted"
        raise NotFound(Code.UNKNOWN_STRATEGY, detail, "#/strategy_id")
    if not command.reason.strip():
        raise Invalid(Code.MISSING, "is missing: why may it run again?", "#/reason")
    yield StrategyEnabled(strategy_id=command.strategy_id, by=ctx.by, reason=command.reason)


def value_funds(ctx: Context, _command: ValueFunds) -> Decision[None]:
    """What time alone brings: reverting limits, new days, halts for losses and silence, and cancels of a halt."""
    now, state = ctx.now(), ctx.state
    for row in [row for row in state.limits.rows.values() if row.reverts_at is not None]:
        yield from _revert(row, now)
    for row in [row for row in state.limits.rows.values() if row.level is Level.FUND]:
        if row.limits.nav_usd is not None:
            yield from _value(ctx, row.name, row.limits, now)
    yield from halt_the_silent(ctx)
    for halt in [halt for halt in state.halts.rows.values() if halt.holds]:
        yield from go_on(ctx, halt)


def _revert(row: LimitSet, now: datetime) -> Decision[None]:
    if row.reverts_at is None or row.reverts_to is None or now < row.reverts_at:
        return
    after = replace(
        row,
        version=row.version + 1,
        limits=row.reverts_to,
        set_at=now,
        reason=f"the change until {format_time(row.reverts_at)} is over",
        reverts_at=None,
        reverts_to=None,
    )
    yield LimitsSet(after=after, before=row, changed=changed(row.limits, after.limits))


def _value(ctx: Context, fund_id: str, limits: Limits, now: datetime) -> Decision[None]:
    worth = _worth(ctx, fund_id, limits)
    if worth is None:
        return  # nobody knows what it is worth: its orders are refused for that
    periods = periods_after(_account(ctx, fund_id), now, worth, _in_base(ctx, fund_id, worth))
    if periods is not None:
        yield FundValued(fund_id=fund_id, periods=periods)
    reason = _lost_too_much(ctx, fund_id, limits, worth)
    if reason is not None:
        yield from throw(
            ctx, ThrowSwitch(level=Level.FUND, name=fund_id, reason=reason, trigger=Trigger.LOSS)
        )


def _account(ctx: Context, fund_id: str) -> Account:
    return ctx.state.accounts.get(fund_id) or Account(fund_id=fund_id)


def _worth(ctx: Context, fund_id: str, limits: Limits) -> Decimal | None:
    sums = ctx.state.exposures.sums(fund_id)
    return equity_usd(limits, _account(ctx, fund_id), sums, rates(ctx).to_usd)


def _in_base(ctx: Context, fund_id: str, worth: Decimal) -> tuple[str, Decimal] | None:
    """The fund's base currency, and the worth in it; None where it is the dollar, or no rate leads there."""
    fund = ctx.state.funds.get(fund_id)
    if fund is None or fund.base_currency == USD:
        return None
    amount = exchanged(worth, rates(ctx).found(USD, fund.base_currency))
    return None if amount is None else (fund.base_currency, amount)


def _lost_too_much(ctx: Context, fund_id: str, limits: Limits, worth: Decimal) -> str | None:
    """Why the fund must be halted; once a period: who lifts such a halt has seen the loss."""
    before = ctx.state.halts.get((Level.FUND, fund_id))
    for period in _account(ctx, fund_id).periods:
        share = getattr(limits, LOSS_LIMITS[period.kind])
        lost = period.nav_usd - worth
        seen = before is not None and before.trigger is Trigger.LOSS and before.since.date() >= period.began
        if share is not None and lost > 0 and lost >= share * period.nav_usd and not seen:
            return f"{shown(lost)} USD lost since the {period.kind} began"
    return None


def is_due(ctx: Context) -> bool:
    """Whether `ValueFunds` would journal anything now, or goes on with a halt."""
    now, state = ctx.now(), ctx.state
    if any(halt.holds for halt in state.halts.rows.values()) or is_silent(state, now):
        return True
    rows = state.limits.rows.values()
    return any(row.reverts_at is not None and now >= row.reverts_at for row in rows) or any(
        row.level is Level.FUND and _has_news(ctx, row.name, row.limits, now) for row in rows
    )


def _has_news(ctx: Context, fund_id: str, limits: Limits, now: datetime) -> bool:
    worth = _worth(ctx, fund_id, limits)
    if worth is None:
        return False
    periods = periods_after(_account(ctx, fund_id), now, worth)
    return periods is not None or _lost_too_much(ctx, fund_id, limits, worth) is not None
