"""The outlet that keeps the tables: what entries have touched is written as it stands now.

Before rows are written it is noted how new they may be (`begun`), behind them how far all rows have come (`done`): so a
database that knows more than a restored journal does is told from one that is only behind.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from ordergate.adapters.clickhouse import Connection
from ordergate.adapters.outlets.clickhouse.columns import Stamp
from ordergate.adapters.outlets.clickhouse.filling import fill, mark_of
from ordergate.adapters.outlets.clickhouse.owning import check_begun, standing
from ordergate.adapters.outlets.clickhouse.reading import rows_of
from ordergate.adapters.outlets.clickhouse.store import Store
from ordergate.adapters.outlets.clickhouse.tables import TABLES
from ordergate.application.entry import Entry, decode
from ordergate.application.naming import LogName, Naming
from ordergate.application.ports.journal import JournalReader
from ordergate.application.touching import touched

_NAME: Final = "clickhouse"
_AT_ONCE: Final = 500
_log = structlog.get_logger("ordergate.clickhouse")


def cursor_of(database: str) -> str:
    """The name of the outlet's cursor: another database is filled from the journal's start."""
    return f"{_NAME}.{database}"


class ClickHouseTables:
    """An outlet that keeps orders, executions and positions.

    Args:
        reader: of the journal.
        log: its origin.
        shares: origins of other journals that may be in the database.
    """

    def __init__(
        self,
        connection: Connection,
        database: str,
        reader: JournalReader,
        log: str,
        shares: Iterable[str] = (),
    ) -> None:
        self._connection, self._database, self._reader = connection, database, reader
        self._store, self._naming = Store(connection, database), Naming(reader, log)
        self._shares = tuple(shares)

    @property
    def name(self) -> str:
        """Of its cursor."""
        return cursor_of(self._database)

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Returns once the tables have what the entries have changed.

        Raises:
            ClickHouseError: the server did not take it, the tables are others, or the database is another journal's.
            StoreError: the journal cannot be read.
        """
        await self._store.prepare()
        name, last = await self._naming.name(), entries[-1].index
        there = standing(await self._store.marks(), name, self._shares, self._store.shown)
        await check_begun(there, self._reader, self._store.shown)
        if there.done is None:
            filled = await fill(self._store, self._reader, name, self._shares)
            _log.info("the tables are filled", database=self._store.shown, rows=filled.rows)
            return
        await self._catch_up(there.done.journal_index + 1, entries[0].index, name)
        if there.done.journal_index < last:
            await self._write(entries, name)

    async def _catch_up(self, first: int, end: int, name: LogName) -> None:
        """Writes what entries before `end` have changed: the database has lost it, as one that was restored has."""
        while first < end:
            lines = await self._reader.lines(first, min(_AT_ONCE, end - first))
            await self._write([decode(line.data, index) for index, line in enumerate(lines, first)], name)
            first += len(lines)

    async def _write(self, entries: Sequence[Entry], name: LogName) -> None:
        reader = self._reader
        stamp = Stamp(name.log, (await reader.head()).size - 1)
        lines: dict[str, list[bytes]] = {table.name: [] for table in TABLES}
        async for table, made in (await rows_of(reader, stamp)).touched(touched(entries)):
            lines[table.name].append(made)
        newest = (await reader.head()).size - 1  # what was read is not newer than that
        await self._store.mark(await mark_of(reader, name, "begun", newest))
        for table in TABLES:
            await self._store.write(table, b"".join(lines[table.name]))
        await self._store.mark(await mark_of(reader, name, "done", entries[-1].index))

    async def close(self) -> None:
        """Lets go of the server."""
        await self._connection.close()
