"""Checks of how one trades: how fast, how often the same, short or not, and whether at all."""

from datetime import timedelta
from decimal import Decimal

from ordergate.domain.money import text
from ordergate.domain.orders.decision import RiskCode, RiskRefusal
from ordergate.domain.risk.case import Case
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import shown_scope
from ordergate.domain.risk.refusing import above, shown


def message_rate(case: Case) -> RiskRefusal | None:
    """Not too many orders or messages within a second; a reserve is kept for cancels."""
    traffic, now = case.ground.traffic, case.ground.now
    for scope, stated in case.levels:
        most = stated.max_orders_per_s
        if most is not None and case.asked.is_new and (made := traffic.orders(scope, now)) >= most:
            return above(RiskCode.MESSAGE_RATE, scope, "max_orders_per_s", Decimal(made + 1), most, "orders")
        if stated.max_messages_per_s is None:
            continue
        most = max(stated.max_messages_per_s - (stated.cancel_reserve or 0), 0)
        if (sent := traffic.messages(scope, now)) >= most:
            name, unit = "max_messages_per_s", "messages"
            return above(RiskCode.MESSAGE_RATE, scope, name, Decimal(sent + 1), most, unit)
    return None


def duplicate(case: Case) -> RiskRefusal | None:
    """The same order was not made a moment ago under another key."""
    windows = [s.duplicate_window_s for _scope, s in case.levels if s.duplicate_window_s]
    if not windows or not case.asked.is_new:
        return None
    made, window = case.ground.last_made(), max(windows)
    if made is None or case.ground.now - made >= timedelta(seconds=window):
        return None
    ago = Decimal((case.ground.now - made) // timedelta(milliseconds=1)) / 1000
    reason = f"the same order was made {text(ago)} s ago under another key: duplicate_window_s is {window}"
    return RiskRefusal(RiskCode.DUPLICATE, reason, {"value": ago, "limit": Decimal(window)})


def repeated(case: Case) -> RiskRefusal | None:
    """The strategy has not run more often than it may before a named person enables it again."""
    for scope, stated in case.levels:
        if stated.max_runs is not None and case.asked.is_new and case.ground.runs >= stated.max_runs:
            reason = (
                f"strategy {scope[1]} has had {case.ground.runs} orders; max_runs is {stated.max_runs}: "
                "a person must enable it again"
            )
            numbers = {"value": Decimal(case.ground.runs + 1), "limit": Decimal(stated.max_runs)}
            return RiskRefusal(RiskCode.REPEATED, reason, numbers)
    return None


def shorting(case: Case) -> RiskRefusal | None:
    """The position does not become short where that is not allowed."""
    least, present = case.quantities[0], case.cell.quantities()[0]
    if least >= 0 or least >= present:
        return None
    for scope, stated in case.levels:
        if stated.enable_shorting is False:
            reason = f"{case.asked.symbol} could become {shown(least)}: {shown_scope(scope)} does not allow shorting"
            return RiskRefusal(RiskCode.SHORTING, reason, {"value": least})
    return None


def kill_switch(case: Case) -> RiskRefusal | None:
    """Trading is not halted; where it is reduce-only, the order makes a position smaller, or takes something back."""
    halt = case.ground.halt
    if halt is None:
        return None
    scope = shown_scope(halt.scope)
    if halt.mode is Mode.HALT:
        return RiskRefusal(RiskCode.HALTED, f"{scope} is halted by {halt.by}: {halt.reason}")
    if reduces(case) if case.asked.operation.is_trade else case.asked.operation.reduces:
        return None
    return RiskRefusal(RiskCode.REDUCE_ONLY, f"{scope} may only reduce, by {halt.by}: {halt.reason}")


def reduces(case: Case) -> bool:
    """Whether the order, filled with all that works beside it, makes a position smaller and opens none."""
    held, (least, most) = case.cell.held, case.quantities
    return (held > 0 and least >= 0) if case.asked.side.sign < 0 else (held < 0 and most <= 0)
