"""The two clocks: the machine's, and one that moves only when nothing else is left to do.

`VirtualLoop` is an asyncio event loop whose time is simulated: when no callback is ready it jumps to the next
timer instead of waiting. So everything that a moment causes has happened before the next moment comes, and the
same input gives the same run.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
_INSTANT_S = 2e-9
"""So short that no clock shows it, and still later than everything that is ready now."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Waits for real."""
        await asyncio.sleep(seconds)


class _Jump(selectors.DefaultSelector):  # type: ignore[misc, valid-type, unused-ignore]
    """Instead of waiting for a timer, moves the loop's time to it."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing left to do: every task waits for something that cannot happen")
        self.elapsed += max(timeout, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in simulated time, starting at 0 seconds."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Simulated seconds since the start."""
        return self._jump.elapsed


class VirtualClock:
    """Reads a virtual loop's time as wall time from `start` on."""

    def __init__(self, start: datetime) -> None:
        self.start = start

    def now(self) -> datetime:
        """The start plus what has been simulated."""
        return self.start + timedelta(seconds=round(asyncio.get_running_loop().time(), 6))

    async def sleep(self, seconds: float) -> None:
        """Lets simulated time pass."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, at: datetime) -> None:
        """Lets simulated time pass up to a moment, or, if it has come, until nothing else is left to do."""
        elapsed = asyncio.get_running_loop().time()
        await asyncio.sleep(max((at - self.start).total_seconds() - elapsed, _INSTANT_S))


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end in simulated time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
