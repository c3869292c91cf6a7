"""Sixty seconds without ClickHouse, under load: orders go on, and afterwards it has what the journal has."""

import asyncio
from pathlib import Path

import pytest
from tests.integration.test_clickhouse_served import load, quote
from tests.integration.test_clickhouse_tables import check_equal
from tests.services.analytics import analyzed, check_answers, kept
from tests.services.clickhouse import ClickHouse

from ordergate.bootstrap import open_gate

pytestmark = pytest.mark.slow(minutes=2)
OUTAGE_S = 60.0
BESIDE_S = 20.0


def p99(took: list[float]) -> float:
    return sorted(took)[len(took) * 99 // 100]


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_a_minute_without_the_server_under_load(
    own_clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    database = tmp_path / "orders.db"

    async def main() -> None:
        async with open_gate(analyzed(own_clickhouse, timeout_s=5), f"sqlite:///{database}") as gate:
            await quote(gate)
            _warm, number = await load(gate, 0, 5)
            there, number = await load(gate, number, BESIDE_S)
            own_clickhouse.kill() if how == "killed" else own_clickhouse.pause()
            away, number = await load(gate, number, OUTAGE_S)
            behind = (await gate.journal.head()).size - await gate.journal.cursor("clickhouse.default")
            assert behind > len(away), "orders went on while nothing could be written"
            await asyncio.to_thread(own_clickhouse.start) if how == "killed" else own_clickhouse.resume()
            back, number = await load(gate, number, BESIDE_S)
            await gate.quiet()
            await kept(gate, 120)
            await check_equal(own_clickhouse, gate.journal)
            assert own_clickhouse.ask("SELECT count() FROM orders") == [[str(number)]]
        print(f"p99 there {p99(there):.4f} away {p99(away):.4f} back {p99(back):.4f}, {number} orders")
        assert p99(away) <= max(p99(there), p99(back)) * 1.5

    asyncio.run(main())
    check_answers(own_clickhouse, database)
