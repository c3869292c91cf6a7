"""The process's own gate: embedded, on a loop in a background thread.

It is at the database that `ORDERGATE_DB` names, else in memory; opened when a face first needs it, closed by
`close` or when the interpreter ends. After `close`, or in a child after a fork, it is opened anew when needed.
"""

import asyncio
import atexit
import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

from ordergate.bootstrap import MEMORY, Gate, open_gate
from ordergate.config import Config

DB_VARIABLE: Final = "ORDERGATE_DB"
_CLOSE_S: Final = 30.0
_PAUSE_S: Final = 5.0


class _Thread:
    """One gate on a loop of its own, from opening to closing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: Future[Gate] = Future()
        self._stop: asyncio.Event | None = None
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._go_on = threading.Event()
        self._failure: BaseException | None = None
        # A daemon: the interpreter would wait for another before the functions of `atexit` could end it.
        self._thread = threading.Thread(target=self._run, name="ordergate", daemon=True)
        self._thread.start()

    def gate(self) -> Gate:
        """The gate, once it is open; raises what kept it from opening."""
        return self._opened.result()

    @property
    def usable(self) -> bool:
        """Whether the gate is open or will be."""
        failed = self._opened.done() and self._opened.exception() is not None
        return self._thread.is_alive() and not failed

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:
            self._failure = failure
            if not self._opened.done():
                self._opened.set_exception(failure)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._loop.set_result(asyncio.get_running_loop())
        async with open_gate(Config(), self._url) as gate:
            self._opened.set_result(gate)
            await self._stop.wait()

    def pause(self) -> None:
        """Holds its loop between two steps, where its thread has no lock (SQLite's, an import's) in hand."""
        self._go_on.clear()
        if not self.usable or self._thread is threading.current_thread():
            return
        held = threading.Event()

        def hold() -> None:
            held.set()
            self._go_on.wait()

        # A loop that ends meanwhile, or is too long at one step, is not waited for.
        with suppress(TimeoutError, RuntimeError):
            self._loop.result(_PAUSE_S).call_soon_threadsafe(hold)
            held.wait(_PAUSE_S)

    def resume(self) -> None:
        """Lets it go on after `pause`."""
        self._go_on.set()

    def close(self) -> None:
        """Ends it; what waits is done first. Raises what it had failed with."""
        stop = self._stop
        if self._opened.exception() is None and stop is not None and self.usable:
            self.gate().loop.call_soon_threadsafe(stop.set)
        self._thread.join(_CLOSE_S)
        if self._failure is not None and self._opened.exception() is None:
            raise self._failure


_lock = threading.Lock()
_current: _Thread | None = None
_left_to_the_parent: Final[list[object]] = []
"""What a child of a fork must neither use nor let go of: letting go would unlock the parent's database."""


def get() -> Gate:
    """The process's gate; opened now where it is not open.

    Raises:
        StoreError: the database cannot be used; StoreBusy where another process has it.
        AuditError, AuditKeyError: it is not what was signed, or cannot be signed on.
    """
    global _current
    with _lock:
        if _current is None or not _current.usable:
            _current = _Thread(os.environ.get(DB_VARIABLE) or MEMORY)
        return _current.gate()


def close() -> None:
    """Closes the process's gate, if it is open; the next use opens it again.

    Raises:
        OrdergateError: the gate had failed; what was answered is in its journal all the same.
    """
    global _current
    with _lock:
        current, _current = _current, None
    if current is not None:
        current.close()


_paused: list[_Thread] = []


def _pause_for_a_fork() -> None:
    if _current is not None:
        _paused.append(_current)
        _current.pause()


def _resume_after_a_fork() -> None:
    while _paused:
        _paused.pop().resume()


def _forget_in_child() -> None:
    global _lock, _current
    _paused.clear()
    _lock = threading.Lock()
    if _current is not None:
        _left_to_the_parent.append(_current)
        _current = None


atexit.register(close)
if hasattr(os, "register_at_fork"):
    # A child has the locks as they stood, but none of the threads that would let go of them.
    os.register_at_fork(
        before=_pause_for_a_fork, after_in_parent=_resume_after_a_fork, after_in_child=_forget_in_child
    )
