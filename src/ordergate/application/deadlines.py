"""One deadline for many tasks: a timer for all of them costs less than one for each."""

import asyncio
from typing import Any

from ordergate.domain.errors import Defect


class Deadline:
    """Cancels each task that goes on for longer than `seconds`.

    As all have the same time, they fall due in the order in which they began.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._due: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[Any]:
        """From now on the running task has that long; it must call `end`."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        if task is None:
            raise Defect("a deadline is for a task")
        self._due[task] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._ring)
        return task

    def end(self, task: asyncio.Task[Any]) -> bool:
        """The task is through, or has been canceled: whether that was because its time was up."""
        self._due.pop(task, None)
        if task not in self._late:
            return False
        self._late.discard(task)
        return task.uncancel() == 0

    def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._due:
            task, due = next(iter(self._due.items()))
            if due > loop.time():
                self._timer = loop.call_at(due, self._ring)
                return
            del self._due[task]
            self._late.add(task)
            task.cancel()
