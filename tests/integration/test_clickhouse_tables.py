"""The tables in ClickHouse are the journal's own, whatever happens to orders and however often a batch comes."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.clickhouse import ClickHouseError, Connection
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.adapters.outlets.clickhouse import ClickHouseTables, Store, fill
from ordergate.adapters.outlets.clickhouse.columns import FillFacts, OrderFacts, PositionFacts, Stamp
from ordergate.adapters.outlets.clickhouse.store import MARKS
from ordergate.adapters.outlets.clickhouse.tables import (
    EXECUTIONS_TABLE,
    ORDERS_TABLE,
    POSITIONS_TABLE,
    TABLES,
)
from ordergate.application.entry import Entry, decode
from ordergate.application.naming import Naming
from ordergate.application.ports.journal import JournalReader
from ordergate.config.clickhouse import ClickHouseSection
from ordergate.domain.instruments import built_in
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce
from ordergate.domain.positions.position import Position
from ordergate.protocols.tlog import Signer
from tests.journals import desk
from tests.journals.busy_day import BusyDay
from tests.journals.desk import Desk
from tests.services.analytics import STATES, dump
from tests.services.clickhouse import ClickHouse
from tests.services.secrets import secrets

LOG = "ordergate.example/test"
SIGNER = Signer(LOG, bytes(32))


def connection(clickhouse: ClickHouse, timeout_s: float = 30) -> Connection:
    section = ClickHouseSection(url=clickhouse.url, database=clickhouse.database, timeout_s=timeout_s)
    return Connection(section.target(secrets()))


def tables(
    clickhouse: ClickHouse, journal: JournalReader, log: str = LOG, shares: Sequence[str] = (), **more: Any
) -> ClickHouseTables:
    return ClickHouseTables(connection(clickhouse, **more), clickhouse.database, journal, log, shares)


async def entries(journal: JournalReader, first: int = 0, count: int = 100_000) -> list[Entry]:
    assert first < (await journal.head()).size
    return [decode(line.data, n) for n, line in enumerate(await journal.lines(first, count), first)]


async def busy(size: int, seed: int = 1, signer: Signer = SIGNER) -> tuple[MemoryJournal, Desk, BusyDay]:
    journal, day = MemoryJournal(), BusyDay(seed)
    at = await Desk.open(journal, signer)
    await day.run(at, size)
    return journal, at, day


async def check_equal(clickhouse: ClickHouse, journal: JournalReader, log: str | None = None) -> None:
    """What a plain client sees is what the journal's tables have; without the code that wrote it; None of all logs."""
    orders = await journal.select("orders")
    seen = rows(clickhouse, "orders", log)
    assert {row["order_id"] for row in seen} == {order.order_id for order in orders}
    assert len(seen) == len(orders)
    by_id = {row["order_id"]: row for row in seen}
    for order in orders:
        row = by_id[order.order_id]
        assert (row["state"], row["order_state"]) == (STATES[order.state], order.state)
        assert row["order_status"] == row["state"].lower()
        for name in (
            "fund_id",
            "symbol",
            "side",
            "order_type",
            "signal_id",
            "strategy_id",
            "broker_order_id",
        ):
            assert row[name] == getattr(order, name), name
        for name in ("quantity", "filled_quantity", "filled_value", "leaves_quantity", "entry_price"):
            assert decimal(row[name]) == getattr(order, name), name
        assert decimal(row["price"]) == order.limit_price
        assert decimal(row["fill_price"]) == order.average_price
        for name in ("created_at", "updated_at", "submitted_at", "filled_at", "ended_at", "expires_at"):
            assert time(row[name]) == getattr(order, name), name
        assert (row["rejection_reason"] is not None) == (
            order.state is State.REJECTED and order.reason is not None
        )
        assert row["version"] == order.version
    newest = max((row["journal_index"] for row in seen), default=0)
    assert newest < (await journal.head()).size
    await _check_executions(clickhouse, journal, log)
    positions = {(row.fund_id, row.symbol): row for row in await journal.select("positions")}
    held = rows(clickhouse, "positions", log)
    assert [(row["fund_id"], row["symbol"]) for row in held] == sorted(positions)
    for row in held:
        position = positions[row["fund_id"], row["symbol"]]
        assert (decimal(row["quantity"]), decimal(row["realized_pnl"])) == (
            position.quantity,
            position.realized_pnl,
        )
        assert {c: Decimal(fee) for c, fee in row["fees"].items()} == dict(position.fees)
        assert row["position_status"] == ("open" if position.quantity else "closed")


async def _check_executions(clickhouse: ClickHouse, journal: JournalReader, log: str | None) -> None:
    fills = {(row.order_id, row.exec_id): row for row in await journal.select("fills")}
    seen = rows(clickhouse, "executions", log)
    assert [(row["order_id"], row["exec_id"]) for row in seen] == sorted(
        k for k, f in fills.items() if f.counts
    )
    for row in seen:
        one = fills[row["order_id"], row["exec_id"]]
        assert (decimal(row["fill_quantity"]), decimal(row["fill_price"])) == (one.quantity, one.price)
        assert (row["kind"], row["late"], time(row["execution_timestamp"])) == (one.kind, one.late, one.time)
    behind = rows(clickhouse, "executions_versions FINAL", log)
    assert {(row["order_id"], row["exec_id"]): row["superseded_by"] for row in behind} == {
        key: one.superseded_by for key, one in fills.items()
    }


def rows(clickhouse: ClickHouse, of: str, log: str | None = None) -> list[dict[str, Any]]:
    key = "order_id, exec_id" if "executions" in of else "order_id" if of == "orders" else "fund_id, symbol"
    where = "" if log is None else f"WHERE log = '{log}' "
    settings = "output_format_json_quote_decimals = 1, output_format_json_quote_64bit_integers = 0"
    sql = f"SELECT * FROM {of} {where}ORDER BY {key} SETTINGS {settings} FORMAT JSONEachRow"
    return [json.loads(line) for (line,) in clickhouse.ask(sql)]


def decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.slow
def test_the_tables_are_the_journals_in_whatever_batches_they_come(clickhouse: ClickHouse) -> None:
    async def main() -> None:
        random = Random(5)
        journal, at, day = await busy(60)
        outlet, first = tables(clickhouse, journal), 0
        while first < 600:
            await day.run(at, first + random.randint(1, 150))
            batch = await entries(journal, first, random.choice((1, 30, 100)))
            await outlet.deliver(batch)
            if random.random() < 0.2:
                await outlet.deliver(batch)
            first += len(batch)
        await day.run(at, first + 1)
        await outlet.deliver(await entries(journal, first))
        await outlet.close()
        await check_equal(clickhouse, journal)
        kinds = {one.kind for one in await journal.select("fills")}
        assert {"trade", "bust", "correct"} <= kinds
        assert len(rows(clickhouse, "positions")) > 3

    asyncio.run(main())


@pytest.mark.slow
def test_every_batch_twice_and_the_cursor_set_back_change_no_answer(clickhouse: ClickHouse) -> None:
    async def main() -> None:
        journal, at, _day = await busy(600)
        outlet = tables(clickhouse, journal)
        for first in range(0, at.engine.size, 50):
            await outlet.deliver(await entries(journal, first, 50))
        before = dump(clickhouse)
        done = int(clickhouse.ask(f"SELECT max(journal_index) FROM {MARKS} WHERE what = 'done'")[0][0])
        versions = clickhouse.ask("SELECT count() FROM orders_versions")
        for first in range(0, done, 50):  # known to be there: nothing is written
            await outlet.deliver(await entries(journal, first, 50))
        assert clickhouse.ask("SELECT count() FROM orders_versions") == versions
        first_hash = (await journal.nodes(0, 0, 1))[0].hex()
        clickhouse.ask(f"DELETE FROM {MARKS} WHERE what = 'done'")
        clickhouse.ask(f"INSERT INTO {MARKS} VALUES ('{LOG}', '{first_hash[:8]}', 'done', 0, '{first_hash}')")
        for first in range(0, done, 50):  # as if nothing were known to be there: everything is, again
            await outlet.deliver(await entries(journal, first, 50))
        await outlet.close()
        assert clickhouse.ask("SELECT count() FROM orders_versions") != versions
        assert dump(clickhouse, "journal_index") == without_index(before)

    asyncio.run(main())


def without_index(found: dict[str, list[list[str]]]) -> dict[str, list[list[str]]]:
    """`journal_index` is the last column."""
    return {table: [row[:-1] for row in rows] for table, rows in found.items()}


def test_a_backfill_gives_the_same(clickhouse: ClickHouse) -> None:
    async def main() -> None:
        journal, at, day = await busy(500)
        outlet = tables(clickhouse, journal)
        for first in range(0, at.engine.size, 40):
            await outlet.deliver(await entries(journal, first, 40))
        followed = without_index(dump(clickhouse))
        store, name = Store(connection(clickhouse), clickhouse.database), await Naming(journal, LOG).name()
        clickhouse.ask(
            "INSERT INTO orders_versions (log, order_id, journal_index) SELECT 'ordergate.example/test', 'x', 1"
        )
        told: list[int] = []
        filled = await fill(store, journal, name, progress=told.append)
        assert without_index(dump(clickhouse)) == followed
        assert filled.journal_index == at.engine.size - 1
        assert filled.rows["orders"] == len(followed["orders"])
        assert told[-1] == sum(filled.rows.values())
        assert clickhouse.ask("SELECT count() FROM orders_versions FINAL") == [[str(filled.rows["orders"])]]
        await day.run(at, at.engine.size + 100)
        await outlet.deliver(await entries(journal, filled.journal_index + 1))
        await check_equal(clickhouse, journal)

    asyncio.run(main())


@pytest.mark.parametrize("lost", ["marks", "database", "rows"])
def test_what_was_lost_is_filled_again(clickhouse: ClickHouse, lost: str) -> None:
    async def main() -> None:
        journal, at, day = await busy(200)
        outlet = tables(clickhouse, journal)
        await outlet.deliver(await entries(journal))
        size = at.engine.size
        gone = {"marks": [MARKS], "rows": [MARKS, "positions_versions"]}.get(
            lost, [MARKS, *(name for table in TABLES for name in (table.name, table.versions))]
        )
        for name in gone:
            clickhouse.ask(f"DROP TABLE {name}")
        await day.run(at, size + 20)
        with pytest.raises(ClickHouseError):
            await outlet.deliver(await entries(journal, size))
        await outlet.deliver(await entries(journal, size))  # it looks at the tables again
        await check_equal(clickhouse, journal)

    asyncio.run(main())


@pytest.mark.slow
def test_a_database_that_was_restored_catches_up(own_clickhouse: ClickHouse, tmp_path: Path) -> None:
    data, copied = tmp_path / "clickhouse" / "data", tmp_path / "copied"

    async def main() -> None:
        journal, at, day = await busy(100)
        outlet = tables(own_clickhouse, journal)
        await outlet.deliver(await entries(journal))
        own_clickhouse.kill()
        shutil.copytree(data, copied, symlinks=True)
        own_clickhouse.start()
        size = at.engine.size
        await day.run(at, 400)
        await outlet.deliver(await entries(journal, size))
        own_clickhouse.kill()
        shutil.rmtree(data)
        shutil.move(copied, data)
        own_clickhouse.start()
        size = at.engine.size
        await day.run(at, size + 1)
        await outlet.deliver(await entries(journal, size))
        await check_equal(own_clickhouse, journal)

    asyncio.run(main())


def test_two_journals_do_not_mix_without_a_word(
    clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        journal, _desk, _day = await busy(100)
        await tables(clickhouse, journal).deliver(await entries(journal))
        before = dump(clickhouse)
        other, _desk, _day = await busy(150, seed=2, signer=Signer("other.example/log", bytes(32)))
        with pytest.raises(
            ClickHouseError, match=r"rows of another log, 'ordergate.example/test': name another"
        ):
            await tables(clickhouse, other, "other.example/log").deliver(await entries(other))
        monkeypatch.setattr(desk, "START", desk.START + timedelta(hours=1))
        same, _desk, _day = await busy(150, seed=2)
        with pytest.raises(
            ClickHouseError, match=r"rows of another journal of 'ordergate.example/test'.*--replace"
        ):
            await tables(clickhouse, same).deliver(await entries(same))
        store, name = Store(connection(clickhouse), clickhouse.database), await Naming(same, LOG).name()
        with pytest.raises(ClickHouseError, match="another journal of"):
            await fill(store, same, name)
        assert dump(clickhouse) == before
        shared = tables(clickhouse, other, "other.example/log", [LOG])
        await shared.deliver(await entries(other))
        assert clickhouse.ask("SELECT DISTINCT log FROM orders ORDER BY log") == [
            [LOG],
            ["other.example/log"],
        ]
        with pytest.raises(ClickHouseError, match=r"another log, 'other.example/log'"):
            await fill(store, same, name, replace=True)
        await fill(store, same, name, ["other.example/log"], replace=True)
        assert len(clickhouse.ask(f"SELECT * FROM orders WHERE log = '{LOG}'")) == len(
            await same.select("orders")
        )
        assert len(clickhouse.ask("SELECT * FROM orders WHERE log != {log:String}", log=LOG)) == len(
            await other.select("orders")
        )

    asyncio.run(main())


def test_a_database_that_is_ahead_of_a_restored_journal_is_told_from_one_that_is_behind(
    clickhouse: ClickHouse,
) -> None:
    async def main() -> None:
        journal, at, day = await busy(100)
        restored, other_desk, _other_day = await busy(100)
        assert await entries(restored) == await entries(journal)
        await day.run(at, 300)
        outlet = tables(clickhouse, journal)
        await outlet.deliver(await entries(journal, 0, 50))
        again = tables(clickhouse, restored)
        with pytest.raises(
            ClickHouseError, match=r"rows of entry \d+ of .*does not have.*analytics backfill"
        ):
            await again.deliver(await entries(restored))
        while other_desk.engine.size < 400:  # other things happen to it
            await BusyDay(7).run(other_desk, 400)
        with pytest.raises(ClickHouseError, match="does not have"):
            await again.deliver(await entries(restored, 100))
        store, name = Store(connection(clickhouse), clickhouse.database), await Naming(restored, LOG).name()
        await fill(store, restored, name)
        await check_equal(clickhouse, restored)
        await again.deliver(await entries(restored, 100))

    asyncio.run(main())


def test_rows_that_are_newer_than_what_is_done_are_known_to_be(clickhouse: ClickHouse) -> None:
    async def main() -> None:
        journal, at, day = await busy(100)
        restored, other, other_day = await busy(100)
        outlet, first = tables(clickhouse, journal), at.engine.size
        await outlet.deliver(await entries(journal))
        await day.run(at, 300)
        await other_day.run(other, 150)
        await outlet.deliver(
            await entries(journal, first, 10)
        )  # what these have changed is written as it is by now
        assert await entries(restored, 0, first + 10) == await entries(journal, 0, first + 10)
        with pytest.raises(ClickHouseError, match="does not have"):
            await tables(clickhouse, restored).deliver(await entries(restored, first + 10))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE TABLE orders (order_id UUID, state String) ENGINE MergeTree ORDER BY order_id",
         "column order_id of orders is UUID, not String: rename it"),
        ("CREATE TABLE orders (order_id String) ENGINE MergeTree ORDER BY order_id",
         "orders has no column signal_id, which would be Nullable"),
        ("CREATE VIEW positions AS SELECT 1 AS fund_id", "column fund_id of positions is UInt8, not LowCard"),
        (ORDERS_TABLE.made("{}")[0].replace("`{}`.", "").replace("`quantity` Nullable(Decimal(38, 18))", "`quantity` Float64"),
         "column quantity of orders_versions is Float64, not Nullable"),
        (ORDERS_TABLE.made("{}")[0].replace("`{}`.", "").replace("ReplacingMergeTree(journal_index)", "MergeTree"),
         "orders_versions is there as MergeTree, not as a ReplacingMergeTree"),
        (f"CREATE TABLE {MARKS} (log String) ENGINE MergeTree ORDER BY log", f"{MARKS} has no column journal"),
    ],
)  # fmt: skip
def test_a_table_of_somebody_elses_is_named_with_its_column_and_left_alone(
    clickhouse: ClickHouse, made: str, said: str
) -> None:
    async def main() -> None:
        journal, _desk, _day = await busy(10)
        clickhouse.ask(made)
        there = clickhouse.ask("SHOW TABLES")
        outlet = tables(clickhouse, journal)
        with pytest.raises(ClickHouseError, match=said.replace("(", r"\(")):
            await outlet.deliver(await entries(journal))
        assert clickhouse.ask("SHOW TABLES") == there
        (name,) = there[0]
        clickhouse.ask(f"RENAME TABLE {name} TO theirs")
        await outlet.deliver(await entries(journal))
        await check_equal(clickhouse, journal)

    asyncio.run(main())


WORST = "it's \x00 \t \\ „x“ 💥 \u2028 NULL"
NINES = Decimal("9" * 18 + "." + "9" * 18)


def test_the_worst_values_have_a_place(clickhouse: ClickHouse) -> None:
    apple, early, late = (
        built_in("AAPL"),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    )
    assert apple is not None
    order = Order(
        order_id=WORST, fund_id=WORST, symbol="AAPL", side=Side.BUY, quantity=NINES, order_type=OrderType.LIMIT,
        tif=TimeInForce.GTC, broker=WORST, state=State.REJECTED, created_at=early, updated_at=late, expires_at=late,
        limit_price=Decimal("1E-18"), arrival_bid=NINES, arrival_ask=NINES, reason=WORST * 1000,
        filled_quantity=NINES, filled_value=Decimal("1E-36"), cash_quantity=Decimal("1E+20"),
    )  # fmt: skip
    large = replace(order, order_id="large", filled_value=Decimal(10) ** 45, filled_quantity=Decimal("1E-40"))
    one = Fill(
        fill_id=WORST, order_id=WORST, exec_id=WORST, fund_id=WORST, symbol="AAPL", side=Side.BUY, broker=WORST,
        time=early, booked_at=late, quantity=NINES, price=Decimal("1E-30"), fee=-NINES, fee_currency=WORST,
    )  # fmt: skip
    position = Position(
        fund_id=WORST, symbol="AAPL", updated_at=late, quantity=-NINES, cost=Decimal("1.5E-40"),
        realized_pnl=Decimal(10) ** 40, fees=((WORST, NINES), ("USD", Decimal(10) ** 50)),
    )  # fmt: skip

    async def main() -> None:
        store, stamp = Store(connection(clickhouse), clickhouse.database), Stamp(LOG, 7)
        await store.prepare()
        await store.write(
            ORDERS_TABLE, ORDERS_TABLE.rows([OrderFacts(o, apple) for o in (order, large)], stamp)
        )
        await store.write(EXECUTIONS_TABLE, EXECUTIONS_TABLE.rows([FillFacts(one, order, apple)], stamp))
        await store.write(
            POSITIONS_TABLE, POSITIONS_TABLE.rows([PositionFacts(position, apple, None)], stamp)
        )

    asyncio.run(main())
    odd, worst = rows(clickhouse, "orders")
    if odd["order_id"] == WORST:
        odd, worst = worst, odd
    assert (worst["order_id"], worst["rejection_reason"]) == (WORST, WORST * 1000)
    assert decimal(worst["quantity"]) == NINES
    assert decimal(worst["price"]) == Decimal("1E-18")
    assert decimal(worst["filled_value"]) == Decimal("1E-36")
    assert worst["cash_quantity"] is None  # too large for its column
    assert time(worst["created_at"]) == datetime(1900, 1, 1, tzinfo=UTC)
    assert time(worst["expires_at"]).year == 2299
    assert (odd["filled_value"], decimal(odd["filled_quantity"])) == (None, 0)
    (fill_row,) = rows(clickhouse, "executions")
    assert (decimal(fill_row["commission"]), decimal(fill_row["fill_price"])) == (-NINES, 0)
    (held,) = rows(clickhouse, "positions")
    assert (decimal(held["cost"]), held["realized_pnl"], list(held["fees"])) == (0, None, [WORST])
