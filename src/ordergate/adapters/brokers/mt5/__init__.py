"""MetaTrader 5: the terminal of this machine, or one elsewhere through an agent beside it."""

from ordergate.adapters.brokers.mt5.broker import Mt5Broker
from ordergate.adapters.brokers.mt5.settings import Mt5Settings

__all__ = ["Mt5Broker", "Mt5Settings"]
