"""Approved signals to orders in two steps, fills that are told by others, and positions beside the broker's."""

from ordergate.sdk.signals.alerts import send_alert
from ordergate.sdk.signals.following import FillSubscription, subscribe_fills
from ordergate.sdk.signals.orders import OrderManager
from ordergate.sdk.signals.positions import PositionDiscrepancy, PositionReconciler
from ordergate.sdk.signals.tracking import FillTracker

__all__ = [
    "FillSubscription",
    "FillTracker",
    "OrderManager",
    "PositionDiscrepancy",
    "PositionReconciler",
    "send_alert",
    "subscribe_fills",
]
