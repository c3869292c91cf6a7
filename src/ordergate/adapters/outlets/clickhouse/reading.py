"""Rows of ours, as lines for ClickHouse."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from ordergate.adapters.outlets.clickhouse.columns import FillFacts, OrderFacts, PositionFacts, Stamp, Table
from ordergate.adapters.outlets.clickhouse.tables import (
    EXECUTIONS_TABLE,
    ORDERS_TABLE,
    POSITIONS_TABLE,
    TABLES,
)
from ordergate.application.ports.journal import RowReader
from ordergate.application.queries import Queries
from ordergate.application.touching import Touched
from ordergate.domain.instruments import Instrument

_PAGE: Final = 50
"""So few at a time, for the gate's loop is not to wait for them."""
_SOURCES: Final = {
    ORDERS_TABLE.name: "orders",
    EXECUTIONS_TABLE.name: "fills",
    POSITIONS_TABLE.name: "positions",
}


class Rows:
    """Makes the lines of one moment: what is read is as that entry left it, or newer."""

    def __init__(self, reader: RowReader, instruments: dict[str, Instrument], stamp: Stamp) -> None:
        self._reader, self._instruments, self._stamp = reader, instruments, stamp

    async def touched(self, touched: Touched) -> AsyncIterator[tuple[Table, bytes]]:
        """Of the keys.

        Raises:
            StoreError: they cannot be read.
        """
        for ids in _pages(sorted(touched.orders)):
            yield ORDERS_TABLE, self._orders(await self._reader.get("orders", [(one,) for one in ids]))
            await asyncio.sleep(0)
        for keys in _pages(sorted(touched.fills)):
            yield EXECUTIONS_TABLE, await self._fills(await self._reader.get("fills", keys))
            await asyncio.sleep(0)
        for order_id in sorted(touched.refilled):
            yield (
                EXECUTIONS_TABLE,
                await self._fills(await self._reader.select("fills", {"order_id": order_id})),
            )
        for keys in _pages(sorted(touched.positions)):
            yield POSITIONS_TABLE, await self._positions(await self._reader.get("positions", keys))
            await asyncio.sleep(0)

    async def all(self) -> AsyncIterator[tuple[Table, int, bytes]]:
        """Of all tables, page by page, with how many rows a page has.

        Raises:
            StoreError: they cannot be read.
        """
        for table in TABLES:
            after: tuple[Any, ...] | None = None
            source = _SOURCES[table.name]
            while page := await self._reader.select(source, after=after, limit=_PAGE):
                yield table, len(page), await self._made(table, page)
                after = _key(table, page[-1])
                await asyncio.sleep(0)

    async def _made(self, table: Table, rows: Sequence[Any]) -> bytes:
        if table is ORDERS_TABLE:
            return self._orders(rows)
        return await (self._fills(rows) if table is EXECUTIONS_TABLE else self._positions(rows))

    def _orders(self, rows: Sequence[Any]) -> bytes:
        facts = [OrderFacts(row, self._instruments[row.symbol]) for row in rows]
        return ORDERS_TABLE.rows(facts, self._stamp)

    async def _fills(self, rows: Sequence[Any]) -> bytes:
        ids = sorted({row.order_id for row in rows})
        orders = {row.order_id: row for row in await self._reader.get("orders", [(one,) for one in ids])}
        facts = [FillFacts(row, orders[row.order_id], self._instruments[row.symbol]) for row in rows]
        return EXECUTIONS_TABLE.rows(facts, self._stamp)

    async def _positions(self, rows: Sequence[Any]) -> bytes:
        queries = Queries(self._reader)
        facts = []
        for row in rows:
            lots = await queries.open_lots(row, 1) if row.quantity else []
            facts.append(PositionFacts(row, self._instruments[row.symbol], next(iter(lots), None)))
        return POSITIONS_TABLE.rows(facts, self._stamp)


async def rows_of(reader: RowReader, stamp: Stamp) -> Rows:
    """With the instruments that the journal knows. Raises StoreError."""
    return Rows(reader, {row.symbol: row for row in await reader.select("instruments")}, stamp)


def _pages(keys: Sequence[Any]) -> list[Sequence[Any]]:
    return [keys[start : start + _PAGE] for start in range(0, len(keys), _PAGE)]


def _key(table: Table, row: Any) -> tuple[Any, ...]:
    if table is ORDERS_TABLE:
        return (row.order_id,)
    return (row.order_id, row.exec_id) if table is EXECUTIONS_TABLE else (row.fund_id, row.symbol)
