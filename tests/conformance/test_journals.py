"""Every journal passes the suite; and the suite finds what is wrong with journals that were broken on purpose."""

from collections.abc import Callable
from functools import partial

import pytest
from msgspec.structs import replace

from ordergate.adapters.journals.database import open_journal
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.adapters.journals.postgres.journal import PostgresJournal
from ordergate.adapters.journals.sqlite import SqliteJournal
from ordergate.domain.errors import StoreError
from ordergate.testing.conformance.journal import JournalConformance
from tests.services.postgres import name_of

UPDATE = "UPDATE journal SET kind = 'x' WHERE idx = 1"
DELETE = "DELETE FROM journal WHERE idx = 1"
REPLACE = "INSERT OR REPLACE INTO journal SELECT idx, 'x', order_id, hash, entry FROM journal WHERE idx = 1"


class _Sqlite(JournalConformance):
    def tamper(self, journal):
        return [partial(journal._connection.execute, sql) for sql in (UPDATE, DELETE, REPLACE)]


class TestMemory(JournalConformance):
    @pytest.fixture
    def factory(self):
        return MemoryJournal


class TestSqliteInMemory(_Sqlite):
    @pytest.fixture
    def factory(self):
        return lambda: open_journal("sqlite://")


class TestSqliteFile(_Sqlite):
    durable = True

    @pytest.fixture
    def factory(self, tmp_path):
        return lambda: open_journal(f"sqlite:///{tmp_path / 'orders.db'}")


class TestPostgres(JournalConformance):
    durable = True
    ways = (UPDATE, DELETE, "TRUNCATE journal", "UPDATE journal SET kind = 'x' WHERE false")

    @pytest.fixture(autouse=True)
    def server(self, postgres, ready):
        self.postgres, self.database = postgres, ready

    @pytest.fixture
    def factory(self, ready):
        return lambda: PostgresJournal(ready)

    def tamper(self, journal):
        """As the superuser, whom no grant holds; also where he plays a replica, for which triggers rest."""
        name = name_of(self.database)
        played = [f"SET session_replication_role = replica; {way}" for way in self.ways]
        return [partial(self.postgres.sql, sql, name) for sql in (*self.ways, *played)]


# Journals with one mistake each, and a case that must find it.


class FirstIgnored(MemoryJournal):
    async def commit(self, batch):
        await super().commit(replace(batch, first=len(self._lines)))


class HalfWritten(MemoryJournal):
    async def commit(self, batch):
        for table, rows in batch.rows.items():
            if table in self._tables:
                self._tables[table].update({(row.fund_id,): row for row in rows if table == "funds"})
        await super().commit(batch)


class NodesUnchecked(MemoryJournal):
    def _with_nodes(self, nodes):
        levels = {level: list(hashes) for level, hashes in self._nodes.items()}
        for node in nodes:
            levels.setdefault(node.level, []).append(node.hash)
        return levels


class LinesFromOne(MemoryJournal):
    async def lines(self, first, count):
        return await super().lines(first + 1, count)


class OrdersForgotten(MemoryJournal):
    async def indices(self, order_id):
        return (await super().indices(order_id))[:2]


class LimitIgnored(MemoryJournal):
    async def select(self, table, where=None, *, after=None, limit=None):
        return await super().select(table, where, after=after)


class AfterIncluded(MemoryJournal):
    async def select(self, table, where=None, *, after=None, limit=None):
        rows = await super().select(table, where, limit=limit)
        return rows if after is None else rows[-1:]


class NoneIsAnything(MemoryJournal):
    async def select(self, table, where=None, *, after=None, limit=None):
        where = {name: value for name, value in (where or {}).items() if value is not None}
        return await super().select(table, where, after=after, limit=limit)


class FiveHundredAtMost(MemoryJournal):
    async def select(self, table, where=None, *, after=None, limit=None):
        where = {n: v[:500] if isinstance(v, tuple) else v for n, v in (where or {}).items()}
        return await super().select(table, where, after=after, limit=limit)


class DumpAsWritten(MemoryJournal):
    async def dump(self, table):
        for row in self._tables[table].values():
            yield repr(row).encode()


class DumpWithoutThePast(MemoryJournal):
    async def dump(self, table):
        async for row in super().dump(table):
            yield row[:60]


class CursorsShared(MemoryJournal):
    async def move_cursor(self, name, index, epoch=0):
        await super().move_cursor("all", index)

    async def cursor(self, name):
        return await super().cursor("all")


class PayloadsLast(MemoryJournal):
    async def payload(self, sha256):
        return await super().payload(sha256) or None


class Float(SqliteJournal):
    def _write(self, batch):
        super()._write(batch)
        self._connection.execute("UPDATE positions SET cost = CAST(cost AS REAL)")


class CaseFolded(SqliteJournal):
    def _write(self, batch):
        super()._write(batch)
        self._connection.execute("UPDATE breaks SET detail = rtrim(detail, char(10) || char(9))")


def _broken_sqlite(kind) -> Callable[[], SqliteJournal]:
    def factory():
        opened = open_journal("sqlite://")
        return kind(opened._connection, None)

    return factory


def _without_triggers():
    journal = open_journal("sqlite://")
    for name in ("update", "delete", "replace"):
        journal._connection.execute(f"DROP TRIGGER journal_no_{name}")
    return journal


def _forgetful():
    return open_journal("sqlite://")


BROKEN = [
    (FirstIgnored, "test_a_batch_that_does_not_follow_leaves_nothing"),
    (HalfWritten, "test_a_batch_that_cannot_be_written_leaves_nothing"),
    (NodesUnchecked, "test_a_batch_that_does_not_follow_leaves_nothing"),
    (LinesFromOne, "test_lines_come_back_as_they_were"),
    (OrdersForgotten, "test_an_orders_lines_are_found"),
    (LimitIgnored, "test_select_takes_any_number_of_values"),
    (AfterIncluded, "test_select_goes_on_after_a_row"),
    (NoneIsAnything, "test_select_takes_conditions"),
    (FiveHundredAtMost, "test_select_takes_any_number_of_values"),
    (DumpAsWritten, "test_a_dump_is_in_the_order_of_the_primary_key"),
    (DumpWithoutThePast, "test_a_dump_shows_every_change"),
    (CursorsShared, "test_cursors_move_apart_from_each_other"),
    (PayloadsLast, "test_payloads_are_kept"),
    (_broken_sqlite(Float), "test_every_row_comes_back_as_it_was"),
    (_broken_sqlite(CaseFolded), "test_every_row_comes_back_as_it_was"),
    (_without_triggers, "test_committed_lines_cannot_be_changed"),
    (_forgetful, "test_reopened_it_holds_what_it_held"),
]


class _Durable(_Sqlite):
    durable = True


@pytest.mark.parametrize(("factory", "case"), BROKEN, ids=lambda each: getattr(each, "__name__", str(each)))
def test_the_suite_has_teeth(factory, case):
    with pytest.raises((AssertionError, pytest.fail.Exception, StoreError, ValueError)):
        getattr(_Durable(), case)(factory)
