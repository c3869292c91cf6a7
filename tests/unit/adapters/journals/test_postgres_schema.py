"""The schema on PostgreSQL: the migrations lead to it, once, whole or not at all."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from tests.journals import older
from tests.services.postgres import name_of

from ordergate.adapters.journals import schema, tables
from ordergate.adapters.journals.location import locate
from ordergate.adapters.journals.migrate import upgrade as upgrade_file
from ordergate.adapters.journals.postgres.connecting import connect
from ordergate.adapters.journals.postgres.reader import Pool, PostgresReader
from ordergate.adapters.journals.postgres.rows import codec, column_types
from ordergate.adapters.journals.postgres.setting_up import upgrade, version_at
from ordergate.adapters.journals.sqlite_file import connect as open_file

METADATA = [tables.metadata, tables.shared]
COLUMNS = """
SELECT table_name, column_name, data_type, collation_name, is_nullable FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"


def up(url):
    asyncio.run(upgrade(url, locate(url).shown))


def over(url, work):
    """What `work` gives, called with a synchronous connection."""

    async def run():
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: connect(url), poolclass=NullPool
        )
        async with engine.begin() as bound:
            return await bound.run_sync(work)

    return asyncio.run(run())


def differences(url):
    return over(url, lambda bound: compare_metadata(MigrationContext.configure(bound), METADATA))


def test_an_upgraded_database_is_the_schema(database):
    up(database)
    assert differences(database) == []


def test_the_comparison_would_find_a_difference(postgres, database):
    up(database)
    for sql in (
        "ALTER TABLE orders ADD COLUMN forgotten text",
        "DROP INDEX orders_state_order_id",
        "ALTER TABLE positions ALTER COLUMN cost TYPE text",
    ):
        postgres.sql(sql, name_of(database))
    assert len(differences(database)) == 3


def test_collations_and_conditions_of_indexes_are_the_schemas_too(postgres, database):
    up(database)
    made = postgres.database()
    over(made, lambda bound: [metadata.create_all(bound) for metadata in METADATA])
    for question in (COLUMNS, INDEXES):
        assert postgres.sql(question, name_of(database)) == postgres.sql(question, name_of(made))


def test_texts_sort_as_their_bytes_do(postgres, database):
    up(database)
    texts = [
        line.split("|")[3]
        for line in postgres.sql(COLUMNS, name_of(database)).splitlines()
        if "|text|" in line
    ]
    assert len(texts) > 50
    assert set(texts) == {"C"}


def test_a_second_upgrade_changes_nothing(postgres, database):
    up(database)
    before = postgres.sql(COLUMNS, name_of(database))
    up(database)
    assert postgres.sql(COLUMNS, name_of(database)) == before


def test_the_head_is_there_from_the_start(postgres, database):
    up(database)
    assert postgres.sql("SELECT id, size, checkpoint FROM head", name_of(database)) == "1|0|"


def test_sqlite_has_its_own_types():
    """What PostgreSQL wants must not reach it: its NUMERIC corrupts decimals."""
    connection = open_file(None)
    upgrade_file(connection)
    made = " ".join(row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL"))
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    types = {row[2] for table in tables for row in connection.execute(f"PRAGMA table_info({table})")}
    connection.close()
    assert types == {"TEXT", "INTEGER", "BLOB", "VARCHAR(32)"}
    assert "COLLATE" not in made
    assert "leases" not in tables


@pytest.mark.parametrize("count", [2, 5])
def test_of_several_nodes_that_start_at_once_one_sets_up(database, count):
    async def main():
        await asyncio.gather(*(upgrade(database, "it") for _ in range(count)))
        return await version_at(database, "it")

    assert asyncio.run(main()) == schema.REVISIONS[-1]


def test_what_strategies_have_built_so_far_is_added_up(database):
    journal = asyncio.run(older.busy())
    rows, expected = asyncio.run(older.rows_of(journal))
    over(database, lambda bound: older.make(bound, "0004", rows, codec))
    up(database)

    async def read():
        reader = PostgresReader(Pool(database))
        try:
            return await reader.select("strategy_positions")
        finally:
            await reader.close()

    assert asyncio.run(read()) == expected


def test_what_a_year_has_realised_so_far_is_made_out(database):
    """By the fills: no fund has moved, and all of it was in one year."""
    journal = asyncio.run(older.busy())

    async def made():
        rows = {table: await journal.select(table) for table in ("orders", "fills", "positions")}
        return rows | {"positions": [row for row in rows["positions"] if row.fund_id != "gamma"]}

    rows = asyncio.run(made())
    over(database, lambda bound: older.make(bound, "0005", rows, codec))
    up(database)

    async def read():
        reader = PostgresReader(Pool(database))
        try:
            return await reader.select("positions")
        finally:
            await reader.close()

    assert asyncio.run(read()) == rows["positions"]
    assert any(row.realized_in_year for row in rows["positions"])


@pytest.mark.parametrize("table", sorted(tables.PROJECTIONS))
def test_the_types_that_statements_name_are_those_of_the_columns(table):
    columns = tables.PROJECTIONS[table].columns
    compiled = [str(column.type.compile(dialect=postgresql.dialect())).lower() for column in columns]
    assert list(column_types(table)) == [kind.partition(" collate")[0] for kind in compiled]
