"""Operations on disk: what a restart, a repetition and a fault leave of them, and records of before there were any."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from operationkit import PERP, OperationBench, instruments, moves, send_of
from paperkit import START, Bench

from ordergate.adapters.brokers.paper import Faults, PaperBroker, PaperSettings
from ordergate.adapters.brokers.paper.copying import new_record, record_of
from ordergate.adapters.brokers.paper.schema import TABLES, VERSION
from ordergate.adapters.brokers.paper.whole_record import same
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Presence, Withdraw
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.reports import Acknowledged, Executed

ONE = Decimal(1)
LINES = {
    "A": "supply 100 USDC at aave_v3",
    "B": "swap 2 ETH for USDC",
    "C": "bundle 1 USDC = flash_borrow 9 USDC; swap 1 ETH for USDC; flash_repay 9 USDC",
    "D": f"buy 3 {PERP}",
}
FEES = PaperSettings(fee_bps=Decimal(10))


async def busy(settings: PaperSettings, place: Any) -> OperationBench:
    """Everything of `LINES` has been done."""
    bench = await OperationBench(settings, place).open()
    bench.market("ETH/USDC", "2500", "2502")
    bench.market(PERP, "100", "101")
    for name, line in LINES.items():
        await bench.ask(f"{name}: {line}")
    return bench


def without_places(reports: Any) -> list[str]:
    """As said, wherever in the stream it stands."""
    return [str((type(one), one.raw)) for one in reports]


def test_what_was_done_is_told_again_and_not_done_again(kept: Any) -> None:
    async def main() -> None:
        bench = await busy(FEES, kept.place)
        before = without_places(bench.sink.reports)
        assert len(before) == 4
        for cursor in ("0", "2"):
            await bench.reopen(cursor)
            assert without_places(bench.sink.reports) == before[int(cursor) :]
        bench.market("ETH/USDC", "2600", "2602")
        for name, line in LINES.items():
            assert (await bench.ask(f"{name}: {line}")).outcome == "duplicate"
        assert len(bench.sink.reports) == 2
        for name, report in zip(LINES, before, strict=True):
            found = await bench.broker.lookup(f"{name}.1")
            assert found.presence is Presence.FOUND
            assert without_places([one for one in found.reports if isinstance(one, Executed)]) == [report]
        assert kept.rows("SELECT count(*) FROM executions") == [("4",)]

    kept.run(main())


def test_the_account_after_a_restart_is_the_account_before(kept: Any) -> None:
    async def main() -> None:
        bench = await busy(FEES, kept.place)
        before = await bench.broker.statement(START)
        await bench.reopen("0")
        after = await bench.broker.statement(START)
        for told in (before, after):
            assert told.complete
            assert told.positions == {PERP: Decimal(3)}
            assert told.balances == {
                "USD": Decimal(1_000_000),
                "USDC": Decimal("7392.5"),
                "ETH": Decimal(-3),
                "USDT": Decimal("-0.303"),
            }
            assert told.paid_in == {"USD": Decimal(1_000_000), "USDC": 0, "ETH": 0, "USDT": 0}
            assert told.bound == {"aave_v3:aToken:aUSDC": Decimal(100)}
        assert [one.deltas for one in before.executions or ()] == [
            one.deltas for one in after.executions or ()
        ]

    kept.run(main())


# --- an unstake that takes its time


async def until_told(bench: OperationBench, count: int) -> list[Executed]:
    for _ in range(500):
        if len(bench.executions()) < count:
            await bench.clock.sleep(0.02)
    assert len(bench.executions()) == count
    return bench.executions()


@pytest.mark.parametrize("restarts", [False, True])
def test_an_unstake_works_until_its_time(kept: Any, restarts: bool) -> None:
    async def main() -> None:
        bench = await OperationBench(PaperSettings(unstake_delay_s=1), kept.place).open()
        assert (await bench.ask("A: unstake 5 stETH at lido for ETH least 5")).outcome == "accepted"
        assert isinstance(bench.sink.reports[0], Acknowledged)
        (taken,) = bench.executions()
        assert moves(taken) == ["lido:LST:stETH -5"]
        assert (taken.quantity, taken.completes) == (0, False)
        assert (await bench.broker.open_orders()).client_ids == {"A.1"}
        for request in ("A.2", "A.3"):
            ask = Withdraw(client_id=request, order="A.1", broker_order_id=None)
            answer = await bench.broker.cancel(ask)
            assert answer.outcome == "rejected"
            assert "order P1 is under way" in (answer.reason or "")
        if restarts:
            bench.settings = PaperSettings()
            await bench.reopen("0")
        bench.market("token:stETH", "1", "1")  # it stands in no book
        _, given = await until_told(bench, 2)
        assert moves(given) == ["paper:BaseToken:ETH +5"]
        assert (given.quantity, given.completes, given.exec_id) == (5, True, "P1-2")
        assert (given.time - taken.time).total_seconds() == 1, "as it was taken, whatever is configured now"
        assert (await bench.broker.open_orders()).client_ids == set()
        assert (await bench.ask("A: unstake 5 stETH at lido for ETH")).outcome == "duplicate"
        assert (await bench.broker.cancel(ask)).outcome == "rejected"
        told = await bench.broker.statement(START)
        assert told.bound == {"lido:LST:stETH": Decimal(-5)}
        assert len(bench.executions()) == 2

    kept.run(main())


def test_an_unstake_whose_time_came_while_the_venue_was_closed(tmp_path: Path) -> None:
    async def main() -> None:
        bench = await OperationBench(PaperSettings(unstake_delay_s=60), tmp_path / "venue.db").open()
        await bench.ask("A: unstake 5 ETH at lido")
        await bench.broker.close()
        await bench.clock.sleep(3_600)
        await bench.reopen("0")
        assert [moves(said) for said in bench.executions()] == [
            ["lido:LST:stETH -5"],
            ["paper:BaseToken:ETH +5"],
        ]

    run_virtual(main())


def test_an_unstake_under_way_cannot_be_changed_nor_be_part_of_a_bundle() -> None:
    async def main() -> None:
        bench = await OperationBench(PaperSettings(unstake_delay_s=60)).open()
        await bench.ask("A: unstake 5 ETH at lido")
        bench.requests["A"], bench.accepted["A"] = 1, "A.1"
        assert await bench.do("A: replace quantity 2") == ["A rests", "A 0 @ 0", "rejected"]
        answer = await bench.ask("B: bundle 1 ETH = supply 1 ETH; unstake 1 ETH at lido")
        assert answer.reason == "leg 2 of the bundle, an unstake: it takes its time, and a bundle does not"

    run_virtual(main())


# --- transfers between paper venues


@pytest.mark.parametrize("open_there", [True, False])
def test_what_is_sent_is_in_the_statement_of_the_venue_that_it_went_to(kept: Any, open_there: bool) -> None:
    async def main() -> None:
        bench = await OperationBench(path=kept.place).open()
        place = kept.place if isinstance(kept.place, str) else kept.place.with_name("other.db")
        other = PaperBroker("other", PaperSettings(), place, bench.clock, instruments)
        other.telling.neighbors = bench.broker.telling.neighbors = lambda: [
            bench.broker.telling,
            other.telling,
        ]
        await other.connect(bench.sink, None)
        for name, line in {"A": "30 USDC to other", "B": "12 USDC to other", "C": "5 USD to other"}.items():
            assert (await bench.ask(f"{name}: transfer {line}")).outcome == "accepted"
        await bench.ask("D: transfer 7 DAI to elsewhere")
        assert (await other.submit(send_of("E.1", "transfer 2 USDC to paper"))).outcome == "accepted"
        for broker, money in (
            (other, {"USDC": Decimal(40), "USD": Decimal(1_000_005)}),
            (bench.broker, {"USDC": Decimal(-40), "USD": Decimal(999_995), "DAI": Decimal(-7)}),
        ):
            told = await broker.statement(START)
            assert (told.complete, told.balances) == (True, money)
            assert (told.paid_in or {})["USDC"] == 0
        if not open_there:
            await bench.broker.close()
            assert (await other.statement(START)).balances == {"USDC": 40, "USD": 1_000_005}
        await bench.reopen("0")
        bench.broker.telling.neighbors = lambda: [other.telling]
        assert ((await bench.broker.statement(START)).balances or {})["USDC"] == -40
        await other.close()

    kept.run(main())


def test_a_neighbor_that_cannot_be_read_makes_no_statement(tmp_path: Path) -> None:
    async def main() -> None:
        bench = await OperationBench(path=tmp_path / "venue.db").open()
        other = PaperBroker("other", PaperSettings(), tmp_path / "other.db", bench.clock, instruments)
        bench.broker.telling.neighbors = lambda: [other.telling]
        assert (await bench.broker.statement(START)).complete
        (tmp_path / "other.db").write_bytes(b"something else" * 1_000)
        assert not (await bench.broker.statement(START)).complete

    run_virtual(main())


# --- faults


def test_an_answer_that_is_lost_is_found(kept: Any) -> None:
    async def main() -> None:
        bench = await OperationBench(PaperSettings(), kept.place).open()
        bench.broker.inject(Faults(drop_answer=ONE))
        assert (await bench.ask("A: supply 1 ETH")).outcome == "unknown"
        assert (await bench.broker.lookup("A.1")).presence is Presence.FOUND
        assert (await bench.broker.lookup("B.1")).presence is Presence.ABSENT
        bench.broker.inject(Faults(reject=ONE))
        assert (await bench.ask("A: supply 1 ETH")).outcome == "duplicate"
        refused = await bench.ask("B: supply 1 ETH")
        assert (refused.outcome, refused.reason) == ("rejected", "the venue refuses (injected fault)")
        assert len(bench.executions()) == 1

    kept.run(main())


def test_reports_come_twice_and_out_of_order() -> None:
    async def main() -> None:
        bench = await OperationBench(PaperSettings(unstake_delay_s=1)).open()
        bench.broker.inject(Faults(duplicate_report=ONE))
        await bench.ask("A: stake 1 ETH at lido")
        first, again = bench.executions()
        assert (first.exec_id, first.deltas) == (again.exec_id, again.deltas)
        bench.broker.inject(Faults(reorder_report=ONE))
        await bench.ask("B: unstake 1 ETH at lido")
        assert len(bench.executions()) == 2
        await bench.clock.sleep(0.1)
        assert len(bench.executions()) == 3

    run_virtual(main())


def test_latency_delays_an_operation_and_its_price_is_that_of_its_arrival() -> None:
    async def main() -> None:
        bench = await OperationBench(PaperSettings(latency_ms=500)).open()
        bench.market("ETH/USDC", "2500", "2502")
        task = asyncio.ensure_future(bench.ask("A: swap 1 ETH for USDC"))
        await bench.clock.sleep(0.4)
        assert bench.executions() == []
        bench.market("ETH/USDC", "2400", "2402")
        await task
        assert moves(bench.executions()[0])[1] == "paper:BaseToken:USDC +2400"

    run_virtual(main())


# --- records


def shape(connection: sqlite3.Connection) -> dict[str, list[Any]]:
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {table: list(connection.execute(f"PRAGMA table_info({table})")) for table in sorted(tables)}


def of_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript((Path(__file__).parent / "version_1.sql").read_text())


def test_a_file_of_version_1_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "venue.db"
    of_version_1(path)

    async def main() -> None:
        bench = await Bench(path=path).open("0")
        assert bench.news() == ["A 40 @ 10.02", "B 5 @ 10.00 done", "C rests"]
        assert (await bench.broker.statement(START)).positions == {"ACME": Decimal(35)}
        assert await bench.do("quote 10.00/10.02 0x70") == ["A 60 @ 10.02 done"]
        bench.requests["B"] = 0
        assert await bench.do("B: sell 5") == ["duplicate"]
        await bench.broker.close()

    run_virtual(main())
    with closing(sqlite3.connect(path)) as upgraded, closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(TABLES)
        assert shape(upgraded) == shape(fresh)
        assert upgraded.execute("PRAGMA user_version").fetchone() == (VERSION,)


KILLED = """
import os, sqlite3, sys
from pathlib import Path
from ordergate.adapters.brokers.paper import store
from ordergate.adapters.brokers.paper.schema import UPGRADES
before, after = UPGRADES[1].split("CREATE TABLE contracts", 1)
store.UPGRADES = {1: f"{before} SELECT die(); CREATE TABLE contracts {after}"}
connect = sqlite3.connect
def dying(*given, **named):
    made = connect(*given, **named)
    made.create_function("die", 0, lambda: os._exit(9))
    return made
sqlite3.connect = dying
store.Store("paper", Path(sys.argv[1])).open()
"""


def test_a_file_of_version_1_whose_upgrade_is_killed_in_the_middle_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "venue.db"
    of_version_1(path)
    assert subprocess.run([sys.executable, "-c", KILLED, path], check=False, timeout=60).returncode == 9
    with closing(sqlite3.connect(path)) as left:
        assert left.execute("PRAGMA user_version").fetchone() == (1,)

    async def main() -> None:
        bench = await Bench(path=path).open("0")
        assert bench.news() == ["A 40 @ 10.02", "B 5 @ 10.00 done", "C rests"]
        await bench.broker.close()

    run_virtual(main())


def test_a_file_of_version_1_of_another_venue_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "venue.db"
    of_version_1(path)

    async def main() -> None:
        bench = Bench(path=path)
        with pytest.raises(StoreError, match="of paper venue 'paper', not of 'other'"):
            await bench.another(name="other").connect(bench.sink, None)

    run_virtual(main())
    with closing(sqlite3.connect(path)) as left:
        assert left.execute("PRAGMA user_version").fetchone() == (1,)


TO_VERSION_1 = (
    "ALTER TABLE orders DROP COLUMN operation, DROP COLUMN terms; ALTER TABLE executions DROP COLUMN deltas;"
    " DROP TABLE contracts; DROP TABLE sent; UPDATE meta SET version = 1;"
)
SHAPE = (
    "SELECT table_name, column_name, data_type, is_nullable, ordinal_position FROM information_schema.columns"
    " WHERE table_schema = 'paper_paper' ORDER BY 1, 2"
)


def test_a_schema_of_version_1_goes_on(shared: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        await bench.do("quote 10.00/10.02 0x40")
        assert await bench.do("A: buy 100 limit 10.02") == ["A 40 @ 10.02"]
        await bench.broker.close()
        fresh = [row[:4] for row in shared.rows(SHAPE)]
        shared.rows(f"{TO_VERSION_1} SELECT 1")
        assert [row[:4] for row in shared.rows(SHAPE)] != fresh
        await bench.reopen("0")
        assert bench.news() == ["A 40 @ 10.02"]
        assert [row[:4] for row in shared.rows(SHAPE)] == fresh
        assert shared.rows("SELECT version FROM meta") == [("2",)]
        assert await bench.do("quote 10.00/10.02 0x70") == ["A 60 @ 10.02 done"]

    shared.run(main())


def test_a_copy_goes_on_where_the_record_was(kept: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"

    async def main() -> None:
        bench = await busy(FEES, kept.place)
        before = await bench.broker.statement(START)
        await bench.broker.close()
        async with record_of("paper", kept.place) as here, new_record("paper", copy) as there:
            assert here is not None
            assert there is not None
            await there.replace(here)
            assert await same(here, there)
        carried = OperationBench(FEES, copy)
        carried.clock = bench.clock
        carried.broker = carried.another()
        await carried.open("0")
        told = await carried.broker.statement(START)
        assert (told.positions, told.balances, told.bound) == (
            before.positions,
            before.balances,
            before.bound,
        )
        carried.market(PERP, "111", "112")
        await carried.ask(f"E: sell 3 {PERP}")
        assert moves(carried.executions()[-1])[1] == "paper:BaseToken:USDT +30"
        await carried.broker.close()
        async with record_of("paper", copy) as back, record_of("paper", kept.place) as again:
            assert back is not None
            assert again is not None
            await again.replace(back)
            assert await same(back, again)

    kept.run(main())
