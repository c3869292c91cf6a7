"""How a check refuses: the words and the numbers that go into the journal."""

from decimal import Decimal

from ordergate.domain.money import divide, text
from ordergate.domain.orders.decision import RiskCode, RiskRefusal
from ordergate.domain.risk.case import Case
from ordergate.domain.risk.limits import Scope, shown_scope


def at_most(case: Case, name: str, value: Decimal | None, code: RiskCode, unit: str) -> RiskRefusal | None:
    """Refuses a value above the limit of that name, of whichever level has one."""
    for scope, stated in case.levels if case.asks_more else ():
        limit = getattr(stated, name)
        if limit is not None and value is not None and value > limit:
            return above(code, scope, name, value, limit, unit)
    return None


def above(
    code: RiskCode, scope: Scope, name: str, value: Decimal, limit: Decimal | int, unit: str
) -> RiskRefusal:
    """A value that is above a limit."""
    reason = f"{shown(value)} {unit} is above {name} of {shown_scope(scope)}: {shown(Decimal(limit))}"
    return RiskRefusal(code, reason, {"value": value, "limit": Decimal(limit)})


def shown(value: Decimal) -> str:
    """A number as people read it."""
    return text(divide(value, Decimal(1), 8))


def no_rate(case: Case) -> RiskRefusal:
    """What the fund holds cannot be valued."""
    reason = f"what fund {case.fund.fund_id} holds cannot be converted to USD: a rate is missing"
    return RiskRefusal(RiskCode.NO_RATE, reason)
