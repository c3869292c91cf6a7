"""The journal in one SQLite file.

One connection writes, inline on the caller's thread, and it is the one that checkpoints the write-ahead log:
several that do can corrupt a file (WAL-reset bug, SQLite 3.7.0 to 3.51.2). A commit returns after fsync.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.journals.rows import codec
from ordergate.adapters.journals.schema import KEYS
from ordergate.adapters.journals.sqlite_file import FULL, store_error
from ordergate.application.ports.journal import Batch, Head, Line
from ordergate.domain.errors import Defect, DiskError, OutcomeUnknown, StoreError

_IO: Final = "disk I/O error"
_MOST_VARIABLES: Final = 500


@cache
def _upsert(table: str) -> str:
    names = codec(table).names
    keys = KEYS[table]
    updates = ", ".join(f'"{n}"=excluded."{n}"' for n in names if n not in keys)
    marks = ", ".join("?" * len(names))
    return (
        f"INSERT INTO {table} ({_quoted(table)}) VALUES ({marks}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {updates}"
    )


@cache
def _update(table: str, places: Sequence[int]) -> str:
    names = codec(table).names
    changes = ", ".join(f'"{names[at]}"=?' for at in places)
    return f"UPDATE {table} SET {changes} WHERE {' AND '.join(f'{key}=?' for key in KEYS[table])}"


@cache
def _select(table: str) -> str:
    return f"SELECT {_quoted(table)} FROM {table}"


def _quoted(table: str) -> str:
    return ", ".join(f'"{name}"' for name in codec(table).names)


class SqliteReader:
    """Reading; beside the writer or in another process.

    Args:
        connection: as `connect` gives it; closed by `close`.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._connection, self.path = connection, path

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error

    async def head(self) -> Head:
        """The end of the log."""
        rows = self._query("SELECT size, checkpoint FROM head")
        return Head(*rows[0]) if rows else Head()

    async def lines(self, first: int, count: int) -> list[Line]:
        """At most `count` lines from `first` on."""
        sql = "SELECT entry, hash, kind, order_id FROM journal WHERE idx >= ? AND idx < ? ORDER BY idx"
        return [Line(*row) for row in self._query(sql, (first, first + count))]

    async def indices(self, order_id: str) -> list[int]:
        """Of an order's lines."""
        sql = "SELECT idx FROM journal WHERE order_id = ? ORDER BY idx"
        return [row[0] for row in self._query(sql, (order_id,))]

    async def nodes(self, level: int, first: int, count: int) -> list[bytes]:
        """Hashes of a level."""
        table, column, where, values = "nodes", "number", "level = ? AND ", [level]
        if level == 0:
            table, column, where, values = "journal", "idx", "", []
        sql = f"SELECT hash FROM {table} WHERE {where}{column} >= ? AND {column} < ? ORDER BY {column}"
        return [row[0] for row in self._query(sql, [*values, first, first + count])]

    async def get(self, table: str, keys: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Rows by primary key."""
        *names, last = KEYS[table]
        where = " AND ".join((*(f"{name} = ?" for name in names), f"{last} IN "))
        groups: dict[tuple[Any, ...], list[Any]] = {}
        for *values, value in dict.fromkeys(keys):
            groups.setdefault(tuple(values), []).append(value)
        found: list[Any] = []
        for prefix, wanted in groups.items():
            for first in range(0, len(wanted), _MOST_VARIABLES):
                some = wanted[first : first + _MOST_VARIABLES]
                marks = ", ".join("?" * len(some))
                found += self._query(f"{_select(table)} WHERE {where}({marks})", (*prefix, *some))
        return codec(table).decode(found)

    async def select(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        *,
        after: tuple[Any, ...] | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Rows by column values, in the order of the primary key."""
        rows: list[Any] = []
        parts = _parts(where or {})
        for part in parts:
            sql, values = _conditions(table, part, after)
            order = ", ".join(KEYS[table])
            end = "" if limit is None else f" LIMIT {int(limit)}"
            rows += self._query(f"{_select(table)}{sql} ORDER BY {order}{end}", values)
        if len(parts) > 1:
            rows = sorted(rows, key=codec(table).key)[:limit]
        return codec(table).decode(rows)

    async def dump(self, table: str) -> AsyncIterator[bytes]:
        """Rows as stored."""
        order = ", ".join(KEYS[table])
        try:
            for row in self._connection.execute(f"{_select(table)} ORDER BY {order}"):
                yield repr(row).encode()
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error

    async def payload(self, sha256: str) -> bytes | None:
        """What was too large for an entry."""
        rows = self._query("SELECT body FROM payloads WHERE sha256 = ?", (sha256,))
        return rows[0][0] if rows else None

    async def cursor(self, name: str) -> int:
        """How far an outlet has come."""
        rows = self._query("SELECT next FROM cursors WHERE name = ?", (name,))
        return rows[0][0] if rows else 0

    async def cursors(self) -> dict[str, int]:
        """How far every outlet has come."""
        return dict(self._query("SELECT name, next FROM cursors ORDER BY name"))

    async def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def _parts(where: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The conditions in pieces that SQLite's limit on variables takes."""
    long = next((n for n, v in where.items() if isinstance(v, tuple) and len(v) > _MOST_VARIABLES), None)
    if long is None:
        return [where]
    values = tuple(dict.fromkeys(where[long]))
    return [{**where, long: values[i : i + _MOST_VARIABLES]} for i in range(0, len(values), _MOST_VARIABLES)]


def _conditions(table: str, where: Mapping[str, Any], after: tuple[Any, ...] | None) -> tuple[str, list[Any]]:
    rows, conditions, values = codec(table), [], []
    for name, value in where.items():
        if value is None:
            conditions.append(f"{rows.column(name)} IS NULL")
            continue
        wanted = value if isinstance(value, tuple) else (value,)
        conditions.append(f"{rows.column(name)} IN ({', '.join('?' * len(wanted))})")
        values += [rows.encode_value(name, one) for one in wanted]
    if after is not None:
        conditions.append(f"({', '.join(KEYS[table])}) > ({', '.join('?' * len(after))})")
        values += after
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), values


def _file_id(path: Path) -> tuple[int, int] | None:
    """Which file a name stands for; SQLite goes on writing to one that has no name any more."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class SqliteJournal(SqliteReader):
    """Reading and writing."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        super().__init__(connection, path)
        self._file = None if path is None else _file_id(path)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["SqliteJournal"]:
        """Nobody else writes."""
        yield self

    async def lock(self) -> "SqliteJournal":
        """Nothing to wait for: this is the only writer."""
        return self

    async def release(self) -> None:
        """Nothing was held."""

    def watch(self, news: Callable[[], None]) -> None:
        """Nobody else writes."""

    async def commit(self, batch: Batch) -> None:
        """Writes a batch in one transaction."""
        if self.path is not None and _file_id(self.path) != self._file:
            raise DiskError(f"{self.path} was deleted or replaced while it was open: nothing more is written")
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            self._write(batch)
        except BaseException as error:
            self._roll_back()
            if isinstance(error, sqlite3.Error):
                raise store_error(error, self.path) from error
            raise
        try:
            execute("COMMIT")
        except sqlite3.Error as error:
            if _IO in str(error):
                raise DiskError(f"{self.path}: the disk failed under a commit: {error}") from error
            if FULL in str(error) or self._connection.in_transaction:
                self._roll_back()
                raise store_error(error, self.path) from error
            raise OutcomeUnknown(f"{self.path}: the commit failed: {error}") from error

    def _write(self, batch: Batch) -> None:
        many = self._connection.executemany
        found = self._connection.execute("SELECT size FROM head").fetchall()
        size = found[0][0] if found else 0
        if batch.first != size:
            raise StoreError(f"the log has {size} entries, the batch begins at {batch.first}")
        many(
            "INSERT INTO journal (idx, kind, order_id, hash, entry) VALUES (?, ?, ?, ?, ?)",
            [
                (index, line.kind, line.order_id, line.hash, line.data)
                for index, line in enumerate(batch.lines, batch.first)
            ],
        )
        for table, rows in batch.rows.items():
            self._write_rows(table, rows, batch.before.get(table))
        if batch.nodes:
            many("INSERT INTO nodes VALUES (?, ?, ?)", [(n.level, n.number, n.hash) for n in batch.nodes])
        if batch.payloads:
            many("INSERT OR IGNORE INTO payloads VALUES (?, ?)", list(batch.payloads.items()))
        self._connection.execute(
            "INSERT INTO head (id, size, checkpoint) VALUES (1, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET size=excluded.size, checkpoint=excluded.checkpoint",
            (batch.first + len(batch.lines), batch.checkpoint),
        )

    def _write_rows(self, table: str, rows: Sequence[Struct], before: Sequence[Struct | None] | None) -> None:
        """Whole rows where they may be new, else what differs."""
        many, columns = self._connection.executemany, codec(table)
        whole: list[list[Any]] = []
        parts: dict[tuple[int, ...], list[list[Any]]] = {}
        for row, old in zip(rows, repeat(None) if before is None else before, strict=False):
            if old is None:
                whole.append(columns.encode(row))
            elif places := columns.changed(old, row):
                parts.setdefault(places, []).append(columns.encode_some(row, places))
        if whole:
            many(_upsert(table), whole)
        for places, values in parts.items():
            updated = many(_update(table, places), values).rowcount
            if updated != len(values):
                raise Defect(f"{len(values)} rows of {table} were to change, {updated} are there")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    async def move_cursor(self, name: str, index: int, epoch: int = 0) -> None:
        """Notes how far an outlet has come."""
        sql = "INSERT INTO cursors VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET next=excluded.next"
        self._query(sql, (name, index))
