"""Anyone's class with `place_order`, `get_order_status` and `close_order`, behind the broker port.

Where no such class is configured, nothing is read here but how one is: what checks its tickets takes a while to load.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ordergate.adapters.brokers.sync.settings import SyncSettings
from ordergate.application.ports.brokers import Broker
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.secrets import Secret

if TYPE_CHECKING:
    from ordergate.adapters.brokers.sync.broker import SyncBroker

__all__ = ["SyncSettings", "broker_of", "look_as_often_as"]


def broker_of(
    name: str,
    settings: SyncSettings,
    path: Path | None,
    clock: Clock,
    made: Any = None,
    secrets: Mapping[str, Secret] | None = None,
) -> "SyncBroker":
    """The broker that calls a class; raises as that does.

    Args:
        made: the class's instance; None makes one as the settings say.
        secrets: given to it as its keyword argument of that name; None gives it none.
    """
    from ordergate.adapters.brokers.sync.broker import SyncBroker
    from ordergate.adapters.brokers.sync.ticket import make

    if made is None:
        given = {} if secrets is None else {"secrets": secrets}
        made = make(settings.path or "", {**settings.options, **given})
    return SyncBroker(name, settings, path, clock, made)


def look_as_often_as(broker: Broker, milliseconds: int) -> None:
    """Tells a class of somebody's own how often it is looked at; other brokers speak by themselves."""
    look_every = getattr(broker, "look_every", None)
    if look_every is not None:
        look_every(milliseconds)
