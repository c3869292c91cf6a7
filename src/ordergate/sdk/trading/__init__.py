"""From signals to orders: a service, the interface that brokers are written against, and ordergate behind it."""

from ordergate.sdk.trading.gate_broker import GateBroker
from ordergate.sdk.trading.models import (
    BrokerInterface,
    OrderModel,
    OrderResult,
    OrderState,
    OrderStatus,
    RiskPolicyViolation,
    SignalModel,
    state_of,
)
from ordergate.sdk.trading.service import (
    TradeExecutionService,
    create_order_from_signal,
    log_failure,
    track_order,
    validate,
)

__all__ = [
    "BrokerInterface",
    "GateBroker",
    "OrderModel",
    "OrderResult",
    "OrderState",
    "OrderStatus",
    "RiskPolicyViolation",
    "SignalModel",
    "TradeExecutionService",
    "create_order_from_signal",
    "log_failure",
    "state_of",
    "track_order",
    "validate",
]
