"""How fast a broker is called: so many calls a second at most, and none while it wants a rest."""

import asyncio
from contextlib import suppress

from ordergate.application.health import BrokerHealth


class Pace:
    """Of one broker. Calls are spaced evenly, for venues count in windows of their own.

    Args:
        most_per_s: None is as many as there are.
    """

    def __init__(self, most_per_s: int | None, health: BrokerHealth) -> None:
        self._apart_s, self._health = (0.0 if most_per_s is None else 1.0 / most_per_s), health
        self._next = 0.0
        self._stopped = asyncio.Event()

    async def turn(self) -> None:
        """Returns when a call may begin; who goes first is decided then, and not before."""
        while self._health.rests_s and not self._stopped.is_set():
            await self._sleep(self._health.rests_s)
        if not self._apart_s:
            return
        now = asyncio.get_running_loop().time()
        at = max(self._next, now)
        self._next = at + self._apart_s
        if at > now:
            await self._sleep(at - now)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    def stop(self) -> None:
        """Nobody waits any longer: nothing more is called."""
        self._stopped.set()
