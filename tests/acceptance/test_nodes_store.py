"""The database goes away under several nodes: the server is stopped as a crash does, and connections are cut."""

import asyncio
import base64
import random

import pytest
from tests.acceptance.nodes.auditor import all_is_well
from tests.acceptance.nodes.load import Load
from tests.acceptance.nodes.rig import rig_on
from tests.services.postgres import NoPostgres, postgres_server
from tests.services.proxy import proxy_of, through


@pytest.fixture(scope="module")
def own_server():
    try:
        with postgres_server(fsync=True) as server:
            yield server
    except NoPostgres as missing:
        pytest.skip(str(missing))


async def stop_again_and_again(server, stops: int, seed: int) -> Load:
    """Stops the server under load and starts it again, each time after a moment."""
    dice = random.Random(seed)
    async with rig_on(server.database()) as rig:
        await rig.start_all("a", "b")
        load = Load(rig, callers=10, pause_s=0.02, seed=seed)
        load.start()
        for _ in range(stops):
            await load.more(dice.randint(5, 40))
            await asyncio.sleep(dice.uniform(0, 0.1))
            await asyncio.to_thread(server.stop, "immediate")
            await asyncio.sleep(dice.choice([0, 0, dice.uniform(0, 3)]))
            await asyncio.to_thread(server.start)
            rig.check()
        await load.more(20)
        await all_is_well(rig, load)
        return load


@pytest.mark.slow(minutes=2)
def test_the_server_crashes_thirty_times(own_server):
    load = asyncio.run(stop_again_and_again(own_server, 30, seed=2))
    assert load.failures.keys() == {"StoreError", "OutcomeUnknown"}, "what nobody noticed proves little"


async def cut_at_commits(server, times: int, seed: int) -> dict[str, int]:
    """One node's connection is cut at its COMMITs, before or after these reach the server."""
    dice, cuts = random.Random(seed), {"before": 0, "after": 0}
    async with proxy_of(server.folder) as proxy, rig_on(server.database()) as rig:
        await rig.start("a", url=through(proxy, rig.url))
        await rig.start_all("b")
        load = Load(rig, callers=6, pause_s=0.02, seed=seed)
        load.start()
        for number in range(times):
            await load.more(dice.randint(1, 10))
            cut = "before" if number % 2 else "after"
            proxy.cut, proxy.leave_server = cut, dice.random() < 0.5
            order = {"key": f"cut-{number}", "symbol": "AAPL", "side": "buy", "quantity": "10"}
            answers = await asyncio.gather(
                *(node.ask("submit", order_type="market", **order) for node in rig.nodes.values())
            )
            again = [await node.ask("submit", order_type="market", **order) for node in rig.nodes.values()]
            ids = {answer.get("order_id") for answer in (*answers, *again)}
            assert len(ids - {None}) == 1, (answers, again)
            assert all("order_id" in answer for answer in again)
            assert all(answer.get("error") in (None, "StoreError", "OutcomeUnknown") for answer in answers)
            load.made[order["key"]] = again[0]["order_id"]
            cuts[cut] += proxy.cut is None
        await all_is_well(rig, load)
        return cuts


@pytest.mark.slow
def test_a_connection_is_cut_during_commit(own_server, monkeypatch):
    # The key of a database that has no other is found by its URL, and by way of the proxy that is another one.
    monkeypatch.setenv("ORDERGATE_AUDIT_KEY", base64.b64encode(bytes(32)).decode())
    cuts = asyncio.run(cut_at_commits(own_server, 10, seed=3))
    assert min(cuts.values()) >= 3, f"cuts {cuts}: this proves little"
