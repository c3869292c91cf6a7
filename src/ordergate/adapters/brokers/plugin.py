"""What a distribution publishes that brings a broker adapter of its own.

It has an entry point in the group `ordergate.brokers`, whose name is what `adapter` says in the configuration, and
which is a `BrokerPlugin`:

    # pyproject.toml
    [project.entry-points."ordergate.brokers"]
    acme = "acme_broker:PLUGIN"

    # acme_broker/__init__.py
    PLUGIN = BrokerPlugin(interface=1, settings=AcmeSettings, secrets=("api_key",), make=make)

    # ordergate.toml
    [brokers.mine]
    adapter = "acme"
    url = "https://api.acme.example"
    api_key_env = "ACME_API_KEY"
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from ordergate.application.ports.brokers import Broker, Capabilities
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.secrets import Secret
from ordergate.domain.instruments import Instrument

GROUP: Final = "ordergate.brokers"
"""The group of entry points."""
INTERFACE: Final = 1
"""The version of what is described here; it rises when a plugin has to be changed."""


class BrokerParts(Struct, frozen=True, kw_only=True):
    """What a broker is made from.

    Attributes:
        name: as orders and funds name it, `Broker.name`.
        settings: the section's other keys, as a checked value of the plugin's own `settings`.
        place: a file of the broker's own, where it needs one: nobody else writes there. None in memory.
        clock: the only one to ask.
        secrets: by the plugin's own names, those that the section says where they are. Each look gives the present
            value, which is another one after a rotation: reveal it where it is used, and keep it nowhere.
        catalogue: the instrument of a symbol, as it is configured when that is called; None if there is none.
    """

    name: str
    settings: Any
    place: Path | None
    clock: Clock
    secrets: Mapping[str, Secret]
    catalogue: Callable[[str], Instrument | None]


class BrokerPlugin(Struct, frozen=True, kw_only=True):
    """An adapter that a distribution publishes.

    Attributes:
        interface: the version of this interface that it is written for: 1.
        settings: the type of its settings, without its secrets. A key that this does not have, and a value of another
            type, is an error of the configuration; so is a ValueError that its `__post_init__` raises.
        make: makes a broker, which is not connected yet; it asks nothing of the network.
        secrets: the names of its secrets. For each, `NAME_env`, `NAME_file` or `NAME_secret` in the section says where
            it is; one that the section does not name is missing in `BrokerParts.secrets`.
        capabilities: what its brokers can do, where that does not depend on settings.
        about: one line for people.
    """

    interface: int
    settings: type[Struct]
    make: Callable[[BrokerParts], Broker]
    secrets: tuple[str, ...] = ()
    capabilities: Capabilities | None = None
    about: str = ""
