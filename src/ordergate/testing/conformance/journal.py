"""What a journal must do, whatever it stores in. A store passes when a subclass of `JournalConformance` does.

class TestMine(JournalConformance):
    durable = True

    @pytest.fixture
    def factory(self, tmp_path):
        return lambda: open_mine(tmp_path / "mine")
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

import pytest
from msgspec.structs import fields, replace

from ordergate.application.ports.journal import Batch, Head, Journal, Line, Node
from ordergate.domain.errors import StoreError
from ordergate.protocols.tlog import TreeBuilder, leaf_hash
from ordergate.testing.conformance.rows import TABLES, exact, key_of, rows_of, same_key

T = TypeVar("T")
Factory = Callable[[], Journal]


class JournalConformance:
    """The suite.

    Attributes:
        durable: whether a journal that the factory makes after a close holds what the closed one held.
    """

    durable: ClassVar[bool] = False

    @pytest.fixture
    def factory(self) -> Factory:
        """Opens the journal under test: an empty one at first, and for durable stores the same one again."""
        raise NotImplementedError("override the fixture `factory` with one that opens your journal")

    def tamper(self, journal: Journal) -> Sequence[Callable[[], object]]:
        """Ways round the port to change or remove line 1, each of which must raise; empty if there are none."""
        return ()

    def test_a_new_journal_is_empty(self, factory: Factory) -> None:
        """Nothing is found, and nothing is an error."""

        async def talk(journal: Journal) -> None:
            assert await journal.head() == Head()
            assert await journal.lines(0, 10) == []
            assert await journal.indices("ord-1") == []
            assert await journal.nodes(0, 0, 10) == await journal.nodes(1, 0, 10) == []
            assert await journal.payload("00" * 32) is None
            assert await journal.cursor("nobody") == 0
            for table in TABLES:
                assert await journal.select(table) == []
                assert await _dump(journal, table) == []

        _with(factory, talk)

    def test_lines_come_back_as_they_were(self, factory: Factory) -> None:
        """To the byte, in order, in any portion; `head` knows the size and the last checkpoint."""

        async def talk(journal: Journal) -> None:
            log = _Log()
            batches = [log.batch(count) for count in (1, 3, 1_200, 2)]
            for batch in batches:
                await journal.commit(batch)
            lines = [line for batch in batches for line in batch.lines]
            assert await journal.head() == Head(1_206, batches[-1].checkpoint)
            assert await journal.lines(0, 5_000) == lines
            assert await journal.lines(3, 1_000) == lines[3:1_003]
            assert await journal.lines(1_205, 2**62) == lines[1_205:]
            assert await journal.lines(1_206, 1) == await journal.lines(-5, 5) == []

        _with(factory, talk)

    def test_an_orders_lines_are_found(self, factory: Factory) -> None:
        """Over several batches."""

        async def talk(journal: Journal) -> None:
            log = _Log()
            await journal.commit(log.batch(7))
            await journal.commit(log.batch(7))
            lines = await journal.lines(0, 14)
            for order_id in {line.order_id for line in lines if line.order_id is not None}:
                indices = await journal.indices(order_id)
                assert indices == [i for i, line in enumerate(lines) if line.order_id == order_id]
            assert await journal.indices("ord-none") == []

        _with(factory, talk)

    def test_nodes_of_every_level_are_found(self, factory: Factory) -> None:
        """Level 0 are the lines' own hashes."""

        async def talk(journal: Journal) -> None:
            log = _Log()
            batch = log.batch(1_030)
            stray = Node(2, 0, leaf_hash(b"of a level that a log of this size has not"))
            await journal.commit(replace(batch, nodes=(*batch.nodes, stray)))
            hashes = [line.hash for line in batch.lines]
            assert await journal.nodes(0, 0, 5_000) == hashes
            assert await journal.nodes(0, 1_000, 10) == hashes[1_000:1_010]
            assert await journal.nodes(1, 0, 10) == [node.hash for node in batch.nodes]
            assert await journal.nodes(1, 2, 1) == [batch.nodes[2].hash]
            assert await journal.nodes(2, 0, 2**62) == [stray.hash]
            assert await journal.nodes(3, 0, 1) == await journal.nodes(1, -5, 5) == []

        _with(factory, talk)

    def test_every_row_comes_back_as_it_was(self, factory: Factory) -> None:
        """Decimals to the last digit, times to the microsecond, texts to the character."""

        async def talk(journal: Journal) -> None:
            await journal.commit(_Log().batch(1, {table: rows_of(table) for table in TABLES}))
            for table in TABLES:
                rows = sorted(rows_of(table), key=lambda row: key_of(table, row))
                assert exact(await journal.select(table)) == exact(rows), table
                for row in rows:
                    assert exact(await journal.get(table, [key_of(table, row)])) == exact([row]), table

        _with(factory, talk)

    def test_writing_what_was_read_changes_nothing(self, factory: Factory) -> None:
        """Else a restart would show in the tables."""

        async def talk(journal: Journal) -> None:
            log = _Log()
            await journal.commit(log.batch(1, {table: rows_of(table) for table in TABLES}))
            before = [await _dump(journal, table) for table in TABLES]
            await journal.commit(log.batch(1, {table: await journal.select(table) for table in TABLES}))
            assert [await _dump(journal, table) for table in TABLES] == before

        _with(factory, talk)

    def test_a_row_is_replaced_whole(self, factory: Factory) -> None:
        """No field of the old row remains."""

        async def talk(journal: Journal) -> None:
            log = _Log()
            for table in TABLES:
                first, second, *others = rows_of(table)
                after = same_key(table, first, second)
                await journal.commit(log.batch(1, {table: [first, *others]}))
                await journal.commit(log.batch(1, {table: [after]}))
                assert exact(await journal.get(table, [key_of(table, first)])) == exact([after])
                assert len(await journal.select(table)) == 1 + len(others)

        _with(factory, talk)

    def test_get_finds_what_exists(self, factory: Factory) -> None:
        """In the order of the keys asked for."""

        async def talk(journal: Journal) -> None:
            await journal.commit(_Log().batch(1, {"keys": rows_of("keys"), "orders": rows_of("orders")}))
            first, second, *_ = rows_of("keys")
            missing = ("no-fund", "idempotency_key", "no-key")
            found = await journal.get("keys", [key_of("keys", second), missing, key_of("keys", first)])
            assert exact(found) == exact([second, first])
            assert await journal.get("orders", [("ord-none",)]) == await journal.get("orders", []) == []

        _with(factory, talk)

    def test_select_takes_conditions(self, factory: Factory) -> None:
        """Values, any of several values, and None."""

        async def talk(journal: Journal) -> None:
            rows: list[Any] = sorted(rows_of("orders"), key=lambda row: key_of("orders", row))
            await journal.commit(_Log().batch(1, {"orders": rows}))
            states = tuple({row.state for row in rows[:3]})
            for where in (
                {"state": states[0]},
                {"state": states},
                {"limit_price": None},
                {"expires_at": None, "state": states},
                {"side": rows[0].side, "order_type": rows[0].order_type},
                {"confirmed": True},
                {"created_at": rows[2].created_at},
                {"state": ()},
                {},
            ):
                wanted = [row for row in rows if all(_is(getattr(row, n), v) for n, v in where.items())]
                assert exact(await journal.select("orders", where)) == exact(wanted), where

        _with(factory, talk)

    def test_select_takes_any_number_of_values(self, factory: Factory) -> None:
        """More than a statement has variables; order and limit hold all the same."""

        async def talk(journal: Journal) -> None:
            template: Any = rows_of("orders")[1]
            rows = [replace(template, order_id=f"ord-{number:05}") for number in range(1_300)]
            await journal.commit(_Log().batch(1, {"orders": rows}))
            names = [f"ord-{number:05}" for number in reversed(range(0, 1_300, 2))]
            wanted = [row for number, row in enumerate(rows) if number % 2 == 0]
            many = {"order_id": (*names, "ord-none", *names)}
            assert await journal.select("orders", many) == wanted
            assert await journal.select("orders", many, limit=7) == wanted[:7]
            page = await journal.select("orders", many, after=("ord-00600",), limit=300)
            assert page == [row for row in wanted if row.order_id > "ord-00600"][:300]

        _with(factory, talk)

    def test_select_goes_on_after_a_row(self, factory: Factory) -> None:
        """Page by page every row comes once."""

        async def talk(journal: Journal) -> None:
            await journal.commit(_Log().batch(1, {table: rows_of(table) for table in TABLES}))
            for table in TABLES:
                rows = sorted(rows_of(table), key=lambda row: key_of(table, row))
                read: list[Any] = []
                after = None
                while (page := await journal.select(table, after=after, limit=5)) and len(read) < len(rows):
                    read += page
                    after = key_of(table, page[-1])
                assert exact(read) == exact(rows), table

        _with(factory, talk)

    def test_a_batch_that_does_not_follow_leaves_nothing(self, factory: Factory) -> None:
        """Another first index, or nodes that are there already."""

        async def talk(journal: Journal) -> None:
            log = _Log()
            await journal.commit(log.batch(300, {"funds": rows_of("funds")[:1]}))
            good = log.batch(300, {"funds": rows_of("funds"), "orders": rows_of("orders")})
            before = await _everything(journal)
            for bad in (
                replace(good, first=good.first + 1),
                replace(good, first=good.first - 1),
                replace(good, first=0),
                replace(good, nodes=(Node(1, 0, leaf_hash(b"once more")),)),
                replace(good, nodes=(*good.nodes, *good.nodes)),
            ):
                with pytest.raises(StoreError):
                    await journal.commit(bad)
                assert await _everything(journal) == before
            await journal.commit(good)
            assert (await journal.head()).size == 600

        _with(factory, talk)

    def test_a_batch_that_cannot_be_written_leaves_nothing(self, factory: Factory) -> None:
        """Also where the mistake is found in its last row; the next batch goes through."""

        async def talk(journal: Journal) -> None:
            log = _Log()
            await journal.commit(log.batch(2))
            good = log.batch(2, {"funds": rows_of("funds")})
            before = await _everything(journal)
            for rows in (
                {"funds": rows_of("funds"), "no_such_table": rows_of("funds")},
                {"orders": [object()]},
            ):
                with pytest.raises(Exception):  # noqa: B017, PT011  (a mistake of ours, whatever it raises)
                    await journal.commit(replace(good, rows=rows))
                assert await _everything(journal) == before
            await journal.commit(good)
            assert await journal.select("funds") != []

        _with(factory, talk)

    def test_a_batch_may_hold_rows_alone(self, factory: Factory) -> None:
        """As a replay into an empty store writes them."""

        async def talk(journal: Journal) -> None:
            for row in rows_of("funds"):
                await journal.commit(Batch(first=0, lines=(), rows={"funds": [row]}))
            assert await journal.head() == Head()
            assert len(await journal.select("funds")) == len(rows_of("funds"))

        _with(factory, talk)

    def test_payloads_are_kept(self, factory: Factory) -> None:
        """Any bytes; writing one again is no error."""

        async def talk(journal: Journal) -> None:
            log, large = _Log(), bytes(range(256)) * 1_000
            await journal.commit(replace(log.batch(1), payloads={"aa": large, "bb": b""}))
            await journal.commit(replace(log.batch(1), payloads={"aa": large}))
            assert await journal.payload("aa") == large
            assert await journal.payload("bb") == b""
            assert await journal.payload("cc") is None

        _with(factory, talk)

    def test_cursors_move_apart_from_each_other(self, factory: Factory) -> None:
        """By name, and far."""

        async def talk(journal: Journal) -> None:
            await journal.move_cursor("nats", 5)
            await journal.move_cursor("kafka", 2**40)
            await journal.move_cursor("nats", 6)
            assert [await journal.cursor(name) for name in ("nats", "kafka", "other")] == [6, 2**40, 0]
            assert await journal.cursors() == {"nats": 6, "kafka": 2**40}

        _with(factory, talk)

    def test_a_dump_is_in_the_order_of_the_primary_key(self, factory: Factory) -> None:
        """However the rows came: so it can be compared with that of another store."""

        async def talk(journal: Journal) -> None:
            log = _Log()
            for table in TABLES:
                await journal.commit(log.batch(1, {table: list(reversed(rows_of(table)))}))
                rows = await journal.select(table)
                for number, row in enumerate(rows):
                    before = await _dump(journal, table)
                    other = same_key(table, row, rows[number - 5])
                    await journal.commit(log.batch(1, {table: [other]}))
                    pairs = zip(before, await _dump(journal, table), strict=True)
                    changed = [place for place, (old, new) in enumerate(pairs) if old != new]
                    assert changed == [number], table

        _with(factory, talk)

    def test_a_dump_shows_every_change(self, factory: Factory) -> None:
        """Of any field of any table."""

        async def talk(journal: Journal) -> None:
            log = _Log()
            for table in TABLES:
                first, second, *_ = rows_of(table)
                mixed = same_key(table, first, second)
                for field in fields(type(first)):
                    one = replace(first, **{field.name: getattr(mixed, field.name)})
                    await journal.commit(log.batch(1, {table: [first]}))
                    before = await _dump(journal, table)
                    await journal.commit(log.batch(1, {table: [one]}))
                    same = exact([one]) == exact([first])
                    assert (await _dump(journal, table) == before) == same, f"{table}.{field.name}"

        _with(factory, talk)

    def test_a_row_whose_earlier_form_is_named_is_as_if_written_whole(self, factory: Factory) -> None:
        """For every pair of rows of every table; beside it, rows that are new."""

        async def talk(journal: Journal) -> None:
            log = _Log()
            for table in TABLES:
                rows = rows_of(table)
                others = [same_key(table, row, other) for row, other in pairwise(rows)]
                await journal.commit(log.batch(1, {table: rows}))
                await journal.commit(log.batch(1, {table: others}))
                whole = await _dump(journal, table)
                await journal.commit(log.batch(1, {table: rows}))
                batch = replace(log.batch(1, {table: others}), before={table: [*rows[:-2], None]})
                await journal.commit(batch)
                assert await _dump(journal, table) == whole, table

        _with(factory, talk)

    def test_reopened_it_holds_what_it_held(self, factory: Factory) -> None:
        """A close loses nothing, and writing goes on."""
        if not self.durable:
            pytest.skip("it does not outlive its process")
        log = _Log()

        async def write(journal: Journal) -> None:
            rows = {table: rows_of(table) for table in TABLES}
            await journal.commit(replace(log.batch(300, rows), payloads={"aa": b"payload"}))
            await journal.move_cursor("nats", 5)

        async def look(journal: Journal) -> list[Any]:
            return [await _everything(journal), await journal.cursor("nats"), await journal.payload("aa")]

        _with(factory, write)
        before, after = _with(factory, look), _with(factory, look)
        assert before == after
        assert before[1:] == [5, b"payload"]
        _with(factory, lambda journal: journal.commit(log.batch(1)))

    def test_committed_lines_cannot_be_changed(self, factory: Factory) -> None:
        """The store itself refuses."""

        async def talk(journal: Journal) -> None:
            await journal.commit(_Log().batch(3))
            before = await journal.lines(0, 3)
            ways = self.tamper(journal)
            if not ways:
                pytest.skip("there is no way round the port")
            for way in ways:
                with pytest.raises(Exception):  # noqa: B017, PT011  (whatever the store's driver raises)
                    way()
                assert await journal.lines(0, 3) == before

        _with(factory, talk)


class _Log:
    """Makes batches that follow each other."""

    def __init__(self) -> None:
        self._tree = TreeBuilder()

    def batch(self, count: int, rows: dict[str, Any] | None = None) -> Batch:
        first, lines, nodes = self._tree.size, list[Line](), list[Node]()
        for index in range(first, first + count):
            data = b"entry %d \x00\xff" % index
            order_id = None if index % 3 == 0 else f"ord-{index % 4}"
            lines.append(Line(data, leaf_hash(data), f"Kind{index % 2}/1", order_id))
            nodes += [Node(*node) for node in self._tree.append(leaf_hash(data))]
        checkpoint = f"log\n{self._tree.size}\n— é\n"
        return Batch(first=first, lines=lines, rows=rows or {}, nodes=nodes, checkpoint=checkpoint)


def _with(factory: Factory, talk: Callable[[Journal], Awaitable[T]]) -> T:
    async def run() -> T:
        journal = factory()
        try:
            return await talk(journal)
        finally:
            await journal.close()

    return asyncio.run(run())


async def _dump(journal: Journal, table: str) -> list[bytes]:
    return [row async for row in journal.dump(table)]


async def _everything(journal: Journal) -> Any:
    dumps = [await _dump(journal, table) for table in TABLES]
    nodes = [await journal.nodes(level, 0, 10_000) for level in range(3)]
    return await journal.head(), await journal.lines(0, 10_000), nodes, dumps


def _is(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, tuple) else bool(value == wanted)
