"""Signals out of ClickHouse beside the other doors: a real `ordergate serve`, killed amid them."""

import asyncio
import re
import signal
from pathlib import Path

import pytest

from tests.integration.test_clickhouse_signals import run
from tests.services.clickhouse import ClickHouse
from tests.services.mail import until
from tests.services.server import Served, serving
from tests.services.signal_table import TABLE, put, row, said, signal_id


def made(served: Served) -> list[str]:
    with served.client() as client:
        return [order["signal_id"] for order in client.get("/v1/orders?limit=200").json()["items"]]


async def some(served: Served, least: int) -> list[str]:
    async def enough() -> list[str]:
        found = await asyncio.to_thread(made, served)
        return found if len(found) >= least else []

    return list(await until(enough))


@pytest.mark.slow
def test_a_service_that_is_killed_makes_each_order_once(own_clickhouse: ClickHouse, tmp_path: Path) -> None:
    settings, database, server = tmp_path / "ordergate.toml", tmp_path / "o.db", own_clickhouse
    settings.write_text(
        f'[clickhouse]\nurl = "{server.url}"\n[clickhouse.signals]\ntake = true\nevery_ms = 50\n'
    )
    server.ask(TABLE)
    count = 40
    put(server, *(row(number) for number in range(1, count + 1)), row(999, symbol="NOSUCH"))
    with serving(database, "--config", str(settings)) as served:
        run(some(served, 1))
        assert served.end(signal.SIGKILL) == -signal.SIGKILL
    with serving(database, "--config", str(settings)) as served:
        assert sorted(run(some(served, count))) == [signal_id(number) for number in range(1, count + 1)]

        async def all_told() -> bool:
            return {status for status, _order in (await asyncio.to_thread(said, server)).values()} == {
                "submitted",
                "failed",
            }

        run(until(all_told))
        with served.client() as client:
            figures = client.get("/metrics").text
        assert re.search(
            r'ordergate_messages_total{from="clickhouse signals",outcome="(done|replayed)"}', figures
        )
        server.kill()
        assert served.end() == 0  # a server that is away holds up no end
