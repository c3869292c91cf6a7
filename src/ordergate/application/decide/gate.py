"""The gate: what the checks say of an order or a change, and who else must agree. The one way to a broker."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from ordergate.application.decide.context import Context
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.decision import RiskCode, RiskDecision
from ordergate.domain.risk.account import Volume, trading_day
from ordergate.domain.risk.case import Case, Ground, Question
from ordergate.domain.risk.checks import first_refusal
from ordergate.domain.risk.conversion import Rates
from ordergate.domain.risk.kill_switch import scopes_of, strictest
from ordergate.domain.risk.limits import DAILY, FIRM, Level, LimitSet, Scope, shown_scope

APPROVAL: Final = "approval"
"""The gate that is a person."""

DEFAULT_APPROVAL_S: Final = 3_600


def judge(
    ctx: Context,
    asked: Question,
    fund: Fund,
    instrument: Instrument,
    last_made: Callable[[], datetime | None] = lambda: None,
    waived: tuple[RiskCode, ...] = (),
) -> tuple[RiskDecision, Case]:
    """What the checks say that are not waived, with the numbers that they used; and the case, for what follows."""
    scopes: tuple[Scope, ...] = (
        FIRM,
        (Level.FUND, fund.fund_id),
        (Level.SYMBOL, asked.symbol),
        (Level.BROKER, asked.broker),
    )
    if asked.strategy_id is not None:
        scopes = (*scopes, (Level.STRATEGY, asked.strategy_id))
    rows = [(scope, row) for scope in scopes if (row := ctx.state.limits.get(scope)) is not None]
    case = Case(asked, _ground(ctx, asked, fund, instrument, rows, last_made))
    found = first_refusal(case, waived)
    reference = case.reference if rows else None
    price, source = reference if reference is not None else (None, None)
    gate, refusal = found if found is not None else (None, None)
    decision = RiskDecision(
        gate=gate,
        code=None if refusal is None else refusal.code,
        reason=None if refusal is None else refusal.reason,
        numbers=_numbers(case) if refusal is None else _numbers(case) | refusal.numbers,
        limits={shown_scope(scope): row.version for scope, row in rows},
        reference_price=price,
        price_source=source,
        waived=waived,
    )
    return decision, case


def _numbers(case: Case) -> dict[str, Decimal]:
    """What the order is worth and binds, where the fund's money is limited and there is a price."""
    if case.limits.nav_usd is None or case.reference is None:
        return {}
    numbers = {
        "notional": case.notional_usd,
        "margin": case.more_margin_usd,
        "margin_before": case.margin_usd,
        "equity": case.equity_usd,
    }
    return {name: value for name, value in numbers.items() if value is not None}


def _ground(
    ctx: Context,
    asked: Question,
    fund: Fund,
    instrument: Instrument,
    rows: list[tuple[Scope, LimitSet]],
    last_made: Callable[[], datetime | None],
) -> Ground:
    state, view, now = ctx.state, ctx.view, ctx.now()
    halted = state.halts.rows
    strategy = None if asked.strategy_id is None else state.strategies.get(asked.strategy_id)
    stated = _together(tuple([state.stated[scope] for scope, _row in rows]))
    volume = None if stated.isdisjoint(DAILY) else state.volumes.get((fund.fund_id, asked.symbol))
    return Ground(
        fund=fund,
        instrument=instrument,
        now=now,
        levels=tuple([(scope, row.at(now)) for scope, row in rows]),
        stated=stated,
        exposures=state.exposures,
        traffic=state.traffic,
        rates=rates(ctx),
        quote=view.quotes.get(asked.symbol),
        account=state.accounts.get(fund.fund_id),
        daily=_today(volume, instrument, now),
        halt=strictest(halted, scopes_of(fund.fund_id, asked.strategy_id, asked.broker)) if halted else None,
        last_made=last_made,
        runs=0 if strategy is None else strategy.runs,
        broker_account=view.account(asked.broker),
        switched_off=view.switched_off,
        operations=view.operations(asked.broker),
    )


@lru_cache(maxsize=256)
def _together(stated: tuple[frozenset[str], ...]) -> frozenset[str]:
    return frozenset().union(*stated)


def rates(ctx: Context) -> Rates:
    """The rates at hand: the fixed ones, and the last quotes of pairs."""
    quotes = ctx.view.quotes
    return Rates(ctx.view.rates, quotes.get)


def _today(volume: Volume | None, instrument: Instrument, now: datetime) -> Volume | None:
    if volume is None or volume.day < trading_day(instrument.asset_class, now):
        return None
    return volume


def others_to_ask(case: Case) -> tuple[str, ...]:
    """The external gates that must agree too, and `approval` where a person must.

    A person agrees to an entry, not to its guards, and to a parent as a whole, not to its children.
    """
    gates, above = case.limits.gates, case.limits.approve_above_usd
    if (
        above is not None
        and not case.asked.guards
        and not case.asked.of_parent
        and (case.notional_usd is None or case.notional_usd > above)
    ):
        return (*gates, APPROVAL)
    return gates


def deadline(ctx: Context, case: Case, names: tuple[str, ...]) -> datetime:
    """When those that have not answered by then have not agreed."""
    waits = [ctx.view.gates[name].timeout_s for name in names if name in ctx.view.gates]
    if APPROVAL in names:
        waits.append(case.limits.approval_timeout_s or DEFAULT_APPROVAL_S)
    return ctx.now() + timedelta(seconds=max(waits, default=0))
