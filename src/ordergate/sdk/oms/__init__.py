"""Order management in process: orders, fills, positions with tax lots, and what happens to them."""

from ordergate.domain.risk.limits import Limits
from ordergate.sdk.oms.holdings import Position, Rate, TaxLot
from ordergate.sdk.oms.records import Fill, FundConfig, Order, OrderUpdate
from ordergate.sdk.oms.service import OrderService

__all__ = [
    "Fill",
    "FundConfig",
    "Limits",
    "Order",
    "OrderService",
    "OrderUpdate",
    "Position",
    "Rate",
    "TaxLot",
]
