"""Several node processes on one PostgreSQL, killed at random under load: nothing is lost, doubled or orphaned."""

import asyncio
import random
import time

import pytest
from tests.acceptance.nodes.auditor import all_is_well
from tests.acceptance.nodes.load import Load
from tests.acceptance.nodes.rig import SHORT_LEASES, kill_at_random, rig_on

TAKEN_OVER_WITHIN_S = 10


async def killed(url: str, kills: int, seed: int) -> Load:
    """Kills nodes under load, first of two, then of three, and compares; what the load has seen."""
    async with rig_on(url, **SHORT_LEASES) as rig:
        await rig.start_all("a", "b")
        load = Load(rig, callers=8, pause_s=0.05, seed=seed)
        load.start()
        dice = random.Random(seed)
        owners = await kill_at_random(rig, kills // 2, dice)
        await rig.start("c")
        owners += await kill_at_random(rig, kills - kills // 2, dice)
        assert owners >= kills // 5, f"of {kills} kills only {owners} were of the session's owner"
        await all_is_well(rig, load)
        return load


@pytest.mark.slow(minutes=7)
def test_two_hundred_kills(database):
    load = asyncio.run(killed(database, 200, seed=2))
    assert load.repeated >= 50, "hardly a kill came while anything was under way: this proves little"
    assert load.found >= 5, "hardly a kill came between an order's commit and its answer: this proves little"


@pytest.mark.slow
def test_a_successor_sends_within_ten_seconds(database):
    async def main():
        async with rig_on(database) as rig:
            await rig.start_all("a", "b")
            load = Load(rig, callers=4, pause_s=0.1, seed=3)
            load.start()
            await rig.more_sent(10)
            owner = await rig.new_owner()
            await owner.kill()
            killed_at = time.monotonic()
            before = await rig.sent()
            await rig.more_sent()
            took = time.monotonic() - killed_at
            assert took < TAKEN_OVER_WITHIN_S, f"after {before} requests: {took:.1f} s"
            await all_is_well(rig, load)

    asyncio.run(main())
