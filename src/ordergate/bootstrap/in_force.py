"""The configuration in force, at the one place from which everything reads it that may change without a restart."""

from typing import Any

from ordergate.config import Config
from ordergate.domain.delays import WorkerTerms
from ordergate.domain.instruments import Instrument


def seen(config: Config) -> dict[str, Any]:
    """What decisions see of it, by the names of `View`."""
    return {
        "signals": config.signal_routing(),
        "switched_off": config.orders.switched_off,
        "rates": config.rates,
        "gates": config.gate_terms(),
    }


class InForce:
    """Holds it; its methods answer from what is in force when they are called.

    Attributes:
        config: put there whole, never changed.
    """

    def __init__(self, config: Config) -> None:
        self.config = config

    def catalogue(self, symbol: str) -> Instrument | None:
        """See `Config.catalogue`."""
        return self.config.catalogue(symbol)

    def worker_terms(self, fund_id: str) -> WorkerTerms:
        """See `Config.worker_terms`."""
        return self.config.worker_terms(fund_id)
