"""The orders that are measured: marketable limit orders of one symbol, a buy and a sell in turn.

So a position opens and closes all the time, as in the figures of others that these are compared with.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from ordergate.config import DEFAULT_FUND
from ordergate.config.limits import LimitSections
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side
from ordergate.domain.risk.limits import PAPER

SYMBOL: Final = "EURUSD"
BID: Final = Decimal("1.08470")
ASK: Final = Decimal("1.08475")
LOT: Final = Decimal("0.01")
_FAR_BELOW: Final = Decimal("1.00000")
RICH: Final = LimitSections(funds={DEFAULT_FUND: replace(PAPER, nav_usd=Decimal(10) ** 12)})
"""The built-in fund's limits, and money for any number of orders."""

RICH_TOML: Final = """
[limits.funds.paper-momentum]
nav_usd = 1000000000000
leverage = { fx = 30, metals = 30 }
max_order_notional_usd = 1000000
max_gross_exposure_pct = "none"
max_net_exposure_pct = "none"
max_position_pct = "none"
max_sector_pct = "none"
max_asset_class_pct = "none"
max_country_pct = "none"
allowed_order_types = []
allowed_asset_classes = []
enable_shorting = true
"""
"""The same as a configuration file has it."""


def order(number: int, symbol: str = SYMBOL, fund: str = DEFAULT_FUND) -> SubmitOrder:
    """The order of that number: even ones buy."""
    buys = number % 2 == 0
    return _limit(number, symbol, fund, Side.BUY if buys else Side.SELL, ASK if buys else BID)


def resting(number: int) -> SubmitOrder:
    """An order that finds nobody at its limit and works on."""
    return _limit(number, SYMBOL, DEFAULT_FUND, Side.BUY, _FAR_BELOW)


def _limit(number: int, symbol: str, fund: str, side: Side, price: Decimal) -> SubmitOrder:
    return SubmitOrder(
        fund_id=fund,
        symbol=symbol,
        side=side,
        quantity=LOT,
        order_type=OrderType.LIMIT,
        limit_price=price,
        key_kind="idempotency_key",
        key=f"key-{number}",
    )


def quote(at: datetime, symbol: str = SYMBOL) -> Quote:
    """The market that fills them."""
    return Quote(symbol, at, BID, ASK, pinned=True)
