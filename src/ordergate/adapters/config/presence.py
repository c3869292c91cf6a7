"""A service in a hub's register: made known, alive every 30 seconds, and taken out at the end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import structlog

from ordergate.adapters.config.answers import HubError
from ordergate.adapters.config.http import Hub, asked
from ordergate.application.ports.clock import Clock

HEARTBEAT_S: Final = 30.0
"""Hubs take a service for gone after three times as long."""
_GOODBYE_S: Final = 2.0
_MISSING: Final = "missing"
_log = structlog.get_logger("ordergate.hub")


class Presence:
    """Keeps a service in the register of its hub; whatever the hub does, nothing else waits for it.

    Args:
        address: where the service is, such as http://127.0.0.1:8012.
        version: of the program.
        instance: names this process among others of the service.
    """

    def __init__(self, hub: Hub, clock: Clock, address: str, version: str, instance: str) -> None:
        self._hub, self._clock = hub, clock
        at = urlsplit(address)
        self._registration = {
            "name": hub.service,
            "host": at.hostname or "",
            "port": at.port or 0,
            "protocol": at.scheme,
            "health_endpoint": "/health",
            "version": version,
            "metadata": {"type": hub.service, "instance_id": instance, "start_time": _millis(clock)},
        }
        self._known = False
        self._wrong: str | None = None

    async def run(self) -> None:
        """Until it is canceled."""
        while True:
            await self._tell()
            await self._clock.sleep(HEARTBEAT_S)

    async def _tell(self) -> None:
        if self._known and not await self._tried("heartbeat", self._heartbeat):
            self._known = self._wrong != _MISSING
            if self._known:
                return
        if not self._known:
            self._known = await self._tried("register", lambda: self._hub.register(self._registration))

    async def _heartbeat(self) -> None:
        sign = {
            "service_name": self._hub.service,
            "status": "healthy",
            "timestamp": _millis(self._clock),
            "metrics": {},
        }
        await self._hub.heartbeat(sign)

    async def _tried(self, what: str, ask: Callable[[], Awaitable[None]]) -> bool:
        """Whether it worked; said once where that changes, and counted each time."""
        try:
            await asked(what, ask)
        except HubError as error:
            if self._wrong != error.outcome:
                _log.warning("the hub's register does not have us", why=str(error))
            self._wrong = error.outcome
            return False
        if self._wrong is not None or what == "register":
            _log.info("the hub's register has us", hub=self._hub.url, service=self._hub.service)
        self._wrong = None
        return True

    async def end(self) -> None:
        """Takes the service out, if it is in and the hub is quick about it."""
        if not self._known:
            return
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._tried("deregister", self._hub.deregister)
        except TimeoutError:
            _log.warning("the hub was not quick enough to take us out of its register", hub=self._hub.url)
        self._known = False


def _millis(clock: Clock) -> int:
    return int(clock.now().timestamp() * 1_000)
