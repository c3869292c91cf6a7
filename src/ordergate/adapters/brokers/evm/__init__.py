"""A wallet on a chain of Ethereum's kind, through web3.py (the extra `evm`).

Where no such wallet is configured, nothing of that is loaded.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ordergate.adapters.brokers.evm.settings import EvmSettings
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.secrets import Secret

if TYPE_CHECKING:
    from ordergate.adapters.brokers.evm.broker import EvmBroker

__all__ = ["EvmSettings", "broker_of"]


def broker_of(
    name: str, settings: EvmSettings, path: Path | None, clock: Clock, secret: Callable[[], Secret]
) -> "EvmBroker":
    """The broker; see `EvmBroker`.

    Raises:
        ImportError: the extra `evm` is not installed.
    """
    from ordergate.adapters.brokers.evm.broker import EvmBroker

    return EvmBroker(name, settings, path, clock, secret)
