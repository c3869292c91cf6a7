"""What the demo waits for: conditions, for a while; and what it wishes of a gate."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from ordergate.bootstrap import Gate
from ordergate.cli import terminal as t
from ordergate.cli.demo_signals import wishes
from ordergate.domain.orders.states import TERMINAL

PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.02
_ENDED_S: Final = 10.0


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


async def ended(gate: Gate, signals: Sequence[str | None]) -> None:
    """Returns once the orders of those signals have ended; a venue may be told to take longer than is waited for."""

    async def all_ended() -> bool:
        orders = [order for one in signals for order in await gate.queries.orders(signal_id=one)]
        return all(order.state in TERMINAL for order in orders)

    with suppress(t.InputError):  # the orders are shown as they are
        await until("orders of the signals end", all_ended, _ENDED_S)


async def wished(source: str, gate: Gate) -> list[dict[str, str]]:
    """Signals for what the market shows now, and what the fund that they go to holds."""
    rows = await gate.journal.select("positions", {"fund_id": gate.config.signal_routing().fund})
    held = {row.symbol: row.quantity for row in rows}
    return wishes(source, gate.quotes.values(), gate.config.catalogue, held, gate.clock.now())
