"""Kinds of orders that are switched off, and how fills are looked after."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from ordergate.config.funds import checked
from ordergate.domain.money import parse_positive
from ordergate.domain.orders.states import OrderType


class OrdersSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether new orders with a limit price, or with a stop price, are taken at all; limits may allow fewer."""

    limit: bool = True
    stop: bool = True

    @property
    def switched_off(self) -> frozenset[OrderType]:
        """The types that are not taken: a stop_limit order has both prices, and needs both."""
        kinds = OrderType
        return frozenset(
            kind for kind in kinds if (kind.has_limit and not self.limit) or (kind.has_stop and not self.stop)
        )


class FillsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often brokers of one's own class are looked at that have no `poll_ms`, and when slippage is told of.

    `slippage_alert_pips` is of funds that say nothing of alerts themselves.
    """

    look_every_ms: Annotated[int, Meta(ge=1, le=3_600_000)] = 1_000
    slippage_alert_pips: Decimal | None = None


def check_fills(section: FillsSection, where: str) -> None:
    """Raises ConfigError unless the slippage is above zero."""
    checked(parse_positive, section.slippage_alert_pips, f"{where}fills.slippage_alert_pips")
