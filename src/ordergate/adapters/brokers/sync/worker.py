"""One thread, in which every call of a class is made, one after the other.

A call that blows its deadline keeps the thread, and what waits behind it provably never began. The thread
belongs to nobody's exit: a class that hangs for good does not keep the process.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")
_Job = tuple[Future[Any], Callable[[], Any]]


class NotBegun(Exception):
    """The call never began and never will."""


class Overdue(Exception):
    """The call is still under way."""


_locks: Final[WeakKeyDictionary[object, threading.Lock]] = WeakKeyDictionary()


def lock_of(made: object) -> threading.Lock:
    """One lock an object: a call that an earlier session left behind must end before another begins."""
    try:
        return _locks.setdefault(made, threading.Lock())
    except TypeError:  # it can be neither hashed nor referred to weakly
        return threading.Lock()


class Worker:
    """Calls, in order, each under the lock."""

    def __init__(self, name: str, lock: threading.Lock) -> None:
        self._lock = lock
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"ordergate-{name}", daemon=True)
        self._thread.start()

    async def call(self, job: Callable[[], T], timeout_s: float, late: Callable[[T], None]) -> T:
        """The result of a job.

        Args:
            late: gets a result that nobody waits for any more, in the thread.

        Raises:
            NotBegun: the thread was busy with others all that time.
            Overdue: it began, and has not ended.
        """
        future: Future[T] = Future()
        self._jobs.put((future, job))
        here = asyncio.wrap_future(future)
        here.add_done_callback(lambda done: None if done.cancelled() else done.exception())  # looked at below
        try:
            await asyncio.wait({here}, timeout=timeout_s)
        except asyncio.CancelledError:
            self._leave(future, late)
            raise
        if future.done() and not future.cancelled():
            return future.result()
        if self._leave(future, late):
            raise NotBegun(f"the broker's thread was busy for {timeout_s:g} s")
        raise Overdue(f"no answer within {timeout_s:g} s")

    def _leave(self, future: Future[T], late: Callable[[T], None]) -> bool:
        """Waits no longer; True where the job had not begun, and never will."""
        if future.cancel():
            return True
        future.add_done_callback(lambda done: late(done.result()) if done.exception() is None else None)
        return False

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                self._call(*job)

    def _call(self, future: Future[Any], call: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = call()
        except BaseException as error:  # somebody's class: it may raise anything
            future.set_exception(error)
        else:
            future.set_result(result)

    def close(self) -> None:
        """Begins nothing more; a call under way goes on to its end."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                job[0].cancel()
        self._jobs.put(None)
