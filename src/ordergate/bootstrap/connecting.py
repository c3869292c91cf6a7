"""Connections to the configured NATS server."""

from ordergate.adapters.nats import Connection
from ordergate.config.nats import NatsSection


def connection_of(section: NatsSection, name: str, *, buffers: bool = True) -> Connection:
    """One of its own, made when it is first needed; see `Connection`.

    Raises:
        ConfigError: the credentials are not there.
    """
    return Connection(section.servers, section.login(), name, buffers=buffers)
