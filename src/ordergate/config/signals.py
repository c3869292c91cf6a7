"""What signals become, and for how long one is known again."""

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from ordergate.application.view import SignalRouting
from ordergate.config.errors import ConfigError
from ordergate.config.funds import checked, window
from ordergate.config.orders import OrdersSection
from ordergate.domain.money import parse_positive
from ordergate.domain.orders.states import OrderType, Protection
from ordergate.domain.signals import SKEW

_DEFAULT_FUND: Final = "paper-momentum"


class DedupeBy(StrEnum):
    """What makes a signal the same signal: its id, or its `idempotency_key` where it has one."""

    SIGNAL_ID = "signal_id"
    IDEMPOTENCY_KEY = "idempotency_key"


class Signals(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a signal becomes: an order of this fund and type, its fills protected by that.

    `max_slippage_pips` is what each of these orders bears that has no stop price and whose instrument counts in pips;
    left out, any. The same signal is one order for `dedupe_window` (24h, or forever; left out, as its fund says), by
    `dedupe_by`. Without `dedupe` it is for no longer than the same message may come again.
    """

    fund: str = _DEFAULT_FUND
    order_type: OrderType = OrderType.MARKET
    protect: Protection = Protection.NONE
    max_slippage_pips: Decimal | None = None
    dedupe: bool = True
    dedupe_window: str | None = None
    dedupe_by: DedupeBy = DedupeBy.SIGNAL_ID


def check_signals(section: Signals, orders: OrdersSection, where: str) -> None:
    """Raises ConfigError unless the window is one, the slippage above zero, and orders of that type are taken."""
    checked(parse_positive, section.max_slippage_pips, f"{where}signals.max_slippage_pips")
    if section.dedupe_window is not None:
        window(section.dedupe_window, f"{where}signals.dedupe_window")
    if section.order_type in orders.switched_off:
        raise ConfigError(
            f"{where}signals.order_type: {section.order_type} orders are switched off under [orders]: take another type"
        )


def routing_of(section: Signals, max_age_s: int) -> SignalRouting:
    """What signals become, for decisions.

    Args:
        max_age_s: for how long a signal that nobody waits for makes an order, and so may make a second one: no window
            is shorter.
    """
    least = timedelta(seconds=max_age_s) + SKEW
    own = None if section.dedupe_window is None else window(section.dedupe_window, "signals.dedupe_window")
    return SignalRouting(
        fund=section.fund,
        order_type=section.order_type,
        protect=section.protect,
        max_slippage_pips=section.max_slippage_pips,
        by_key=section.dedupe_by is DedupeBy.IDEMPOTENCY_KEY,
        least_window=least,
        window=least if not section.dedupe else own,
        windowed=not section.dedupe or section.dedupe_window is not None,
    )
