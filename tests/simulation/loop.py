"""A loop in simulated time that runs what is ready in an order drawn from dice, and processes that die.

A process is everything that runs in one context. Once it is dead nothing of it runs any more: no callback, no
`finally`, as after `kill -9`; what others still hold of it leads nowhere. While it is paused nothing of it runs
either, as after `kill -STOP`; what would have run waits until it goes on, timers included.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from random import Random
from typing import Any, Final

from ordergate.adapters.clock import VirtualLoop

_MOST_STEPS: Final = 400_000
_PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)
WORLD: Final = Context()
"""Of what belongs to no process."""


class Process:
    """What lives and dies together.

    Attributes:
        context: of everything that belongs to it.
        crash_at: the step (callback of the loop) at which it dies; None where nobody has said.
        tasks: kept to the end of the run, so that nothing of a dead process is ever collected and finalized.
        pauses: how often it was paused.
        paused_until_us: when it goes on, on the loop's clock; 0 while it runs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.context = copy_context()
        self.context.run(_PROCESS.set, self)
        self.dead = False
        self.steps = 0
        self.crash_at: int | None = None
        self.tasks: list[asyncio.Task[Any]] = []
        self.pauses = 0
        self.paused_until_us = 0
        self.backlog: list[asyncio.Handle] = []

    @property
    def runs(self) -> bool:
        """Whether it is neither dead nor paused."""
        return not self.dead and not self.paused_until_us


class SeededLoop(VirtualLoop):
    """Runs one ready callback after the other, drawn at random.

    Args:
        chaos: chance that a callback is drawn instead of taken in turn.
        hold: chance that one of a process is held up for some milliseconds.
        crash: is called when a process comes to the step at which it is to die.
    """

    def __init__(self, dice: Random, chaos: float, hold: float, crash: Callable[[Process], None]) -> None:
        super().__init__()
        self._dice, self._chaos, self._hold, self._crash = dice, chaos, hold, crash
        self.steps = 0
        self.draws = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(_remember)
        self.set_exception_handler(lambda _loop, _about: None)

    def _run_once(self) -> None:
        ready = self._ready
        if not ready:
            if not self._jump():
                raise RuntimeError("nothing left to do: every task waits for something that cannot happen")
            return
        index = 0
        if len(ready) > 1 and self._dice.random() < self._chaos:
            index = int(self._dice.random() * len(ready))
            self.draws = (self.draws * 31 + index + self.steps) & 0xFFFFFFFF
        handle = ready[index]
        del ready[index]
        if handle._cancelled:
            return
        process = handle._context.get(_PROCESS)
        if process is not None:
            if process.dead:
                return
            if process.paused_until_us:
                process.backlog.append(handle)
                return
            if self._dies(process):
                return
            if self._hold and self._dice.random() < self._hold:
                held_us = int(self._dice.random() * 50_000)
                self._add(self.elapsed_us + held_us, partial(ready.append, handle), WORLD, at_rest=False)
                return
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise RuntimeError(f"still busy after {_MOST_STEPS} steps: something goes round in circles")
        handle._run()

    def _dies(self, process: Process) -> bool:
        process.steps += 1
        if process.steps == process.crash_at:
            self._crash(process)
        return process.dead

    def pause(self, process: Process, seconds: float) -> None:
        """Nothing of a process runs for that long."""
        process.pauses += 1
        until_us = self.elapsed_us + max(int(seconds * 1e6), 1)
        process.paused_until_us = max(until_us, process.paused_until_us)
        self._add(until_us, partial(self._go_on, process), WORLD, at_rest=False)

    def _go_on(self, process: Process) -> None:
        if process.paused_until_us <= self.elapsed_us:
            process.paused_until_us = 0
            self._ready.extend(process.backlog)
            process.backlog.clear()

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """A wait takes a little longer than was asked for, each time another."""
        jitter = self._dice.random() * 0.001 if delay > 0 else 0.0
        return super().call_later(delay + jitter, callback, *args, context=context)

    def bury(self) -> None:
        """Ends all that never ended, in order, where it can do nothing any more; then closes the loop."""
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False
                with suppress(BaseException):
                    task.get_coro().close()
        self._ready.clear()
        self.close()


def _remember(loop: SeededLoop, coroutine: Any, **named: Any) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **named)
    loop.tasks.append(task)
    process = (named.get("context") or copy_context()).get(_PROCESS)
    if process is not None:
        process.tasks.append(task)
    return task
