"""A broker behind NATS, served by a connector in another process."""

from ordergate.adapters.brokers.bus.broker import BusBroker
from ordergate.adapters.brokers.bus.settings import BusSettings

__all__ = ["BusBroker", "BusSettings"]
