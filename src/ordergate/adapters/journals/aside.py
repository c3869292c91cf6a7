"""Reading that may take long, on a connection and in a thread of its own.

SQLite searches without Python's interpreter lock, so that commits go on beside it.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ordergate.application.ports.journal import JournalReader
from ordergate.domain.errors import Defect

T = TypeVar("T")


class ReaderAside:
    """Rows of a reader that nobody else uses, which never waits by itself (as `SqliteReader`)."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ordergate-reading")

    async def get(self, table: str, keys: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Rows by primary key."""
        return await self._do(self._reader.get(table, keys))

    async def select(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        *,
        after: tuple[Any, ...] | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Rows by column values, in the order of the primary key."""
        return await self._do(self._reader.select(table, where, after=after, limit=limit))

    async def _do(self, reading: Coroutine[Any, Any, T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _finish, reading)

    async def close(self) -> None:
        """Waits for what is being read, and lets go of the reader."""
        await asyncio.to_thread(self._thread.shutdown)
        await self._reader.close()


def _finish(reading: Coroutine[Any, Any, T]) -> T:
    """Runs to its end what never waits."""
    try:
        reading.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    reading.close()
    raise Defect("a reader in a thread of its own waited for something")
