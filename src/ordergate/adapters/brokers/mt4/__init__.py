"""MetaTrader 4, through a folder that an expert advisor in the terminal shares with us."""

from ordergate.adapters.brokers.mt4.broker import Mt4Broker
from ordergate.adapters.brokers.mt4.settings import Mt4Settings

__all__ = ["Mt4Broker", "Mt4Settings"]
