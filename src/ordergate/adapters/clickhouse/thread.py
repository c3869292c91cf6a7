"""One thread for calls that block; it belongs to nobody's exit."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple[Future[Any], Callable[[], Any]]


class CallThread:
    """Calls, one after the other, until it is left."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def begin(self, job: Callable[[], T]) -> Future[T]:
        """Queues a call."""
        future: Future[T] = Future()
        self._jobs.put((future, job))
        return future

    def leave(self, last: Callable[[], None]) -> None:
        """Begins nothing more but `last`, once the call under way has ended; nobody waits for it."""
        self._jobs.put((Future(), last))
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, call = job
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # the caller's to judge
                    future.set_exception(error)
                else:
                    future.set_result(result)
