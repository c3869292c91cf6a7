"""Connections to the configured NATS server, and brokers behind it."""

from ordergate.adapters.brokers.bus import BusBroker, BusSettings
from ordergate.adapters.nats import Connection
from ordergate.adapters.nats.letters import DeadLetters
from ordergate.application.ports.clock import Clock
from ordergate.application.secrets import Secrets
from ordergate.config import Config
from ordergate.config.nats import NatsSection


def connection_of(section: NatsSection, secrets: Secrets, name: str, *, buffers: bool = True) -> Connection:
    """One of its own, made when it is first needed; see `Connection`.

    Raises:
        ConfigError: the credentials are not there.
        SecretError: the token is not.
    """
    return Connection(section.servers, section.login(secrets), name, buffers=buffers)


def bus_broker(config: Config, secrets: Secrets, name: str, settings: BusSettings, clock: Clock) -> BusBroker:
    """A broker behind NATS. Raises as `connection_of`."""
    connection = connection_of(config.nats, secrets, f"ordergate broker {name}", buffers=False)
    return BusBroker(name, settings, connection, DeadLetters(connection, f"broker {name}"), clock)
