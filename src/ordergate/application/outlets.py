"""Outlets: each follows the journal from a durable cursor, at least once, in order."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from msgspec import Struct

from ordergate.application.entry import Entry, decode
from ordergate.application.ownership import Tenure
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import Journal
from ordergate.application.stopping import stopped

_FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
"""Between two tries."""
_log = structlog.get_logger("ordergate.outlets")


class Pace(Struct, frozen=True, kw_only=True):
    """How entries are brought together.

    Attributes:
        at_once: at most so many are delivered at once.
        gather_s: for so long fewer than that wait for others.
    """

    at_once: int = 500
    gather_s: float = 0.0


EACH: Final = Pace()
"""Whatever there is, at once."""


class Outlet(Protocol):
    """Somewhere that entries go; takes one twice after a crash, so its reader counts by index."""

    @property
    def name(self) -> str:
        """Of its cursor."""
        ...

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Returns once they are taken for good; raises where they are not."""
        ...


class Follower:
    """The duty of feeding one outlet. What it cannot deliver it tries again, ever more slowly, while orders go on.

    Args:
        from_its_start: a new outlet gets all that the journal has; else what comes from then on.
    """

    def __init__(
        self,
        outlet: Outlet,
        journal: Journal,
        clock: Clock,
        *,
        from_its_start: bool = True,
        pace: Pace = EACH,
    ) -> None:
        self._outlet, self._journal, self._clock = outlet, journal, clock
        self._from_its_start, self._pace = from_its_start, pace
        self._news = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def lease(self) -> str:
        """Of the outlet."""
        return f"outlet:{self._outlet.name}"

    @property
    def broken(self) -> bool:
        """Never: what fails is tried again."""
        return False

    async def begin(self, tenure: Tenure) -> None:
        """Goes on from where the outlet was left.

        Raises:
            StoreError: the store cannot be used.
        """
        if not self._from_its_start and self._outlet.name not in await self._journal.cursors():
            end = (await self._journal.head()).size
            await self._journal.move_cursor(self._outlet.name, end, tenure.lease.epoch)
        self._running = asyncio.get_running_loop().create_task(self.run(tenure.lease.epoch))

    async def end(self) -> None:
        """Stops; what was not taken for good is delivered again by the next."""
        if self._running is not None:
            await stopped(self._running)

    def committed(self, _entries: Sequence[Entry]) -> None:
        """There is something new; a listener of the runner."""
        self._news.set()

    async def run(self, epoch: int = 0) -> None:
        """Runs until cancelled; `epoch` is of its lease."""
        pause = _FIRST_PAUSE_S
        while True:
            self._news.clear()
            try:
                while await self._forward(epoch):
                    pause = _FIRST_PAUSE_S
            except Exception as error:
                _log.warning("an outlet did not take entries", outlet=self._outlet.name, error=str(error))
                await self._clock.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
            else:
                await self._news.wait()

    async def _forward(self, epoch: int) -> bool:
        first = await self._journal.cursor(self._outlet.name)
        lines = await self._journal.lines(first, self._pace.at_once)
        if lines and len(lines) < self._pace.at_once and self._pace.gather_s:
            await self._clock.sleep(self._pace.gather_s)
            lines = await self._journal.lines(first, self._pace.at_once)
        if not lines:
            return False
        await self._outlet.deliver([decode(line.data, index) for index, line in enumerate(lines, first)])
        await self._journal.move_cursor(self._outlet.name, first + len(lines), epoch)
        return True
