"""Anyone's class with `place_order`, `get_order_status` and `close_order`, behind the broker port.

Where no such class is configured, nothing is read here but how one is: what checks its tickets takes a while to load.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ordergate.adapters.brokers.sync.settings import SyncSettings
from ordergate.application.ports.brokers import Broker
from ordergate.application.ports.clock import Clock

if TYPE_CHECKING:
    from ordergate.adapters.brokers.sync.broker import SyncBroker

__all__ = ["SyncSettings", "broker_of", "look_as_often_as"]


def broker_of(
    name: str, settings: SyncSettings, path: Path | None, clock: Clock, made: Any = None
) -> "SyncBroker":
    """The broker that calls a class; raises as that does.

    Args:
        made: the class's instance; None makes one as the settings say.
    """
    from ordergate.adapters.brokers.sync.broker import SyncBroker
    from ordergate.adapters.brokers.sync.ticket import make

    return SyncBroker(
        name, settings, path, clock, make(settings.path or "", settings.options) if made is None else made
    )


def look_as_often_as(broker: Broker, milliseconds: int) -> None:
    """Tells a class of somebody's own how often it is looked at; other brokers speak by themselves."""
    look_every = getattr(broker, "look_every", None)
    if look_every is not None:
        look_every(milliseconds)
