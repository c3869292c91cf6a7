"""Exchanges, reached through ccxt."""

from ordergate.adapters.brokers.ccxt.broker import CcxtBroker
from ordergate.adapters.brokers.ccxt.settings import CcxtSettings

__all__ = ["CcxtBroker", "CcxtSettings"]
