"""Several nodes, and several shards, on one ClickHouse."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from ordergate.application.entry import Origin
from ordergate.bootstrap import Shards, move_fund, open_gate, open_shards
from ordergate.config import Config
from tests.integration.test_clickhouse_tables import check_equal
from tests.services import sharded
from tests.services.analytics import analyzed, kept
from tests.services.archive import quote, trade
from tests.services.clickhouse import ClickHouse


@pytest.fixture(autouse=True)
def _state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.slow
def test_one_node_writes_what_both_take_and_the_other_goes_on(clickhouse: ClickHouse, ready: str) -> None:
    config = analyzed(clickhouse)

    async def main() -> None:
        async with AsyncExitStack() as owners:
            owner = await owners.enter_async_context(open_gate(config, ready))
            async with open_gate(config, ready) as heir:
                await quote(owner)
                await asyncio.gather(trade(owner, 0, 15), trade(heir, 1_000, 15))
                await kept(heir)
                await owners.aclose()
                await trade(heir, 2_000, 15)
                while any(order.waits for order in await heir.journal.select("orders")):
                    await asyncio.sleep(0.05)
                await heir.quiet()
                await kept(heir)
                await check_equal(clickhouse, heir.journal)

    asyncio.run(asyncio.wait_for(main(), 120))


@pytest.mark.slow
def test_shards_share_a_database_and_a_fund_that_moves_is_held_once(
    clickhouse: ClickHouse, tmp_path: Path
) -> None:
    def config(beta: str = "us") -> Config:
        return replace(sharded.config(tmp_path, beta=beta), clickhouse=analyzed(clickhouse).clickhouse)

    async def check(shards: Shards) -> None:
        for gate in shards.shards.values():
            await kept(gate)
            await check_equal(clickhouse, gate.journal, gate.config.audit.origin)

    def held() -> list[list[str]]:
        return clickhouse.ask(
            "SELECT fund_id, sum(quantity) FROM positions GROUP BY fund_id ORDER BY fund_id"
        )

    async def main() -> None:
        async with open_shards(config()) as shards:
            await sharded.make_market(shards)
            await sharded.filled(shards, sharded.order("alpha", "k1"))
            await sharded.filled(shards, sharded.order("beta", "k2"))
            await sharded.filled(shards, sharded.order("beta", "k3"))
            await check(shards)
        assert held() == [["alpha", "10"], ["beta", "20"]]
        await move_fund(config("eu"), "beta", "eu", Origin())
        async with open_shards(config("eu")) as shards:
            await check(shards)
            assert held() == [["alpha", "10"], ["beta", "20"]]
            await sharded.make_market(shards)
            await sharded.filled(shards, sharded.order("beta", "k4", side="sell"))
            await check(shards)
        assert held() == [["alpha", "10"], ["beta", "10"]]
        logs = clickhouse.ask("SELECT DISTINCT log FROM positions WHERE fund_id = 'beta' ORDER BY log")
        assert logs == [["ordergate.local/journal/eu"], ["ordergate.local/journal/us"]]

    asyncio.run(main())
