"""Reading the journal and its tables from PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol

import asyncpg

from ordergate.adapters.journals.postgres.connecting import (
    CONNECT_S,
    FAILURES,
    connect,
    is_ours,
    options,
    store_error,
)
from ordergate.adapters.journals.postgres.rows import (
    as_in_sqlite,
    codec,
    column_types,
    text_in,
    text_out,
)
from ordergate.adapters.journals.schema import KEYS
from ordergate.application.ports.journal import Head, Line

_MOST_CONNECTIONS: Final = 4
_TURN_S: Final = 10.0
_PAGE: Final = 1_000
_MOMENT_S: Final = 300.0
"""How long one statement may take while a whole state is read."""


class Source(Protocol):
    """What answers statements."""

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """The rows; raises StoreError where there is no answer."""
        ...

    async def close(self) -> None:
        """Lets go of what it holds."""
        ...


class Pool:
    """A few connections, made as they are needed, for whoever reads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """See `Source`."""
        try:
            pool = self._pool or await self._make()
            async with pool.acquire(timeout=_TURN_S) as connection:
                found: list[Any] = await connection.fetch(sql, *values)
                return found
        except (*FAILURES, ValueError) as error:
            if is_ours(error):
                raise
            raise store_error(error, self._url) from None

    async def _make(self) -> asyncpg.Pool:
        pool = asyncpg.create_pool(
            self._url, min_size=0, max_size=_MOST_CONNECTIONS, reset=_as_it_is, **options(self._url)
        )
        await pool  # waits for nothing, for it makes no connection yet: nobody can come between
        self._pool = pool
        return pool

    async def close(self) -> None:
        """Ends the connections."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), CONNECT_S)
        except FAILURES:
            self._pool.terminate()


class Moment:
    """One connection on which everything is as it was when it was first asked."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """See `Source`."""
        if self._connection is None:
            self._connection = await connect(self._url, {"default_transaction_isolation": "repeatable read"})
        try:
            if not self._connection.is_in_transaction():
                await self._connection.execute("BEGIN READ ONLY")
            found: list[Any] = await self._connection.fetch(sql, *values, timeout=_MOMENT_S)
            return found
        except (*FAILURES, ValueError) as error:
            if is_ours(error):
                raise
            raise store_error(error, self._url) from None

    async def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            self._connection.terminate()


async def _as_it_is(_connection: Any) -> None:
    """Readers leave nothing behind in their session; asyncpg would ask the server to make sure, every time."""


class PostgresReader:
    """Reading; beside the writers, of which there may be several.

    Args:
        source: closed by `close`.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    async def head(self) -> Head:
        """The end of the log."""
        rows = await self._source.fetch("SELECT size, checkpoint FROM head")
        return Head(*rows[0]) if rows else Head()

    async def lines(self, first: int, count: int) -> list[Line]:
        """At most `count` lines from `first` on."""
        sql = "SELECT entry, hash, kind, order_id FROM journal WHERE idx >= $1 AND idx < $2 ORDER BY idx"
        return [
            Line(entry, hash_, kind, None if order_id is None else text_out(order_id))
            for entry, hash_, kind, order_id in await self._source.fetch(sql, first, first + count)
        ]

    async def indices(self, order_id: str) -> list[int]:
        """Of an order's lines."""
        sql = "SELECT idx FROM journal WHERE order_id = $1 ORDER BY idx"
        return [row[0] for row in await self._source.fetch(sql, text_in(order_id))]

    async def nodes(self, level: int, first: int, count: int) -> list[bytes]:
        """Hashes of a level."""
        table, column, where, values = "nodes", "number", "AND level = $3 ", [level]
        if level == 0:
            table, column, where, values = "journal", "idx", "", []
        sql = f"SELECT hash FROM {table} WHERE {column} >= $1 AND {column} < $2 {where}ORDER BY {column}"
        return [row[0] for row in await self._source.fetch(sql, first, first + count, *values)]

    async def get(self, table: str, keys: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Rows by primary key, in the order of the keys."""
        wanted = [_encoded_key(table, key) for key in dict.fromkeys(keys)]
        if not wanted:
            return []
        rows = await self._source.fetch(
            _by_keys(table), *(list(column) for column in zip(*wanted, strict=True))
        )
        found = {codec(table).key(row): row for row in rows}
        return codec(table).decode([found[key] for key in wanted if key in found])

    async def select(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        *,
        after: tuple[Any, ...] | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Rows by column values, in the order of the primary key."""
        conditions, values = _conditions(table, where or {}, after)
        rows = await self._source.fetch(f"{_select(table)}{conditions} {_in_order(table, limit)}", *values)
        return codec(table).decode(rows)

    async def dump(self, table: str) -> AsyncIterator[bytes]:
        """Rows in the form that they have in SQLite, page by page."""
        after: tuple[Any, ...] | None = None
        while True:
            conditions, values = ("", ()) if after is None else (f" WHERE {_behind(table, 1)}", after)
            sql = f"{_select(table)}{conditions} {_in_order(table, _PAGE)}"
            rows = await self._source.fetch(sql, *values)
            for row in rows:
                yield repr(tuple(map(as_in_sqlite, row))).encode()
            if len(rows) < _PAGE:
                return
            after = codec(table).key(rows[-1])

    async def payload(self, sha256: str) -> bytes | None:
        """What was too large for an entry."""
        rows = await self._source.fetch("SELECT body FROM payloads WHERE sha256 = $1", sha256)
        return rows[0][0] if rows else None

    async def cursor(self, name: str) -> int:
        """How far an outlet has come."""
        rows = await self._source.fetch("SELECT next FROM cursors WHERE name = $1", name)
        return rows[0][0] if rows else 0

    async def cursors(self) -> dict[str, int]:
        """How far every outlet has come."""
        rows = await self._source.fetch("SELECT name, next FROM cursors ORDER BY name")
        return dict(rows)

    async def close(self) -> None:
        """Closes the connections."""
        await self._source.close()


def quoted(names: Sequence[str]) -> str:
    """The names of columns, of which some are words of SQL."""
    return ", ".join(f'"{name}"' for name in names)


@cache
def _select(table: str) -> str:
    # asyncpg gives the number 100000 as 1.0E+5, and what is computed with that would have other digits: texts are exact
    columns = zip(codec(table).names, column_types(table), strict=True)
    shown = (f'"{name}"::text' if kind == "numeric" else f'"{name}"' for name, kind in columns)
    return f"SELECT {', '.join(shown)} FROM {table}"


def _in_order(table: str, limit: int | None) -> str:
    end = "" if limit is None else f" LIMIT {int(limit)}"
    return f"ORDER BY {quoted(KEYS[table])}{end}"


@cache
def _by_keys(table: str) -> str:
    types = [f"{column_types(table)[at]}[]" for at in codec(table).key_places]
    wanted = ", ".join(f"${number}::{kind}" for number, kind in enumerate(types, 1))
    return f"{_select(table)} WHERE ({quoted(KEYS[table])}) IN (SELECT * FROM unnest({wanted}))"


def _encoded_key(table: str, key: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(codec(table).encode_value(n, v) for n, v in zip(KEYS[table], key, strict=True))


def _behind(table: str, first: int) -> str:
    """The condition on rows behind a key, whose columns are the parameters from `first` on."""
    marks = ", ".join(f"${number}" for number in range(first, first + len(KEYS[table])))
    return f"({quoted(KEYS[table])}) > ({marks})"


def _conditions(table: str, where: Mapping[str, Any], after: tuple[Any, ...] | None) -> tuple[str, list[Any]]:
    rows, conditions, values = codec(table), list[str](), list[Any]()
    for name, value in where.items():
        column = rows.column(name)
        if value is None:
            conditions.append(f"{column} IS NULL")
        elif isinstance(value, tuple):
            values.append([rows.encode_value(name, one) for one in dict.fromkeys(value)])
            conditions.append(f"{column} = ANY(${len(values)})")
        else:
            values.append(rows.encode_value(name, value))
            conditions.append(f"{column} = ${len(values)}")
    if after is not None:
        conditions.append(_behind(table, len(values) + 1))
        values += _encoded_key(table, after)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), values
