"""One timer on a clock."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ordergate.application.ports.clock import Clock

_LONGEST_S: Final = 3600.0
"""Sleeps are cut to this, so that a machine that was suspended, or set right, is late by no more."""


class Alarm:
    """Calls back once at a moment, unless it is set to another before."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock, self._ring = clock, ring
        self._at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def set(self, at: datetime | None) -> None:
        """The moment from now on; None is never."""
        if at == self._at:
            return
        self.stop()
        if at is not None:
            self._at = at
            self._task = asyncio.get_running_loop().create_task(self._wait(at))

    def stop(self) -> None:
        """Never."""
        self._at = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _wait(self, at: datetime) -> None:
        while (left := (at - self._clock.now()).total_seconds()) > 0:
            await self._clock.sleep(min(left, _LONGEST_S))
        # From here on it counts as not set: what it calls may set it again.
        self._at = self._task = None
        self._ring()
