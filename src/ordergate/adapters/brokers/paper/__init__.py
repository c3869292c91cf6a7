"""The paper venue: a price-time matching venue of our own, driven by quotes, behind the broker port."""

from ordergate.adapters.brokers.paper.broker import PaperBroker
from ordergate.adapters.brokers.paper.settings import Faults, PaperSettings

__all__ = ["Faults", "PaperBroker", "PaperSettings"]
