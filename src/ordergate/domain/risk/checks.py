"""The checks of the risk gate: small, pure, run in order; the first refusal wins.

An order that is refused here is kept as REJECTED with the code; a change is refused, and its order stays as it is.
"""

from collections.abc import Callable, Container, Mapping
from functools import lru_cache
from typing import Final

from ordergate.domain.orders.decision import RiskCode, RiskRefusal
from ordergate.domain.risk import conduct_checks as conduct
from ordergate.domain.risk import exposure_checks as exposure
from ordergate.domain.risk import order_checks as order
from ordergate.domain.risk.case import Case

Check = Callable[[Case], RiskRefusal | None]

CHECKS: Final[tuple[Check, ...]] = (
    order.limits,
    order.broker,
    order.operation,
    order.order_type,
    order.order_kind,
    order.asset_class,
    order.strategy,
    order.restricted,
    order.split,
    order.order_qty,
    order.price,
    order.rate,
    order.order_notional,
    order.price_collar,
    order.slippage,
    exposure.margin,
    exposure.broker_margin,
    exposure.leverage,
    exposure.position,
    exposure.gross_exposure,
    exposure.net_exposure,
    exposure.class_exposure,
    exposure.sector_exposure,
    exposure.country_exposure,
    exposure.daily_volume,
    exposure.loss,
    conduct.message_rate,
    conduct.repeated,
    conduct.duplicate,
    conduct.shorting,
    conduct.kill_switch,
)

OF_OPERATIONS: Final[tuple[Check, ...]] = (
    order.limits,
    order.broker,
    order.operation,
    order.order_type,
    order.order_kind,
    order.asset_class,
    order.strategy,
    order.restricted,
    order.order_qty,
    order.rate,
    order.order_notional,
    conduct.message_rate,
    conduct.repeated,
    conduct.duplicate,
    conduct.kill_switch,
)
"""Those of what is no trade: it opens no position, and is measured by the token that it moves."""


OF_WORTH: Final = (
    "nav_usd",
    "max_order_notional_usd",
    "max_position_usd",
    "max_gross_exposure_usd",
    "max_daily_volume_usd",
    "approve_above_usd",
    "price_collar_pct",
)
"""Limits that measure what an order is worth."""

MEASURES: Final[Mapping[Check, tuple[str, ...]]] = {
    order.broker: ("allowed_brokers",),
    order.order_type: ("allowed_order_types",),
    order.restricted: ("restricted_symbols",),
    order.order_qty: ("max_order_qty",),
    order.price: OF_WORTH,
    order.rate: OF_WORTH,
    order.order_notional: ("max_order_notional_usd",),
    order.price_collar: ("price_collar_pct",),
    exposure.margin: ("nav_usd",),
    exposure.leverage: ("max_leverage",),
    exposure.position: ("max_position_qty", "max_position_usd", "max_position_pct"),
    exposure.gross_exposure: ("max_gross_exposure_pct", "max_gross_exposure_usd"),
    exposure.net_exposure: ("max_net_exposure_pct",),
    exposure.class_exposure: ("max_asset_class_pct",),
    exposure.sector_exposure: ("max_sector_pct",),
    exposure.country_exposure: ("max_country_pct",),
    exposure.daily_volume: ("max_daily_volume_qty", "max_daily_volume_usd", "max_adv_pct"),
    exposure.loss: tuple(exposure.LOSS_LIMITS.values()),
    conduct.message_rate: ("max_orders_per_s", "max_messages_per_s"),
    conduct.repeated: ("max_runs",),
    conduct.duplicate: ("duplicate_window_s",),
    conduct.shorting: ("enable_shorting",),
}
"""The limits that a check is about: where no level states one of them, it passes. The others always run."""


@lru_cache(maxsize=256)
def needed(checks: tuple[Check, ...], stated: frozenset[str]) -> tuple[Check, ...]:
    """Those that can refuse, where just these limits are stated."""
    return tuple(check for check in checks if check not in MEASURES or not stated.isdisjoint(MEASURES[check]))


def first_refusal(case: Case, waived: Container[RiskCode] = ()) -> tuple[str, RiskRefusal] | None:
    """The check that refuses, and what it says; None where all pass, or are waived."""
    checks = CHECKS if case.asked.operation.is_trade else OF_OPERATIONS
    for check in needed(checks, case.ground.stated):
        refusal = check(case)
        if refusal is not None and refusal.code not in waived:
            return check.__name__, refusal
    return None
