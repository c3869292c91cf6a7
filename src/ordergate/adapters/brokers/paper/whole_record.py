"""A venue's record row by row, while nobody trades there."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from ordergate.domain.errors import StoreError

TABLES: Final[dict[str, tuple[str, ...]]] = {
    "requests": ("client_id",),
    "orders": ("number",),
    "executions": ("order_number", "number"),
    "reports": ("sequence",),
    "quotes": ("symbol",),
    "contracts": ("symbol",),
    "sent": ("target", "token"),
}
"""With their primary keys."""
Row = tuple[Any, ...]
Rows = AsyncIterator[Row]


class Record(Protocol):
    """A venue's record while nobody trades there. Rows are as a file keeps them, in the order of their key."""

    async def empty(self) -> bool:
        """Whether the venue has never had an order or a quote."""
        ...

    def rows(self, table: str) -> Rows:
        """Of one of the tables."""
        ...

    async def replace(self, source: "Record") -> None:
        """Takes every row of another, in place of what is here: all of it or nothing."""
        ...


async def same(one: Record, other: Record) -> bool:
    """Whether two records have the same rows."""
    for table in TABLES:
        theirs = other.rows(table)
        async for row in one.rows(table):
            if await anext(theirs, None) != row:
                return False
        if await anext(theirs, None) is not None:
            return False
    return True


class FileRecord:
    """In a file that nobody else has open."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        connection.execute("PRAGMA synchronous = FULL")

    async def empty(self) -> bool:
        """See `Record`."""
        return not any(next(self._run(f"SELECT 1 FROM {table} LIMIT 1"), None) for table in TABLES)

    async def rows(self, table: str) -> Rows:
        """See `Record`."""
        for row in self._run(f"SELECT * FROM {table} ORDER BY {', '.join(TABLES[table])}"):
            yield row

    def _run(self, sql: str) -> Iterator[Row]:
        try:
            yield from self._connection.execute(sql)
        except sqlite3.Error as error:
            raise StoreError(f"the paper venue's file {self._path} cannot be read: {error}") from error

    async def replace(self, source: Record) -> None:
        """See `Record`."""
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            for table in TABLES:
                execute(f"DELETE FROM {table}")
                async for row in source.rows(table):
                    execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise StoreError(f"the paper venue cannot write {self._path}: {error}") from error
            raise
