"""The clocks: the machine's, that from another moment on, and one that moves only when nothing else is left to do.

`VirtualLoop` is an asyncio event loop whose time is simulated: when no callback is ready it jumps to the next
timer instead of waiting. So everything that a moment causes has happened before the next moment comes, and the
same input gives the same run.
"""

import asyncio
import heapq
import selectors
import time
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_US = 1_000_000
_MICROSECOND = timedelta(microseconds=1)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Waits for real."""
        await asyncio.sleep(seconds)


class ShiftedClock:
    """Goes on from a moment at the machine's pace, however far that is from the present."""

    def __init__(self, start: datetime) -> None:
        self._start, self._began = start, time.monotonic_ns()

    def now(self) -> datetime:
        """The moment plus what has passed since."""
        return self._start + timedelta(microseconds=(time.monotonic_ns() - self._began) // 1_000)

    async def sleep(self, seconds: float) -> None:
        """Waits for real."""
        await asyncio.sleep(seconds)


class _Jump(selectors.DefaultSelector):  # type: ignore[misc, valid-type, unused-ignore]
    """Instead of waiting, lets the loop's time jump."""

    def __init__(self, jump: Callable[[], bool]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None and not self._jump():
            raise RuntimeError("nothing left to do: every task waits for something that cannot happen")
        return super().select(0)


class _Timer(NamedTuple):
    """What begins at a moment; at equal moments those that wait for rest come last, the others as they came."""

    at_us: int
    at_rest: bool
    number: int
    handle: asyncio.TimerHandle
    begin: Callable[[], object]


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in simulated time, starting at 0 seconds.

    It keeps the timers itself, in whole microseconds: asyncio compares seconds as floats, and after some
    months a float no longer tells a timer that is due from one that is not. asyncio itself then has no timer,
    so it asks the selector to wait for ever whenever nothing is ready; that is when the next timer begins.

    Attributes:
        elapsed_us: simulated microseconds since the start.
    """

    def __init__(self) -> None:
        self.elapsed_us = 0
        self._timers: list[_Timer] = []
        self._count = 0
        super().__init__(_Jump(self._jump))

    def time(self) -> float:
        """Simulated seconds since the start."""
        return self.elapsed_us / _US

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Calls back after that long; a wait, however short, moves the clock."""
        delay_us = max(round(delay * _US), 1 if delay > 0 else 0)
        return self._add(self.elapsed_us + delay_us, partial(callback, *args), context, at_rest=False)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Calls back at that time."""
        return self.call_later(when - self.time(), callback, *args, context=context)

    def call_at_rest(self, at_us: int, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Calls back at that time or, if it has come, now; first everything else that is due is done."""
        return self._add(max(at_us, self.elapsed_us), callback, None, at_rest=True)

    def run_in_executor(
        self, _executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Calls here and now: simulated time cannot wait for a thread."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    def _add(
        self, at_us: int, callback: Callable[[], object], context: Context | None, *, at_rest: bool
    ) -> asyncio.TimerHandle:
        context = copy_context() if context is None else context
        handle = asyncio.TimerHandle(at_us / _US, callback, (), self, context)
        begin = partial(self.call_soon, callback, context=context)
        self._count += 1
        heapq.heappush(self._timers, _Timer(at_us, at_rest, self._count, handle, begin))
        return handle

    def _jump(self) -> bool:
        """Moves to the next timer and begins it; False where there is none."""
        while self._timers:
            timer = heapq.heappop(self._timers)
            if not timer.handle.cancelled():
                self.elapsed_us = timer.at_us
                timer.begin()
                return True
        return False


class VirtualClock:
    """Reads a virtual loop's time as wall time from `start` on."""

    def __init__(self, start: datetime) -> None:
        self.start = start

    def now(self) -> datetime:
        """The start plus what has been simulated."""
        return self.start + timedelta(microseconds=_loop().elapsed_us)

    async def sleep(self, seconds: float) -> None:
        """Lets simulated time pass."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, at: datetime) -> None:
        """Lets simulated time pass up to a moment, or, if it has come, until nothing else is left to do."""
        loop = _loop()
        rested = asyncio.Event()
        timer = loop.call_at_rest((at - self.start) // _MICROSECOND, rested.set)
        try:
            await rested.wait()
        finally:
            timer.cancel()


def _loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise TypeError("a virtual clock needs a virtual loop: run_virtual")
    return loop


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end in simulated time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
