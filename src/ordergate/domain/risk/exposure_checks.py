"""Checks of what a fund would come to hold: margin, leverage, positions, exposure, volume and loss.

What makes an exposure smaller passes though the exposure is above its limit.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from ordergate.domain.money import ZERO
from ordergate.domain.orders.decision import RiskCode, RiskRefusal
from ordergate.domain.risk.account import PeriodKind
from ordergate.domain.risk.case import Case
from ordergate.domain.risk.conduct_checks import reduces
from ordergate.domain.risk.exposure import Group
from ordergate.domain.risk.limits import Level, Limits, Scope
from ordergate.domain.risk.refusing import above, no_rate, shown


def margin(case: Case) -> RiskRefusal | None:
    """The fund's own money covers the margin, with all that may still be filled."""
    if case.limits.nav_usd is None:
        return None
    more, bound, equity = case.more_margin_usd, case.margin_usd, case.equity_usd
    if more is None or bound is None or equity is None:
        return no_rate(case)
    if more <= 0 or bound + more <= equity:
        return None
    reason = f"Insufficient margin: {shown(more)} USD needed, {shown(equity - bound)} USD free"
    return RiskRefusal(RiskCode.MARGIN, reason, {"value": more, "free": equity - bound, "equity": equity})


OLDEST_FIGURE: Final = timedelta(seconds=60)
"""An older figure of a broker's is none: it refuses."""


def broker_margin(case: Case) -> RiskRefusal | None:
    """The broker's own figure of free margin covers it, where the broker tells one.

    By the leverage that limits state; where they state none, by the account's own.
    """
    said = case.ground.broker_account
    if said is None or (more := case.more_margin_usd) is None or more <= 0:
        return None
    if case.limits.leverage is None:
        more /= said.leverage
    age = case.ground.now - said.at
    if age > OLDEST_FIGURE:
        reason = f"what {case.asked.broker} said of free margin is {age.total_seconds():.0f} s old"
        return RiskRefusal(RiskCode.BROKER_MARGIN, reason)
    free = case.usd(said.free_margin, said.currency)
    if free is not None and more <= free:
        return None
    if free is None:
        return no_rate(case)
    reason = f"Insufficient margin: {shown(more)} USD needed, {shown(free)} USD free at {case.asked.broker}"
    return RiskRefusal(RiskCode.BROKER_MARGIN, reason, {"value": more, "free": free})


def leverage(case: Case) -> RiskRefusal | None:
    """Gross exposure is no larger multiple of what the fund is worth now."""
    times = case.limits.max_leverage
    if times is None:
        return None
    equity = case.equity_usd
    if equity is None:
        return no_rate(case)
    return _exposure(case, RiskCode.LEVERAGE, "max_leverage", times * max(equity, ZERO))


def position(case: Case) -> RiskRefusal | None:
    """The position becomes neither too large nor too much worth: the fund's, a strategy's in it, all funds' together.

    A strategy's is what the fills of its own orders have built in that fund, with all that its working orders there
    may still fill; what it has in other funds is not added.
    """
    for scope, stated in case.levels:
        if stated.max_position_qty is stated.max_position_usd is stated.max_position_pct is None:
            continue
        sizes, worths = _moved(case, scope)
        others = _of_other_funds(case) if scope[0] is Level.SYMBOL else (ZERO, ZERO)
        for name, moved, limit, there, unit in (
            ("max_position_qty", sizes, stated.max_position_qty, others[0], str(case.instrument.unit)),
            ("max_position_usd", worths, stated.max_position_usd, others[1], "USD"),
            ("max_position_pct", worths, _of_nav(stated, stated.max_position_pct), ZERO, "USD"),
        ):
            if limit is None:
                continue
            if there is None or None in moved[1]:
                return no_rate(case)
            far = _beyond(moved, max(limit - there, ZERO))
            if far is not None:
                return above(RiskCode.POSITION, scope, name, far + there, limit, unit)
    return None


def _moved(case: Case, scope: Scope) -> tuple[Any, Any]:
    """The least and the most that may come to be held, in quantity and in US dollars: as it is, and with the order."""
    if scope[0] is Level.STRATEGY:
        cell = case.strategy_cell
        before, after = case.worth_before(cell), case.worth_after(cell)
    else:
        cell, before, after = case.cell, case.before, case.after
    worths = (case.usd(before.down), case.usd(before.up)), (case.usd(after.down), case.usd(after.up))
    return (cell.quantities(), case.quantities_after(cell)), worths


def _of_other_funds(case: Case) -> tuple[Decimal, Decimal | None]:
    """How large, and how much worth, their positions of the symbol may become, without their signs."""
    cells = [cell for cell in case.ground.exposures.of_symbol(case.asked.symbol) if cell is not case.cell]
    size = sum((max(map(abs, cell.quantities())) for cell in cells), ZERO)
    return size, case.usd(sum((cell.with_order(1, ZERO, ZERO).gross for cell in cells), ZERO))


def _of_nav(stated: Limits, share: Decimal | None) -> Decimal | None:
    return None if share is None or stated.nav_usd is None else share * stated.nav_usd


def _beyond(moved: Any, limit: Decimal) -> Decimal | None:
    """The end of a range, without its sign, that an order moves (further) beyond a limit; None where it moves neither.

    Each end is looked at for itself: who is too short already may not become too long by one order.
    """
    (least_before, most_before), (least, most) = moved
    if most > limit and most > most_before:
        return Decimal(most)
    return Decimal(-least) if -least > limit and least < least_before else None


def gross_exposure(case: Case) -> RiskRefusal | None:
    """Long and short together do not exceed what the fund, and the firm, may have."""
    stated = case.limits
    if stated.max_gross_exposure_pct is not None and stated.nav_usd is not None:
        limit = stated.max_gross_exposure_pct * stated.nav_usd
        refusal = _exposure(case, RiskCode.GROSS_EXPOSURE, "max_gross_exposure_pct", limit)
        if refusal is not None:
            return refusal
    for scope, others in case.levels:
        if others.max_gross_exposure_usd is not None:
            refusal = _exposure(
                case,
                RiskCode.GROSS_EXPOSURE,
                "max_gross_exposure_usd",
                others.max_gross_exposure_usd,
                scope=scope,
            )
            if refusal is not None:
                return refusal
    return None


def _exposure(
    case: Case,
    code: RiskCode,
    name: str,
    limit: Decimal,
    wanted: Callable[[Group], bool] = lambda _group: True,
    scope: Scope | None = None,
) -> RiskRefusal | None:
    scope = scope or (Level.FUND, case.fund.fund_id)
    more = case.usd(case.after.gross - case.before.gross)
    present = case.gross_usd("" if scope[0] is Level.FIRM else case.fund.fund_id, wanted)
    if more is None or present is None:
        return no_rate(case)
    if more <= 0 or present + more <= limit:
        return None
    return above(code, scope, name, present + more, limit, "USD")


def net_exposure(case: Case) -> RiskRefusal | None:
    """Long less short does not exceed what the fund may have, on either side."""
    stated = case.limits
    if stated.max_net_exposure_pct is None or stated.nav_usd is None:
        return None
    net = case.net_usd()
    down, up = case.usd(case.after.down - case.before.down), case.usd(case.after.up - case.before.up)
    if net is None or down is None or up is None:
        return no_rate(case)
    limit, scope = stated.max_net_exposure_pct * stated.nav_usd, (Level.FUND, case.fund.fund_id)
    far = _beyond((net, (net[0] + down, net[1] + up)), limit)
    return None if far is None else above(
        RiskCode.NET_EXPOSURE, scope, "max_net_exposure_pct", far, limit, "USD"
    )  # fmt: skip


def class_exposure(case: Case) -> RiskRefusal | None:
    """Not too much in one asset class."""
    own = case.cell.group.asset_class
    return _share(
        case, RiskCode.CLASS_EXPOSURE, "max_asset_class_pct", lambda group: group.asset_class is own
    )


def sector_exposure(case: Case) -> RiskRefusal | None:
    """Not too much in one sector; instruments without a sector are one."""
    own = case.cell.group.sector
    return _share(case, RiskCode.SECTOR_EXPOSURE, "max_sector_pct", lambda group: group.sector == own)


def country_exposure(case: Case) -> RiskRefusal | None:
    """Not too much in one country; instruments without a country are one."""
    own = case.cell.group.country
    return _share(case, RiskCode.COUNTRY_EXPOSURE, "max_country_pct", lambda group: group.country == own)


def _share(case: Case, code: RiskCode, name: str, wanted: Callable[[Group], bool]) -> RiskRefusal | None:
    share, nav = getattr(case.limits, name), case.limits.nav_usd
    return None if share is None or nav is None else _exposure(case, code, name, share * nav, wanted)


def daily_volume(case: Case) -> RiskRefusal | None:
    """What is traded of the symbol in a day, and may still be filled, is not too much."""
    for scope, stated in case.levels if case.asks_more else ():
        for name, value, limit, unit in _volumes(case, scope, stated):
            if limit is not None and (value is None or value > limit):
                return no_rate(case) if value is None else above(
                    RiskCode.DAILY_VOLUME, scope, name, value, limit, unit
                )  # fmt: skip
    return None


def _volumes(
    case: Case, _scope: Scope, stated: Any
) -> Iterator[tuple[str, Decimal | None, Decimal | None, str]]:
    daily, cell, size = case.ground.daily, case.cell, case.instrument.contract_size
    quantity = cell.buying + cell.selling + case.more + (ZERO if daily is None else daily.quantity)
    if stated.max_daily_volume_qty is not None:
        yield "max_daily_volume_qty", quantity, stated.max_daily_volume_qty, str(case.instrument.unit)
    if stated.max_daily_volume_usd is not None:
        open_value = cell.buying_value + cell.selling_value + max(case.more_value, case.more * case.price)
        worth = case.usd(open_value * size + (ZERO if daily is None else daily.value))
        yield "max_daily_volume_usd", worth, stated.max_daily_volume_usd, "USD"
    if stated.max_adv_pct is not None:
        average = case.instrument.average_daily_volume
        share = None if average is None else average * stated.max_adv_pct
        yield "max_adv_pct", quantity, ZERO if share is None else share, str(case.instrument.unit)


def loss(case: Case) -> RiskRefusal | None:
    """The fund has not lost too much today, this week or this month; what makes a position smaller passes."""
    stated, account = case.limits, case.ground.account
    if account is None or not case.asks_more:
        return None
    for period in account.periods:
        name = LOSS_LIMITS[period.kind]
        share = getattr(stated, name)
        if share is None:
            continue
        equity = case.equity_usd
        if equity is None:
            return no_rate(case)
        lost = period.nav_usd - equity
        limit = share * period.nav_usd
        if lost >= limit and lost > 0 and not reduces(case):
            reason = f"{shown(lost)} USD lost since the {period.kind} began: {name} is {shown(limit)} USD"
            return RiskRefusal(RiskCode.LOSS, reason, {"value": lost, "limit": limit})
    return None


LOSS_LIMITS: Final = {
    PeriodKind.DAY: "daily_loss_halt_pct",
    PeriodKind.WEEK: "weekly_loss_halt_pct",
    PeriodKind.MONTH: "monthly_loss_halt_pct",
}
