"""The journal on PostgreSQL: whoever has the lock on the head's row writes.

The lock orders the writers, so that indexes are contiguous and in the order of commits. A turn takes three round
trips: one takes the lock, one writes everything, one commits.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from ordergate.adapters.journals.postgres.connecting import (
    FAILURES,
    STATEMENT_S,
    connect,
    is_ours,
    store_error,
)
from ordergate.adapters.journals.postgres.news import News
from ordergate.adapters.journals.postgres.reader import Moment, Pool, PostgresReader
from ordergate.adapters.journals.postgres.waiting import WAIT_MOST_S, execute_patiently
from ordergate.adapters.journals.postgres.writing import Statement, Writing
from ordergate.application.ports.journal import Batch, Head
from ordergate.domain.errors import Defect, OutcomeUnknown, StoreError

# The writer reads and changes single rows by their keys. A plan that was made while a table was empty must not
# scan it when it is large, and none needs to be made twice.
_SETTINGS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "lock_timeout": f"{int(2 * WAIT_MOST_S)}s",
}
# The first command waits for the lock, the second sees what whoever had it before has committed.
_LOCK: Final = "BEGIN; SELECT 1 FROM head WHERE id = 1 FOR UPDATE; SELECT 1 FROM head WHERE size = {size}"
_UNCHANGED: Final = "SELECT 1"


class _Writer:
    """The one connection that writes; made anew after whatever goes wrong on it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.connection: asyncpg.Connection | None = None

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """The rows, as they are within the turn."""
        try:
            found: list[Any] = await self._held().fetch(sql, *values)
            return found
        except (*FAILURES, ValueError) as error:
            if is_ours(error):
                raise
            raise store_error(error, self._url) from None

    def _held(self) -> asyncpg.Connection:
        if self.connection is None:
            raise StoreError("the turn has ended: lock the journal again")
        return self.connection

    async def lock(self, known: Head) -> Head:
        """Begins a turn; the head as it is now."""
        fresh = self.connection is None or self.connection.is_closed()
        try:
            return await self._lock(known)
        except FAILURES as error:
            # One that stood idle may have been cut off unseen; nothing was held, so that it can be tried again.
            if fresh or (isinstance(error, asyncpg.PostgresError) and not _is_fatal(error)):
                raise store_error(error, self._url) from None
        try:
            return await self._lock(known)
        except FAILURES as error:
            raise store_error(error, self._url) from None

    async def _lock(self, known: Head) -> Head:
        if self.connection is None or self.connection.is_closed():
            self.connection = await connect(self._url, _SETTINGS)
        try:
            tag = await execute_patiently(self.connection, self._url, _LOCK.format(size=known.size))
            if tag == _UNCHANGED:
                return known
            row = await self.connection.fetchrow("SELECT size, checkpoint FROM head WHERE id = 1")
        except BaseException:
            self.drop()
            raise
        if row is None:
            self.drop()
            raise StoreError("the journal has no head: it was never set up, or somebody has removed it")
        return Head(*row)

    async def write(self, statement: Statement) -> None:
        """Writes everything of a batch; nothing counts before `commit`."""
        try:
            reached = await self._held().fetchrow(statement.sql, *statement.values)
        except (*FAILURES, ValueError) as error:
            if is_ours(error):
                raise
            raise store_error(error, self._url) from None
        for table, wanted, found in zip(statement.tables, statement.counts, reached, strict=True):
            if wanted != found:
                raise Defect(f"{wanted} rows of {table} were to be written, {found} were")

    async def commit(self) -> None:
        """Commits.

        Raises:
            StoreError: the server has refused.
            OutcomeUnknown: the connection broke before it answered.
        """
        connection = self._held()
        if connection.is_closed():
            raise StoreError("the connection to the database was lost; nothing was written")
        try:
            tag = await connection.execute("COMMIT", timeout=STATEMENT_S)
        except FAILURES as error:
            said = store_error(error, self._url)
            if isinstance(error, asyncpg.PostgresError) and not _is_fatal(error):
                raise said from None
            raise OutcomeUnknown(f"the connection broke while a batch was committed: {said}") from None
        if tag != "COMMIT":  # of a transaction that had failed before
            raise StoreError("the database has rolled the batch back; nothing was written")

    async def release(self) -> None:
        """Ends the turn."""
        if self.connection is None or self.connection.is_closed():
            return
        try:
            await self.connection.execute("ROLLBACK", timeout=STATEMENT_S)
        except FAILURES:
            self.drop()

    def drop(self) -> None:
        """Throws the connection away; the server rolls back what was begun on it."""
        if self.connection is not None:
            self.connection.terminate()
            self.connection = None

    async def close(self) -> None:
        """Nothing: the turn's reader shares the connection with the journal."""


def _is_fatal(error: asyncpg.PostgresError) -> bool:
    """Whether it may have ended the connection: all but what the server itself calls a mere error."""
    return getattr(error, "severity_en", None) != "ERROR"


class _Turn(PostgresReader):
    """Reading as of the turn."""

    def __init__(self, writer: _Writer, head: Head) -> None:
        super().__init__(writer)
        self._head = head

    async def head(self) -> Head:
        """Known from the lock."""
        return self._head


class PostgresJournal(PostgresReader):
    """Reading and writing. It connects when it is first used.

    Args:
        url: of a database that is set up.
    """

    def __init__(self, url: str) -> None:
        super().__init__(Pool(url))
        self._url = url
        self._writer, self._writing, self._news = _Writer(url), Writing(), News(url)
        self._known = Head()
        self._turn: _Turn | None = None

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresReader]:
        """Reads over a connection of its own, in one transaction."""
        reader = PostgresReader(Moment(self._url))
        try:
            yield reader
        finally:
            await reader.close()

    async def lock(self) -> PostgresReader:
        """Waits for the lock on the head's row.

        Raises:
            StoreError: see the port.
            Defect: the turn is taken already.
        """
        if self._turn is not None:
            raise Defect("the journal's end is locked twice")
        self._known = await self._writer.lock(self._known)
        self._news.seen = self._known.size
        self._turn = _Turn(self._writer, self._known)
        return self._turn

    async def release(self) -> None:
        """Rolls the turn's transaction back."""
        if self._turn is not None:
            self._turn = None
            await self._writer.release()

    async def commit(self, batch: Batch) -> None:
        """Writes a batch in one statement, and commits."""
        if self._turn is None:
            await self.lock()
        self._turn = None
        try:
            if batch.first != self._known.size:
                raise StoreError(f"the log has {self._known.size} entries, the batch begins at {batch.first}")
            await self._writer.write(self._writing.statement(batch))
            await self._writer.commit()
        except BaseException:
            self._writer.drop()
            raise
        self._known = Head(batch.first + len(batch.lines), batch.checkpoint)
        self._news.written(self._known.size)

    def watch(self, news: Callable[[], None]) -> None:
        """Listens for other writers, and looks every half a second in case that one was not heard."""
        self._news.watch(news)

    async def move_cursor(self, name: str, index: int, epoch: int = 0) -> None:
        """Notes how far an outlet has come, unless its lease has a later epoch."""
        moved = await self._source.fetch(_MOVE, name, index, epoch, f"outlet:{name}")
        if not moved:
            raise StoreError(f"the cursor of {name!r} is moved by another node: epoch {epoch} is over")

    async def close(self) -> None:
        """Ends the turn, and all connections."""
        self._turn = None
        await self._news.close()
        self._writer.drop()
        await super().close()


# The lease's row is locked against being taken until the cursor has moved.
_MOVE: Final = """
WITH later AS (SELECT epoch FROM leases WHERE name = $4 AND $3 > 0 FOR SHARE)
INSERT INTO cursors (name, next) SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM later WHERE epoch > $3)
ON CONFLICT (name) DO UPDATE SET next = excluded.next RETURNING 1
"""
