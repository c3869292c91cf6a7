"""Ending tasks for sure."""

import asyncio
from typing import Any, Final

_AGAIN_S: Final = 0.1


async def stopped(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels tasks and returns once they have ended, however.

    A cancellation can be lost: `asyncio.wait_for` of Python 3.11 drops one that comes together with what it waits
    for, and libraries wait with it.
    """
    while not all(task.done() for task in tasks):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at
