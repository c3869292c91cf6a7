"""What can be seen of a database from outside, without changing it."""

from collections.abc import Iterable

from msgspec import Struct

from ordergate.adapters.clickhouse import ClickHouseError, Connection
from ordergate.adapters.outlets.clickhouse.outlet import cursor_of
from ordergate.adapters.outlets.clickhouse.owning import check_begun, standing
from ordergate.adapters.outlets.clickhouse.store import MARKS, Store, differences
from ordergate.adapters.outlets.clickhouse.tables import TABLES
from ordergate.application.naming import Naming
from ordergate.application.ports.journal import JournalReader


class Examined(Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        version: the server's.
        wrong: tables that are there with other columns, or the rows of another journal.
        made: whether all tables are there.
        done: entries that are in the tables; 0 where none are.
        waiting: entries of the journal that the outlet has not taken.
    """

    version: str
    wrong: tuple[str, ...] = ()
    made: bool = False
    done: int = 0
    waiting: int = 0


async def version_of(connection: Connection) -> str:
    """The server's. Raises ClickHouseError where it does not answer."""
    return str((await connection.query("SELECT version()")).rows[0][0])


async def examine(
    connection: Connection, database: str, reader: JournalReader | None, log: str, shares: Iterable[str]
) -> Examined:
    """Looks at tables and marks.

    Args:
        reader: of the journal; None where there is none yet.

    Raises:
        ClickHouseError: the server does not answer.
        StoreError: the journal cannot be read.
    """
    store, version = Store(connection, database), await version_of(connection)
    found = await store.found()
    wrong = differences(found)
    made = MARKS in found and all(name in found for table in TABLES for name in (table.name, table.versions))
    head = 0 if reader is None else (await reader.head()).size
    waiting = head if reader is None else max(head - await reader.cursor(cursor_of(database)), 0)
    if wrong or MARKS not in found or reader is None or not head:
        return Examined(version=version, wrong=tuple(wrong), made=made, waiting=waiting)
    marks = await store.marks()
    try:
        there = standing(marks, await Naming(reader, log).name(), shares, store.shown)
        await check_begun(there, reader, store.shown)
    except ClickHouseError as error:
        return Examined(version=version, wrong=(str(error),), made=made, waiting=waiting)
    done = 0 if there.done is None else there.done.journal_index + 1
    return Examined(version=version, made=made, done=done, waiting=waiting)
