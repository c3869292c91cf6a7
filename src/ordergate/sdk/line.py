"""How a face reaches its gate, from any loop or thread.

A command that has begun is not taken back by a caller who waits no longer: it may be committed. Reading is.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from ordergate.bootstrap import Gate
from ordergate.domain.errors import OrdergateError, OutcomeUnknown, StoreError
from ordergate.sdk import default_gate

T = TypeVar("T")
Work = Callable[[Gate], Coroutine[Any, Any, T]]


class WrongLoop(OrdergateError):
    """A synchronous face was called on the loop of its own gate, which could not answer while it waits."""


class Line:
    """To a gate: the given one, else the process's.

    Args:
        gate: a running one, as `open_gate` gives it.
        ready: run on a gate before its first other work, such as making a broker known.
    """

    def __init__(self, gate: Gate | None, ready: Work[None] | None = None) -> None:
        self._gate, self._ready = gate, ready
        self._readied: Gate | None = None

    async def command(self, work: Work[T]) -> T:
        """Runs work that changes something; goes on where its caller is cancelled."""
        gate = await self._find()
        if asyncio.get_running_loop() is gate.loop:
            running: asyncio.Future[T] = asyncio.ensure_future(self._do(gate, work))
        else:
            running = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._do(gate, work), gate.loop))
        running.add_done_callback(_looked_at)
        return await asyncio.shield(running)

    async def read(self, work: Work[T]) -> T:
        """Runs work that changes nothing; ends with its caller."""
        gate = await self._find()
        if asyncio.get_running_loop() is gate.loop:
            return await self._do(gate, work)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._do(gate, work), gate.loop))

    def wait(self, work: Work[T], timeout_s: float) -> T:
        """Runs work and waits for it in this thread.

        Raises:
            WrongLoop: this thread runs the gate.
            StoreError: the gate is closed.
            OutcomeUnknown: nothing came in that time, or before the gate was closed.
        """
        gate = _usable(self._gate or default_gate.get())
        if _running_loop() is gate.loop:
            raise WrongLoop(
                "this waits for the gate in the gate's own thread, which could never answer: use the async "
                "face here, or call it in another thread with asyncio.to_thread"
            )
        future: Future[T] = asyncio.run_coroutine_threadsafe(self._do(gate, work), gate.loop)
        try:
            return future.result(timeout_s)
        except CancelledError:
            raise OutcomeUnknown(
                "the gate was closed before it answered: the same request again finds out"
            ) from None
        except FutureTimeout:
            if future.done():  # the work's own error
                raise
            raise OutcomeUnknown(
                f"the gate did not answer within {timeout_s:g} s: the same request again finds out"
            ) from None

    async def _find(self) -> Gate:
        return _usable(await asyncio.to_thread(default_gate.get) if self._gate is None else self._gate)

    async def _do(self, gate: Gate, work: Work[T]) -> T:
        if self._ready is not None and self._readied is not gate:
            await self._ready(gate)
            self._readied = gate
        return await work(gate)


def _usable(gate: Gate) -> Gate:
    if gate.loop.is_closed():
        raise StoreError("the gate is closed, and so is the event loop that it ran on: open another")
    return gate


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _looked_at(done: "asyncio.Future[Any]") -> None:
    """An error that nobody waits for any more is no news to the loop."""
    if not done.cancelled():
        done.exception()
