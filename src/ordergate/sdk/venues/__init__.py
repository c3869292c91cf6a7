"""Orders to exchanges, chains and wallets, each answered by a handshake; positions that follow from those."""

from ordergate.sdk.venues.codes import ErrorCode
from ordergate.sdk.venues.execution import ExecutionManager
from ordergate.sdk.venues.handshakes import ExecutionHandshake, ExecutionHandshakeStatus
from ordergate.sdk.venues.interfaces import CEXInterface, OnChainInterface, WalletInterface
from ordergate.sdk.venues.models import Order
from ordergate.sdk.venues.names import OrderOperation, VenueType
from ordergate.sdk.venues.positions import PositionMonitor, PositionUpdateHandler
from ordergate.sdk.venues.routing import VenueInterfaceManager

__all__ = [
    "CEXInterface",
    "ErrorCode",
    "ExecutionHandshake",
    "ExecutionHandshakeStatus",
    "ExecutionManager",
    "OnChainInterface",
    "Order",
    "OrderOperation",
    "PositionMonitor",
    "PositionUpdateHandler",
    "VenueInterfaceManager",
    "VenueType",
    "WalletInterface",
]
