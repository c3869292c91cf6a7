"""The door on a socket: uvicorn on the event loop that runs already, drained before it ends."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from ordergate.api.door import Door

DRAIN_S: Final = 5
_BACKLOG: Final = 2_048
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """Serves an application until `stop`, or a signal.

    Args:
        ready: called once requests are answered.
    """

    def __init__(self, app: FastAPI, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=DRAIN_S,
                ws="none",
            )
        )
        self._door: Door = app.state.door
        self._ready = ready

    def stop(self) -> None:
        """Takes no more connections, finishes what is under way, and ends."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone: `stopped_by_signals` has them, for longer than the server lives."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and says so."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the streams, which would never end by themselves, then the rest."""
        self._door.close()
        await super().shutdown(sockets)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM ask to stop, instead of ending the process."""
    loop = asyncio.get_running_loop()

    def asked(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop)

    before = {number: signal.signal(number, asked) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def told_by_signal(tell: Callable[[], None]) -> Iterator[None]:
    """SIGHUP tells, where there is one, instead of ending the process."""
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    loop = asyncio.get_running_loop()

    def asked(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)

    before = signal.signal(signal.SIGHUP, asked)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
