"""A hub of configuration, wired up: what it says of this service, and this service in its register."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from ordergate import __version__
from ordergate.adapters.clock import SystemClock
from ordergate.adapters.config.http import Hub
from ordergate.adapters.config.hub import HubSource
from ordergate.adapters.config.kept import Kept
from ordergate.adapters.config.presence import Presence
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.connecting import connection_of
from ordergate.config import Config
from ordergate.config.operational import overlay, settings_of

NEVER_SAID: Final = Kept(
    revision="defaults", kept_at=datetime.fromtimestamp(0, UTC), values=overlay(settings_of())
)
"""What counts of a hub that has said nothing yet: the defaults of the operational settings."""


def translated(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a hub says of an execution service, as a part of the configuration. Raises ConfigError."""
    return overlay(settings_of(document))


def hub_source(config: Config, secrets: Secrets) -> HubSource | None:
    """The hub, where one is configured; updates come over the configured server of NATS, where there is one.

    Raises:
        ConfigError: the server's credentials are not there.
    """
    section = config.hub
    if section.url is None:
        return None
    updates = connection_of(config.nats, secrets, "ordergate hub") if config.nats.servers else None
    return HubSource(Hub(section.url, section.service), translated, updates)


@asynccontextmanager
async def in_register(config: Config, address: str) -> AsyncIterator[None]:
    """Meanwhile the service is in the register of its hub, where one is configured, as far as that can be reached.

    Args:
        address: where this process serves, such as http://127.0.0.1:8012.
    """
    section = config.hub
    if section.url is None:
        yield
        return
    instance = f"{socket.gethostname()}-{os.getpid()}"
    presence = Presence(Hub(section.url, section.service), SystemClock(), address, __version__, instance)
    running = asyncio.get_running_loop().create_task(presence.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await presence.end()
