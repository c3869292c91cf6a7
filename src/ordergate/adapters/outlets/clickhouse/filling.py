"""Filling the tables anew from the journal's own, whoever goes on writing meanwhile.

Where the rows there are this journal's, the new ones come first and the old ones go then: whoever asks meanwhile sees
rows as they were or as they are. Else whatever is of this log goes first.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from ordergate.adapters.outlets.clickhouse.columns import Stamp, Table
from ordergate.adapters.outlets.clickhouse.owning import (
    Ahead,
    NotOurs,
    Standing,
    check_begun,
    leaf_hash,
    standing,
)
from ordergate.adapters.outlets.clickhouse.reading import rows_of
from ordergate.adapters.outlets.clickhouse.store import Mark, Store
from ordergate.adapters.outlets.clickhouse.tables import TABLES
from ordergate.application.naming import LogName
from ordergate.application.ports.journal import JournalReader

_AT_ONCE: Final = 4_000_000
"""Bytes of one insert, about."""


class Filled(Struct, frozen=True):
    """What was written: rows by table, as entry `journal_index` left them, or newer."""

    rows: dict[str, int]
    journal_index: int


async def fill(
    store: Store,
    reader: JournalReader,
    name: LogName,
    shares: Iterable[str] = (),
    *,
    replace: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Filled:
    """Writes every row of a journal that has an entry.

    Args:
        shares: origins of journals that may be in the database too.
        replace: also over another journal of this origin, which goes.
        progress: is told how many rows have been written.

    Raises:
        NotOurs: there is another journal of this origin, and it is not to be replaced.
        ClickHouseError: the database is another log's, or the server did not take it; it may be tried again.
        StoreError: the journal cannot be read.
    """
    await store.prepare()
    there = await _there(store, reader, name, shares, replace=replace)
    if there.done is None:
        await store.forget(name.log)
    last = (await reader.head()).size - 1  # behind the deletion: what comes later is written by who follows
    stamp = Stamp(name.log, last)
    writer = _Writer(store, reader, name, progress)
    async for table, count, lines in (await rows_of(reader, stamp)).all():
        await writer.take(table, count, lines)
    await writer.flush()
    if there.done is not None:
        await store.forget_before(stamp)
    await store.mark(await mark_of(reader, name, "done", last))
    return Filled(writer.rows, last)


async def _there(
    store: Store, reader: JournalReader, name: LogName, shares: Iterable[str], *, replace: bool
) -> Standing:
    """How far the rows there are; nothing where they are no good."""
    marks = await store.marks()
    try:
        there = standing(marks, name, shares, store.shown)
        await check_begun(there, reader, store.shown)
    except NotOurs:
        if not replace:
            raise
        others = [mark for mark in marks if mark.log != name.log]
        standing(others, name, shares, store.shown)  # nor may there be others
    except Ahead:
        pass
    else:
        return there
    return Standing(None, None)


async def mark_of(reader: JournalReader, name: LogName, what: str, index: int) -> Mark:
    """That the rows have come to an entry. Raises StoreError."""
    return Mark(
        log=name.log,
        journal=name.journal,
        what=what,
        journal_index=index,
        leaf_hash=await leaf_hash(reader, index),
    )


class _Writer:
    """Gathers lines into inserts."""

    def __init__(
        self, store: Store, reader: JournalReader, name: LogName, progress: Callable[[int], None] | None
    ) -> None:
        self._store, self._reader, self._name, self._progress = store, reader, name, progress
        self.rows = {table.name: 0 for table in TABLES}
        self._lines: list[bytes] = []
        self._table = TABLES[0]

    async def take(self, table: Table, count: int, lines: bytes) -> None:
        if table is not self._table:
            await self.flush()
            self._table = table
        self._lines.append(lines)
        self.rows[table.name] += count
        if sum(map(len, self._lines)) >= _AT_ONCE:
            await self.flush()

    async def flush(self) -> None:
        newest = (await self._reader.head()).size - 1  # what was read is not newer than that
        await self._store.mark(await mark_of(self._reader, self._name, "begun", newest))
        await self._store.write(self._table, b"".join(self._lines))
        self._lines = []
        if self._progress is not None:
            self._progress(sum(self.rows.values()))
