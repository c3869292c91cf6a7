"""Nodes that stand still: the owner of the venue's session for longer than its lease, and one that holds the head."""

import asyncio
import random
import signal
import time
from contextlib import asynccontextmanager

import pytest
from tests.acceptance.nodes.auditor import all_is_well
from tests.acceptance.nodes.load import Load
from tests.acceptance.nodes.node import Node
from tests.acceptance.nodes.rig import SHORT_LEASES, Rig, rig_on

from ordergate.application.ports.leases import LEASE_S, SEND_S

_OPEN = (
    "SELECT pid, xact_start FROM pg_stat_activity "
    "WHERE datname = current_database() AND state = 'idle in transaction'"
)


@asynccontextmanager
async def paused(node: Node):
    node.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        node.signal(signal.SIGCONT)


async def goes_on(rig: Rig, node: Node) -> None:
    """The node is one among the others again."""
    async with asyncio.timeout(30):
        while True:
            mine, others = await node.ask("state"), await rig.up[0].ask("state")
            if mine["size"] >= others["size"]:
                return


@pytest.mark.slow
def test_the_owner_stands_still_for_longer_than_its_lease(database):
    async def main():
        async with rig_on(database) as rig:
            await rig.start_all("a", "b")
            load = Load(rig, callers=12, pause_s=0.02, seed=1)
            load.start()
            await rig.more_sent(50)
            owner = await rig.new_owner()
            async with paused(owner):
                began, before = time.monotonic(), await rig.sent()
                await asyncio.sleep(0.1)
                await rig.more_sent()
                assert time.monotonic() - began < 20, f"nothing was sent after {before}"
                assert await rig.owner() is not owner
                await asyncio.sleep(max(0, began + LEASE_S + SEND_S + 1 - time.monotonic()))
            await goes_on(rig, owner)
            await load.more(20)
            await all_is_well(rig, load)
            assert rig.up == list(rig.nodes.values())

    asyncio.run(main())


async def stop_owner(rig: Rig, dice: random.Random) -> None:
    """Stops the session's owner until another sends, and lets it go on."""
    owner = await rig.new_owner()
    await rig.more_sent(5)
    await asyncio.sleep(dice.uniform(0, 0.2))
    async with paused(owner):
        await asyncio.sleep(0.1)
        await rig.more_sent()
    await goes_on(rig, owner)


async def stop_owners(url: str, times: int, seed: int) -> None:
    """Stops the owner at random moments, with short leases, so that something is about to leave at most of them."""
    async with rig_on(url, **SHORT_LEASES) as rig:
        await rig.start_all("a", "b")
        load, dice = Load(rig, callers=16, pause_s=0.01, seed=seed), random.Random(seed)
        load.start()
        for _ in range(times):
            await stop_owner(rig, dice)
        await all_is_well(rig, load)


@pytest.mark.slow(minutes=2)
def test_owners_stand_still_thirty_times(database):
    asyncio.run(stop_owners(database, 30, seed=3))


async def stop_while_it_holds_the_head(rig: Rig, node: Node) -> None:
    """Stops it again and again until a transaction stays open while it stands still: its own."""
    async with asyncio.timeout(60):
        while True:
            node.signal(signal.SIGSTOP)
            if await _holds(rig):
                return
            node.signal(signal.SIGCONT)
            await asyncio.sleep(0.003)


async def _holds(rig: Rig) -> bool:
    first = {tuple(row) for row in await rig.fetch(_OPEN)}
    if not first:
        return False
    await asyncio.sleep(0.25)  # no turn takes so long
    return bool(first & {tuple(row) for row in await rig.fetch(_OPEN)})


@pytest.mark.slow
@pytest.mark.parametrize(
    "owner", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["the owner", "another"]
)
def test_one_that_holds_the_head_is_passed_by(database, owner):
    async def main():
        async with rig_on(database) as rig:
            await rig.start_all("a", "b", "c")
            load = Load(rig, callers=12, pause_s=0.01, seed=4)
            load.start()
            await rig.more_sent(20)
            has_it = await rig.new_owner()
            node = has_it if owner else next(node for node in rig.up if node is not has_it)
            await stop_while_it_holds_the_head(rig, node)
            try:
                began = time.monotonic()
                await load.more(5)
                assert time.monotonic() - began < 20
            finally:
                node.signal(signal.SIGCONT)
            await goes_on(rig, node)
            await all_is_well(rig, load)

    asyncio.run(main())
