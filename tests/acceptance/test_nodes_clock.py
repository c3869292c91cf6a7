"""A node's clock is wrong, from the start or suddenly: it stops and says so; the others go on, and nothing ends early."""

import asyncio

import pytest
from tests.acceptance.nodes.auditor import all_is_well
from tests.acceptance.nodes.load import Load
from tests.acceptance.nodes.node import NotReady
from tests.acceptance.nodes.rig import SHORT_LEASES, rig_on

HOUR_S = 3_600
DAY_ORDER = {
    "symbol": "BTC/USDT",
    "side": "buy",
    "quantity": "0.01",
    "order_type": "limit",
    "limit_price": "60000.00",
    "tif": "day",
}
"""Works for a day at most: a clock that is two days ahead would end it."""


@pytest.mark.slow
@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
def test_a_node_with_a_wrong_clock_does_not_come_up(database, ahead_s):
    async def main():
        async with rig_on(database) as rig:
            await rig.start_all("a")
            load = Load(rig, callers=2, pause_s=0.05, seed=1)
            load.start()
            await load.more(5)
            with pytest.raises(NotReady, match="clock differs from the database's by"):
                await rig.start("b", ahead_s=ahead_s)
            await load.more(5)
            await all_is_well(rig, load)

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "ahead_s"),
    [
        (True, -HOUR_S),
        *(
            pytest.param(owner, ahead_s, marks=pytest.mark.slow)
            for owner, ahead_s in ((True, HOUR_S), (True, 48 * HOUR_S), (False, HOUR_S), (False, -HOUR_S))
        ),
    ],
)
def test_a_node_whose_clock_is_set_stops(database, owner, ahead_s):
    async def main():
        async with rig_on(database, **SHORT_LEASES) as rig:
            await rig.start_all("a", "b")
            load = Load(rig, callers=6, pause_s=0.05, seed=2)
            load.start()
            await load.more(10)
            has_it = await rig.new_owner()
            node = has_it if owner else next(node for node in rig.up if node is not has_it)
            day = (await node.ask("submit", key="day", **DAY_ORDER))["order_id"]
            await rig.more_sent(5)
            node.expected_to_end = True  # nobody asks it any more, which would make it notice
            node.send("set_clock", ahead_s=ahead_s)
            async with asyncio.timeout(30):
                assert await node.process.wait() != 0
            assert "clock" in node.said()
            await node.end()
            await rig.more_sent(5)
            await load.more(10)
            await all_is_well(rig, load)
            row = (await rig.fetch("SELECT state, request_count FROM orders WHERE order_id = $1", day))[0]
            assert row["state"] == "SUBMITTED", "it has ended early"
            states = await rig.fetch("SELECT DISTINCT state FROM orders")
            assert "EXPIRED" not in {row["state"] for row in states}
            latest = (await rig.fetch("SELECT max(updated_at) - clock_timestamp() FROM orders"))[0][0]
            assert latest.total_seconds() < 5, "the journal has times of the wrong clock"

    asyncio.run(main())


@pytest.mark.slow
def test_a_venue_with_a_wrong_clock_ends_no_order(database):
    """The session's owner has nothing to journal, so that only its venue looks at the clock."""

    async def main():
        async with rig_on(database, faults=False) as rig:
            await rig.start_all("a", "b")
            owner = await rig.new_owner()
            other = next(node for node in rig.up if node is not owner)
            day = (await owner.ask("submit", key="day", **DAY_ORDER))["order_id"]
            await rig.settled()
            owner.expected_to_end = True
            owner.send("set_clock", ahead_s=48 * HOUR_S)
            await other.ask("quote", symbol="AAPL", bid="180.40", ask="180.60")
            async with asyncio.timeout(30):
                assert await owner.process.wait() != 0
            await rig.new_owner()
            await rig.settled()
            venue = await rig.fetch("SELECT status FROM paper_paper.orders")
            assert [row[0] for row in venue] == ["working"]
            assert await other.ask("submit", key="day", **DAY_ORDER) == {
                "order_id": day,
                "state": "SUBMITTED",
                "replayed": True,
            }

    asyncio.run(main())
