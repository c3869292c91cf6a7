"""A gate beside ClickHouse: whatever that does, orders go on, and in the end it has what the journal has."""

import asyncio
import time
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ordergate.application import outlets
from ordergate.bootstrap import Gate, open_gate
from ordergate.domain.market import Quote
from tests.integration.test_clickhouse_tables import check_equal
from tests.services.analytics import analyzed, check_answers, dump, kept
from tests.services.clickhouse import ClickHouse
from tests.unit.application.gates import buy


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(outlets, "LONGEST_PAUSE_S", 1.0)


async def quote(gate: Gate) -> None:
    at = Quote(symbol="AAPL", time=gate.clock.now(), bid=Decimal(100), ask=Decimal(101))
    await gate.set_quote("paper", at)


async def load(gate: Gate, first: int, seconds: float) -> tuple[list[float], int]:
    """Orders for so long; how long each took, and the next number."""
    until, took = time.monotonic() + seconds, []
    while time.monotonic() < until:
        began = time.monotonic()
        await gate.execute(buy(f"key-{first}"))
        took.append(time.monotonic() - began)
        first += 1
        await asyncio.sleep(0.01)
    return took, first


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "paused"])
def test_two_seconds_without_the_server_under_load(
    own_clickhouse: ClickHouse, tmp_path: Path, how: str
) -> None:
    database = tmp_path / "orders.db"

    async def main() -> None:
        async with open_gate(analyzed(own_clickhouse, timeout_s=1), f"sqlite:///{database}") as gate:
            await quote(gate)
            _took, number = await load(gate, 0, 0.3)
            own_clickhouse.kill() if how == "killed" else own_clickhouse.pause()
            away, number = await load(gate, number, 2)
            behind = (await gate.journal.head()).size - await gate.journal.cursor("clickhouse.default")
            assert behind > len(away)
            own_clickhouse.start() if how == "killed" else own_clickhouse.resume()
            _took, number = await load(gate, number, 0.3)
            await gate.quiet()
            await kept(gate)
            await check_equal(own_clickhouse, gate.journal)
            assert own_clickhouse.ask("SELECT count() FROM orders") == [[str(number)]]

    asyncio.run(main())
    check_answers(own_clickhouse, database)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["rubbish", "deaf", "lost", "slow-0.2", "swallow-_versions"])
def test_a_server_that_misbehaves_under_load(clickhouse: ClickHouse, tmp_path: Path, mode: str) -> None:
    async def main() -> None:
        async with open_gate(analyzed(clickhouse), f"sqlite:///{tmp_path / 'orders.db'}") as gate:
            await quote(gate)
            _took, number = await load(gate, 0, 0.2)
            await gate.quiet()
            await kept(gate)
            clickhouse.mode(mode)
            _took, number = await load(gate, number, 1)
            clickhouse.mode("well")
            await gate.quiet()
            await kept(gate)
            await check_equal(clickhouse, gate.journal)

    asyncio.run(main())


@pytest.mark.slow
def test_a_gate_ends_and_begins_while_the_server_stands_still(
    own_clickhouse: ClickHouse, tmp_path: Path
) -> None:
    config, database = analyzed(own_clickhouse, timeout_s=1), f"sqlite:///{tmp_path / 'orders.db'}"

    async def main() -> None:
        async with open_gate(config, database) as gate:
            await quote(gate)
            _took, number = await load(gate, 0, 0.1)
            await kept(gate)
            own_clickhouse.pause()
            _took, number = await load(gate, number, 0.3)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        began = time.monotonic()
        async with open_gate(config, database) as gate:
            assert time.monotonic() - began < 10
            await quote(gate)
            _took, number = await load(gate, number, 0.1)
            own_clickhouse.resume()
            await gate.quiet()
            await kept(gate)
            await check_equal(own_clickhouse, gate.journal)
            assert own_clickhouse.ask("SELECT count() FROM orders") == [[str(number)]]

    asyncio.run(main())


def test_a_table_of_somebody_elses_is_said_and_orders_go_on(clickhouse: ClickHouse, tmp_path: Path) -> None:
    clickhouse.ask("CREATE TABLE orders (order_id UUID) ENGINE MergeTree ORDER BY order_id")

    async def main() -> None:
        with capture_logs() as logs:
            async with open_gate(analyzed(clickhouse), f"sqlite:///{tmp_path / 'orders.db'}") as gate:
                await quote(gate)
                await gate.execute(buy("key-1"))
                while not any(one["event"] == "an outlet did not take entries" for one in logs):
                    await asyncio.sleep(0.01)
        said = next(one["error"] for one in logs if one["event"] == "an outlet did not take entries")
        assert "column order_id of orders is UUID, not String" in said

    asyncio.run(main())


@pytest.mark.slow
def test_the_engine_in_the_gates_own_process(clickhouse: ClickHouse, tmp_path: Path) -> None:
    config = analyzed(clickhouse, url=f"chdb://{tmp_path / 'engine'}", database="default")
    beside = analyzed(clickhouse)

    async def main() -> None:
        async with open_gate(config, f"sqlite:///{tmp_path / 'one.db'}") as gate:
            await quote(gate)
            await load(gate, 0, 0.2)
            await gate.quiet()
            await kept(gate)
            import clickhouse_connect

            engine = clickhouse_connect.get_client(interface="chdb", path=str(tmp_path / "engine"))
            found = engine.query("SELECT * EXCEPT journal_index FROM orders ORDER BY order_id").result_rows
            engine.close()
        async with open_gate(beside, f"sqlite:///{tmp_path / 'one.db'}") as gate:
            await kept(gate)
        assert len(found) == len(dump(clickhouse)["orders"])
        assert [row[0] for row in found] == [row[0] for row in dump(clickhouse)["orders"]]

    asyncio.run(main())
