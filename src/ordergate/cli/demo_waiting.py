"""What the demo waits for: conditions, for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ordergate.bootstrap import Gate
from ordergate.cli import terminal as t

PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.02


def heed_cancellation() -> None:
    """Ends the task if it is to end: `asyncio.wait_for` of Python 3.11, with which libraries wait, can lose that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def until(what: str, come: Callable[[], Awaitable[bool]], within_s: float = PATIENCE_S) -> None:
    """Returns once it has come.

    Raises:
        InputError: it does not.
    """
    try:
        async with asyncio.timeout(within_s):
            while not await come():
                heed_cancellation()
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError:
        raise t.InputError(f"{what}: not within {within_s:.0f} s") from None


async def delivered(gate: Gate, cursor: str) -> int:
    """Returns once the outlet of that cursor has come to what is now the journal's end, and where that is.

    Raises:
        InputError: it does not.
    """
    size = (await gate.journal.head()).size

    async def all_told() -> bool:
        return await gate.journal.cursor(cursor) >= size

    await until(f"{cursor} is told of all {size} entries", all_told)
    return size
