"""Connections to the configured NATS server, and brokers behind it."""

from ordergate.adapters.brokers.bus import BusBroker, BusSettings
from ordergate.adapters.nats import Connection
from ordergate.adapters.nats.letters import DeadLetters
from ordergate.application.ports.clock import Clock
from ordergate.config import Config
from ordergate.config.nats import NatsSection


def connection_of(section: NatsSection, name: str, *, buffers: bool = True) -> Connection:
    """One of its own, made when it is first needed; see `Connection`.

    Raises:
        ConfigError: the credentials are not there.
    """
    return Connection(section.servers, section.login(), name, buffers=buffers)


def bus_broker(config: Config, name: str, settings: BusSettings, clock: Clock) -> BusBroker:
    """A broker behind NATS. Raises ConfigError as `connection_of`."""
    connection = connection_of(config.nats, f"ordergate broker {name}", buffers=False)
    return BusBroker(name, settings, connection, DeadLetters(connection, f"broker {name}"), clock)
