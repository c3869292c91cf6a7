"""ClickHouse's tables of a gate, where the configuration has a database; and filling them anew."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ordergate.adapters.clickhouse import Connection, check_library
from ordergate.adapters.outlets.clickhouse import ClickHouseTables, Filled, Store, fill
from ordergate.application.naming import Naming
from ordergate.application.outlets import Pace
from ordergate.application.ports.journal import JournalReader
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.gate import Gate
from ordergate.bootstrap.secrets import secrets_of
from ordergate.config import Config


@asynccontextmanager
async def clickhouse_tables(
    config: Config, secrets: Secrets, reader: JournalReader
) -> AsyncIterator[ClickHouseTables | None]:
    """The outlet, to be followed meanwhile; None without a database. A server that is away hinders nothing.

    Raises:
        ConfigError: a file that it names is not there.
        SecretError: a password is not.
        ClickHouseError: what it takes is not installed.
    """
    section = config.clickhouse
    if section.url is None:
        yield None
        return
    target = section.target(secrets)
    check_library(target)
    tables = ClickHouseTables(Connection(target), section.database, reader, config.audit.origin, section.logs)
    try:
        yield tables
    finally:
        await tables.close()


async def follow_tables(gate: Gate, tables: ClickHouseTables | None) -> None:
    """Feeds them in batches as configured."""
    if tables is not None:
        section = gate.config.clickhouse
        pace = Pace(at_once=section.batch_rows, gather_s=section.batch_age_ms / 1_000)
        await gate.follow(tables, pace=pace)


async def backfill(
    config: Config,
    reader: JournalReader,
    *,
    replace: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Filled | None:
    """Fills the tables anew from a journal, also while it is served; None where it has no entry yet.

    Args:
        config: of that journal alone.
        replace: also over another journal of the same origin, whose rows go.
        progress: is told how many rows have been written.

    Raises:
        ConfigError: there is no database.
        SecretError: its password is not there.
        ClickHouseError: see `fill`.
        StoreError: the journal cannot be read.
    """
    section, origin = config.clickhouse, config.audit.origin
    target = section.target(secrets_of(config))
    check_library(target)
    if not (await reader.head()).size:
        return None
    connection = Connection(target)
    try:
        store, name = Store(connection, section.database), await Naming(reader, origin).name()
        return await fill(store, reader, name, section.logs, replace=replace, progress=progress)
    finally:
        await connection.close()
