"""Several stores read as one: the rows of all of them, in the order of their keys.

A row lies in one store. Orders and fills of a fund that has moved are in two of them; what it holds is read where the
fund is now.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import Any

from ordergate.application.ports.journal import RowReader
from ordergate.domain.book import Book
from ordergate.domain.moves import MovePhase

_KEYS: Mapping[str, Callable[[Any], Any]] = {table.name: table.key for table in Book().tables}

_HELD = ("funds", "positions", "lots")


class MergedRows:
    """A reader of several stores.

    Args:
        readers: asked for at every reading, for they may be exchanged.
        home: which of them alone has to do with a fund of that name; None where all are read.
    """

    def __init__(
        self, readers: Callable[[], Sequence[RowReader]], home: Callable[[str], RowReader | None]
    ) -> None:
        self._readers, self._home = readers, home

    async def get(self, table: str, keys: Sequence[tuple[Any, ...]]) -> list[Any]:
        """See `RowReader`."""
        found = await asyncio.gather(*(reader.get(table, keys) for reader in self._readers()))
        return [row for rows in found for row in rows]

    async def select(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        *,
        after: tuple[Any, ...] | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """See `RowReader`."""
        fund = (where or {}).get("fund_id")
        home = self._home(fund) if isinstance(fund, str) else None
        if home is not None:
            return await home.select(table, where, after=after, limit=limit)

        async def of(reader: RowReader) -> list[Any]:
            narrowed = where if table not in _HELD else await _of_those_here(reader, where or {})
            return await reader.select(table, narrowed, after=after, limit=limit)

        found = await asyncio.gather(*(of(reader) for reader in self._readers()))
        return list(islice(merge(*found, key=_KEYS[table]), limit))


async def _of_those_here(reader: RowReader, where: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same, without funds that have left this store."""
    left = {move.fund_id for move in await reader.select("moves", {"phase": MovePhase.LEFT})}
    if not left:
        return where
    named = where.get("fund_id")
    wanted = {named} if named is not None else {fund.fund_id for fund in await reader.select("funds")}
    return {**where, "fund_id": tuple(sorted(wanted - left))}
