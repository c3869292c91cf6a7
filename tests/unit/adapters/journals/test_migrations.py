"""The migrations lead to the schema, whole or not at all."""

import asyncio
import sqlite3

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations.ops import CreateTableOp
from alembic.script import ScriptDirectory
from msgspec.structs import replace
from tests.journals import older

from ordergate.adapters.journals import database, schema, tables
from ordergate.adapters.journals.database import bring_up, open_journal, set_up
from ordergate.adapters.journals.migrate import bind, config, upgrade
from ordergate.adapters.journals.rows import codec
from ordergate.adapters.journals.sqlite import SqliteReader
from ordergate.adapters.journals.sqlite_file import connect
from ordergate.domain.errors import StoreError
from ordergate.domain.recon.holding import HoldingKind


@pytest.fixture
def connection():
    connection = connect(None)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def only_read():
    connection = connect(None)
    upgrade(connection)
    yield connection
    connection.close()


def differences(connection):
    with bind(connection) as bound:
        return compare_metadata(MigrationContext.configure(bound), tables.metadata)


def test_an_upgraded_database_is_the_schema(connection):
    upgrade(connection)
    assert differences(connection) == []


def test_the_comparison_would_find_a_difference(connection):
    upgrade(connection)
    connection.execute("ALTER TABLE orders ADD COLUMN forgotten TEXT")
    connection.execute("DROP INDEX orders_state_order_id")
    assert len(differences(connection)) == 2


def test_what_the_comparison_does_not_look_at_is_equal_too(connection):
    upgrade(connection)
    made = connect(None)
    engine = sa.create_engine("sqlite://", creator=lambda: made, poolclass=sa.StaticPool)
    tables.metadata.create_all(engine)
    for table in tables.metadata.tables:
        for pragma in ("table_info", "index_list"):
            ours, wanted = (
                sorted(str(row[1:]) for row in c.execute(f"SELECT * FROM pragma_{pragma}('{table}')"))
                for c in (connection, made)
            )
            assert ours == wanted, table
    engine.dispose()
    made.close()


def test_the_revisions_are_those_of_the_scripts(connection):
    with bind(connection) as bound:
        scripts = ScriptDirectory.from_config(config(bound))
    walked = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(walked)) == schema.REVISIONS


def test_a_second_upgrade_changes_nothing(connection):
    upgrade(connection)
    before = connection.execute("SELECT * FROM sqlite_master").fetchall()
    upgrade(connection)
    assert connection.execute("SELECT * FROM sqlite_master").fetchall() == before
    assert not connection.in_transaction


def test_a_new_file_is_what_the_migrations_make(connection):
    upgrade(connection)
    fresh = connect(None)
    set_up(fresh, None)
    for question in (
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid",
        "SELECT * FROM alembic_version",
    ):
        assert fresh.execute(question).fetchall() == connection.execute(question).fetchall() != []
    assert not fresh.in_transaction
    fresh.close()


@pytest.mark.parametrize("pages", [1, 2, 20, 50])
def test_a_set_up_that_is_cut_off_leaves_nothing_and_can_be_repeated(tmp_path, monkeypatch, pages):
    url = f"sqlite:///{tmp_path / 'orders.db'}"

    def small(path, *, read_only=False):
        made = connect(path, read_only=read_only)
        made.execute(f"PRAGMA max_page_count = {pages}")
        return made

    with monkeypatch.context() as patch:
        patch.setattr(database, "connect", small)
        with pytest.raises(StoreError, match="disk is full"):
            open_journal(url)
    with sqlite3.connect(tmp_path / "orders.db") as plain:
        assert plain.execute("SELECT * FROM sqlite_master").fetchall() == []
    plain.close()
    open_journal(url)._connection.close()


def test_a_migration_that_is_cut_off_leaves_what_was_and_can_be_repeated(tmp_path, monkeypatch):
    path, everything = tmp_path / "orders.db", "SELECT * FROM sqlite_master"
    connection = connect(path)
    with bind(connection) as bound:
        command.upgrade(config(bound), "0001")
        bound.commit()
    before = connection.execute(everything).fetchall()
    connection.close()
    create, left = CreateTableOp.create_table.__func__, [2]

    def cut_off(cls, *args, **options):
        left[0] -= 1
        if not left[0]:
            raise sqlite3.OperationalError("database or disk is full")
        return create(cls, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(CreateTableOp, "create_table", classmethod(cut_off))
        with pytest.raises(StoreError, match="disk is full"):
            bring_up(path)
    with sqlite3.connect(path) as plain:
        assert plain.execute(everything).fetchall() == before != []
        assert plain.execute("SELECT * FROM alembic_version").fetchall() == [("0001",)]
    plain.close()
    assert bring_up(path) == "0001"
    open_journal(f"sqlite:///{path}")._connection.close()


def test_a_database_of_the_first_schema_comes_up(tmp_path):
    connection = connect(tmp_path / "old.db")
    with bind(connection) as bound:
        command.upgrade(config(bound), "0001")
        bound.commit()
    with pytest.raises(StoreError, match="ordergate migrate up"):
        open_journal(f"sqlite:///{tmp_path / 'old.db'}")
    upgrade(connection)
    assert differences(connection) == []
    connection.close()
    open_journal(f"sqlite:///{tmp_path / 'old.db'}")._connection.close()


FILTERS = {
    "orders": (
        ("signal_id",),
        ("fund_id",),
        ("symbol",),
        ("state",),
        ("strategy_id",),
        ("order_manager",),
        ("fund_id", "symbol", "state"),
        (),
    ),
    "refusals": (("signal_id",),),
    "fills": (("fund_id", "counts"), ("symbol", "counts"), ("fund_id", "symbol", "counts"), ("counts",)),
    "positions": (("fund_id",), ("symbol",), ()),
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(("table", "names"), [(t, names) for t, many in FILTERS.items() for names in many])
def test_a_page_of_a_list_is_found_without_a_sort(only_read, table, names, behind):
    connection, asked = only_read, []
    connection.set_trace_callback(asked.append)
    reader = SqliteReader(connection, None)
    after = tuple("x" for _ in schema.KEYS[table]) if behind else None
    asyncio.run(reader.select(table, dict.fromkeys(names, "x"), after=after, limit=101))
    connection.set_trace_callback(None)
    plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {asked[-1]}"))
    assert "TEMP B-TREE" not in plan, plan
    if table != "positions" and set(names) - {"counts"}:
        assert any(f"({name}=?" in plan for name in names), plan


def test_what_strategies_have_built_so_far_is_added_up(connection):
    journal = asyncio.run(older.busy())
    rows, expected = asyncio.run(older.rows_of(journal))
    with bind(connection) as bound:
        older.make(bound, "0004", rows, codec)
        bound.commit()
    upgrade(connection)
    assert len(expected) > 8
    assert {row.quantity > 0 for row in expected} == {True, False}
    assert asyncio.run(SqliteReader(connection, None).select("strategy_positions")) == expected
    dumped = connection.execute("SELECT quantity FROM strategy_positions ORDER BY 1").fetchall()
    assert dumped == sorted((format(row.quantity, "f"),) for row in expected)


async def _books(journal):
    """What a busy day has left, as an older program kept it: with funds that came and went, and its entries."""
    rows = {table: await journal.select(table) for table in ("orders", "fills", "positions", "moves")}
    lines = await journal.lines(0, (await journal.head()).size)
    return rows, lines


def _with_lines(bound, lines):
    statement = (
        "INSERT INTO journal (idx, kind, order_id, hash, entry) VALUES (:i, :kind, :order, :hash, :entry)"
    )
    for index, line in enumerate(lines):
        values = {
            "i": index,
            "kind": line.kind,
            "order": line.order_id,
            "hash": line.hash,
            "entry": line.data,
        }
        bound.execute(sa.text(statement), values)


@pytest.mark.parametrize(
    "how", ["by the fills", "by the journal, for funds have moved", "by the journal, over years"]
)
def test_what_a_year_has_realised_so_far_is_made_out(connection, how):
    journal = asyncio.run(older.busy())
    rows, lines = asyncio.run(_books(journal))
    wanted = [row for row in rows["positions"] if row.fund_id != "gamma"]
    if how != "by the journal, for funds have moved":
        del rows["moves"]
        rows["positions"] = wanted
    if how == "by the fills":
        lines = []  # nothing of them is needed
    if how == "by the journal, over years":
        rows["fills"][0] = replace(rows["fills"][0], time=rows["fills"][0].time.replace(year=2025))
    with bind(connection) as bound:
        older.make(bound, "0005", rows, codec)
        _with_lines(bound, lines)
        bound.commit()
    upgrade(connection)
    reader = SqliteReader(connection, None)
    assert asyncio.run(reader.select("positions")) == rows["positions"]
    later = dict.fromkeys(
        ("order_manager", "parent_order_id", "slice", "algo", "route")
    )  # what such a database could not keep
    kept = [replace(row, **later) for row in rows["orders"]]
    assert asyncio.run(reader.select("orders")) == kept
    assert kept != rows["orders"]
    assert {row.year for row in wanted} == {2026}
    assert any(row.realized_in_year for row in wanted)


def test_what_was_traded_in_accounts_so_far_is_added_up(connection):
    journal = asyncio.run(older.busy())
    rows, _built = asyncio.run(older.rows_of(journal))
    rows["instruments"] = asyncio.run(journal.select("instruments"))
    expected = asyncio.run(older.traded_in(journal))
    with bind(connection) as bound:
        older.make(bound, "0005", rows, codec)
        bound.commit()
    upgrade(connection)
    assert {row.kind for row in expected} == set(HoldingKind)
    assert len(expected) >= 6
    assert asyncio.run(SqliteReader(connection, None).select("account_holdings")) == expected
