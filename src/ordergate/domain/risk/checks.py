"""The checks of the risk gate: small, pure, run in order; the first refusal wins.

An order that is refused here is kept as REJECTED with the code.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.commands import SubmitOrder


class RiskRefusal(Struct, frozen=True, gc=False):
    """Why an order may not be sent."""

    code: str
    reason: str


Check = Callable[[SubmitOrder, Fund, Instrument], RiskRefusal | None]


def asset_class(order: SubmitOrder, fund: Fund, instrument: Instrument) -> RiskRefusal | None:
    """The fund may trade instruments of this class."""
    if not fund.asset_classes or instrument.asset_class in fund.asset_classes:
        return None
    classes = ", ".join(fund.asset_classes)
    reason = f"{order.symbol} is of class {instrument.asset_class}; fund {fund.fund_id} trades {classes}"
    return RiskRefusal("RISK_ASSET_CLASS", reason)


def strategy(order: SubmitOrder, fund: Fund, _instrument: Instrument) -> RiskRefusal | None:
    """The strategy may write into the fund."""
    if not fund.strategies or order.strategy_id in fund.strategies:
        return None
    named = order.strategy_id or "an order without strategy"
    reason = f"{named} may not trade for fund {fund.fund_id}; {', '.join(fund.strategies)} may"
    return RiskRefusal("RISK_STRATEGY", reason)


CHECKS: Final[tuple[Check, ...]] = (asset_class, strategy)


def first_refusal(order: SubmitOrder, fund: Fund, instrument: Instrument) -> RiskRefusal | None:
    """What the first check that refuses says; None where all pass."""
    for check in CHECKS:
        refusal = check(order, fund, instrument)
        if refusal is not None:
            return refusal
    return None
