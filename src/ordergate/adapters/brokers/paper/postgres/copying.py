"""A venue's record in a schema, row by row as a file keeps it: for carrying it over."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from ordergate.adapters.brokers.paper.postgres.link import Address, Connection
from ordergate.adapters.brokers.paper.postgres.tables import WRITTEN
from ordergate.adapters.brokers.paper.whole_record import TABLES, Record, Row, Rows
from ordergate.domain.money import text
from ordergate.domain.times import format_time

_LONG_S: Final = 600.0
"""How long a table may take."""
_PAGE: Final = 1_000
_COLUMNS: Final = {table.name: table.columns for table in WRITTEN}
_Code = Callable[[Any], Any]


def _time_text(at: datetime) -> str:
    return format_time(at.astimezone(UTC))


_OUT: Final[dict[str, _Code]] = {"numeric": text, "boolean": int, "timestamptz": _time_text}
_IN: Final[dict[str, _Code]] = {
    "numeric": Decimal,
    "boolean": bool,
    "timestamptz": datetime.fromisoformat,
}


@asynccontextmanager
async def schema_record(name: str, url: str, *, make: bool) -> AsyncIterator[Record | None]:
    """The record of a venue, as it is at one moment; None where there is none yet and none is to be made.

    Raises:
        StoreError: the database cannot be used, or has something else there.
    """
    at = Address(name, url)
    if not make and not await at.exists():
        yield None
        return
    async with at.connected() as connection:
        yield SchemaRecord(connection, at)


class SchemaRecord:
    """In a schema whose nodes do not trade."""

    def __init__(self, connection: Connection, at: Address) -> None:
        self._connection, self._at = connection, at

    async def empty(self) -> bool:
        """See `Record`."""
        found = " OR ".join(f"EXISTS (SELECT FROM {self._at.sql}.{table})" for table in TABLES)
        with self._at.failures("cannot be read"):
            return not await self._connection.fetchval(f"SELECT {found}")

    async def rows(self, table: str) -> Rows:
        """See `Record`."""
        codes = _codes(table, _OUT)
        columns, keys = _COLUMNS[table], TABLES[table]
        names = ", ".join(name for name, _kind in columns)
        order = ", ".join(f'{name} COLLATE "C"' if (name, "text") in columns else name for name in keys)
        sql = f"SELECT {names} FROM {self._at.sql}.{table} ORDER BY {order}"
        with self._at.failures("cannot be read"):
            async with self._connection.transaction(isolation="repeatable_read", readonly=True):
                async for row in self._connection.cursor(sql, prefetch=_PAGE, timeout=_LONG_S):
                    yield _coded(codes, tuple(row))

    async def replace(self, source: Record) -> None:
        """See `Record`."""
        with self._at.failures("cannot be written"):
            async with self._connection.transaction():
                for table in TABLES:
                    await self._connection.execute(f"DELETE FROM {self._at.sql}.{table}", timeout=_LONG_S)
                    await self._connection.copy_records_to_table(
                        table,
                        schema_name=self._at.schema,
                        columns=[name for name, _kind in _COLUMNS[table]],
                        records=_records(source, table),
                        timeout=_LONG_S,
                    )


async def _records(source: Record, table: str) -> Rows:
    codes = _codes(table, _IN)
    async for row in source.rows(table):
        yield _coded(codes, row)


def _codes(table: str, known: dict[str, _Code]) -> Sequence[_Code | None]:
    return [known.get(kind) for _name, kind in _COLUMNS[table]]


def _coded(codes: Sequence[_Code | None], row: Row) -> Row:
    return tuple(
        value if code is None or value is None else code(value)
        for code, value in zip(codes, row, strict=True)
    )
