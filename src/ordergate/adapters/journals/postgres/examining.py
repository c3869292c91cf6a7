"""What a PostgreSQL server says of itself, for whoever checks an installation."""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from ordergate.adapters.journals.postgres.connecting import FAILURES, connect, store_error
from ordergate.adapters.journals.postgres.setting_up import version

_SERVER: Final = """
SELECT current_setting('server_version'), current_setting('fsync') = 'on',
       current_setting('full_page_writes') = 'on', current_setting('synchronous_commit'),
       NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
"""
_MAY_ADD: Final = "SELECT has_table_privilege('journal', 'INSERT')"
_HELD: Final = """
SELECT name, node, detail, clock_timestamp() - renewed_at AS age FROM leases WHERE node IS NOT NULL ORDER BY name
"""


class HeldNow(Struct, frozen=True):
    """A lease that was not given back: who has it, or had it last, what that node says of itself, since when."""

    name: str
    node: str
    detail: str
    age: timedelta


class Examined(Struct, frozen=True, kw_only=True):
    """A server and the journal in it.

    Attributes:
        writable: it is no standby, and not set to be read only.
        may_add: the user may write entries; true where there is no journal yet.
        schema: None where there is no journal yet.
        size: entries of the journal.
        ahead: how far the server's clock is before this machine's; the true value is within half of `took`.
        took: a round trip.
        checkpoint: the last one that was signed; empty where there is no entry.
        held: leases that nobody has given back; the node may be gone all the same.
    """

    server: str
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str
    writable: bool
    may_add: bool
    schema: str | None
    size: int
    checkpoint: str
    ahead: timedelta
    took: timedelta
    held: tuple[HeldNow, ...]


async def examine(url: str, shown: str) -> Examined:
    """Asks the server of a URL.

    Raises:
        StoreError: it cannot be reached, or the database is another program's.
    """
    connection = await connect(url)
    try:
        server, fsync, full_page_writes, synchronous_commit, writable = await connection.fetchrow(_SERVER)
        schema = await version(connection, shown)
        ready = schema is not None and schema >= "0003"
        head = await connection.fetchrow("SELECT size, checkpoint FROM head") if ready else None
        may_add = await connection.fetchval(_MAY_ADD) if ready else True
        held = await connection.fetch(_HELD) if ready else []
        await connection.fetchval("SELECT clock_timestamp()")  # prepares the next
        before = datetime.now(UTC)
        there: datetime = await connection.fetchval("SELECT clock_timestamp()")
        took = datetime.now(UTC) - before
    except FAILURES as error:
        raise store_error(error, url) from None
    finally:
        connection.terminate()
    return Examined(
        server=server,
        fsync=fsync,
        full_page_writes=full_page_writes,
        synchronous_commit=synchronous_commit,
        writable=writable,
        may_add=may_add,
        schema=schema,
        size=0 if head is None else head[0],
        checkpoint="" if head is None else head[1],
        ahead=there - (before + took / 2),
        took=took,
        held=tuple(HeldNow(*row) for row in held),
    )
