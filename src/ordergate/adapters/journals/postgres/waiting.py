"""Waiting for the journal's end, and taking it from a client that holds it for too long.

A client that was paused in the middle of a transaction goes on holding its locks: neither the server nor the
network notices. So whoever waits ends its connection; what it was about to write is rolled back.
"""

import asyncio
from typing import Any, Final

import asyncpg
import structlog

from ordergate.adapters.journals.postgres.connecting import FAILURES, connect, store_error
from ordergate.domain.errors import StoreError

LOOK_S: Final = 0.5
"""How often a waiter looks who it waits for."""
PATIENCE_S: Final = 2.0
"""For how long one and the same transaction may hold a waiter up."""
WAIT_MOST_S: Final = 20.0
"""How long anybody waits for his turn."""

_log = structlog.get_logger("ordergate.postgres")

# Whoever waits behind others waits for the first of them too, who is not to blame: what counts is the end of the
# chain, the one who does not wait for any lock.
_HOLDERS: Final = """
WITH RECURSIVE chain (pid) AS (
    SELECT unnest(pg_blocking_pids($1))
    UNION SELECT unnest(pg_blocking_pids(chain.pid)) FROM chain
)
SELECT pid, backend_start, xact_start, usename FROM chain JOIN pg_stat_activity USING (pid)
WHERE cardinality(pg_blocking_pids(pid)) = 0 ORDER BY pid
"""

_Holder = tuple[Any, ...]


async def execute_patiently(connection: asyncpg.Connection, url: str, sql: str) -> str:
    """Runs a statement that waits for the journal's end, and frees the way where it waits for too long.

    Returns:
        The last command's tag.

    Raises:
        StoreError: it could not be had within `WAIT_MOST_S`.
        asyncpg's errors: as of any statement.
    """
    asked = asyncio.ensure_future(connection.execute(sql, timeout=2 * WAIT_MOST_S))
    freeing: asyncio.Task[None] | None = None
    try:
        await asyncio.wait({asked}, timeout=LOOK_S)
        if not asked.done():
            freeing = asyncio.ensure_future(_free(url, connection.get_server_pid()))
            await asyncio.wait({asked, freeing}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                await freeing  # raises why the way cannot be freed
        tag: str = await asked
        return tag
    finally:
        for task in (asked, freeing):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def _free(url: str, waiter: int) -> None:
    """Ends whoever holds the waiter up for longer than `PATIENCE_S`; returns never, but is canceled."""
    now = asyncio.get_running_loop().time
    until, since, last = now() + WAIT_MOST_S, now(), list[_Holder]()
    looking = await connect(url)
    try:
        while now() < until:
            holders = [tuple(row) for row in await looking.fetch(_HOLDERS, waiter)]
            if holders != last:
                since, last = now(), holders
            elif holders and now() - since >= PATIENCE_S:
                await _end(looking, holders)
                since = now()
            await asyncio.sleep(LOOK_S)
    except FAILURES as error:
        raise store_error(error, url) from None
    finally:
        looking.terminate()
    named = (
        ", ".join(f"process {pid} of user {user}" for pid, *_times, user in last) or "nobody that can be seen"
    )
    raise StoreError(f"the journal's end could not be had within {WAIT_MOST_S:.0f} s: {named} holds it")


async def _end(looking: asyncpg.Connection, holders: list[_Holder]) -> None:
    for pid, *_ in holders:
        _log.warning("a client held the journal's end for too long: its connection is ended", backend=pid)
        await looking.execute("SELECT pg_terminate_backend($1)", pid)
