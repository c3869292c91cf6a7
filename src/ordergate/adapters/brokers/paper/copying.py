"""Carrying a venue's record over, from a file to a schema of a server or back: every row, in one transaction.

What is handed to a session's owner and has not been taken yet stays behind: it is no part of the record.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path

from ordergate.adapters.brokers.paper.store import Store
from ordergate.adapters.brokers.paper.whole_record import FileRecord, Record
from ordergate.adapters.journals.location import exists


def record_of(name: str, place: Path | str) -> AbstractAsyncContextManager[Record | None]:
    """The record of a venue, for the while; None where there is none yet.

    Args:
        place: its file, or the URL of the database that has its schema.

    Raises:
        StoreBusy: somebody has it open.
        StoreError: it cannot be used, or is another venue's.
    """
    return _recorded(name, place, make=False)


def new_record(name: str, place: Path | str) -> AbstractAsyncContextManager[Record | None]:
    """As `record_of`; makes an empty one where there is none."""
    return _recorded(name, place, make=True)


@asynccontextmanager
async def _recorded(name: str, place: Path | str, *, make: bool) -> AsyncIterator[Record | None]:
    if isinstance(place, str):
        from ordergate.adapters.brokers.paper.postgres.copying import schema_record

        async with schema_record(name, place, make=make) as record:
            yield record
        return
    if not make and not exists(place):
        yield None
        return
    store = Store(name, place)
    store.open()  # makes it, checks whose it is, and keeps others out
    try:
        with closing(sqlite3.connect(place, isolation_level=None)) as connection:
            yield FileRecord(connection, place)
    finally:
        store.close()
