"""`ordergate serve` twice on one PostgreSQL: one book on two ports, whatever becomes of either."""

import asyncio
import signal
import time
from contextlib import asynccontextmanager

import pytest
from tests.acceptance.crash.worker import PRICES
from tests.acceptance.nodes.auditor import differences, verified
from tests.acceptance.nodes.load import Load
from tests.acceptance.nodes.rig import Rig, rig_on
from tests.acceptance.nodes.served import ServedNode
from tests.services.postgres import NoPostgres, postgres_server

from ordergate.application.ports.leases import LEASE_S

_UNDER_WAY = "SELECT count(*) FROM orders WHERE state = 'ACCEPTED' OR requests <> '[]'"


@asynccontextmanager
async def served_twice(url):
    async with rig_on(url) as rig:
        await asyncio.gather(*(ServedNode.start(name, rig) for name in "ab"))
        for symbol, (bid, ask) in PRICES.items():
            assert "error" not in await rig.nodes["a"].ask("quote", symbol=symbol, bid=bid, ask=ask)
        yield rig


async def all_is_well(rig: Rig, load: Load | None = None) -> None:
    """Lets everything settle, and raises where anything does not agree."""
    if load is not None:
        await load.end()
    async with asyncio.timeout(30):
        while (await rig.fetch(_UNDER_WAY))[0][0]:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)  # for reports of what the venue has done
    for found in (await differences(rig, load), await verified(rig)):
        assert not found, "\n".join(found[:50])


async def owner_and_other(rig: Rig) -> tuple[ServedNode, ServedNode]:
    owner = await rig.new_owner()
    return owner, next(node for node in rig.up if node is not owner)


async def event_of(node: ServedNode, order_id: str) -> str:
    """The first event of an order in a node's stream, from the journal's beginning."""
    kind = ""
    async with node.client.stream("GET", "/v1/events?after=-1") as stream:
        async for line in stream.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            if name == "data" and order_id in value:
                return kind
    raise AssertionError("the stream has ended")


LIMIT = {
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "10",
    "order_type": "limit",
    "limit_price": "179.00",
}


async def state_at(node: ServedNode, order_id: str, state: str, within_s: float = 60) -> None:
    """Waits until the node shows an order in that state."""
    async with asyncio.timeout(within_s):
        while True:
            answer = await node.client.get(f"/v1/orders/{order_id}")
            if answer.status_code == 200 and answer.json()["state"] == state:
                return
            await asyncio.sleep(0.02)


@pytest.mark.slow
def test_one_book_at_both_doors(database):
    async def main():
        async with served_twice(database) as rig:
            owner, other = await owner_and_other(rig)
            for number, (one, two) in enumerate(((owner, other), (other, owner))):
                order_id = (await one.ask("submit", key=f"first-{number}", **LIMIT))["order_id"]
                read = await two.client.get(f"/v1/orders/{order_id}")
                assert read.json()["idempotency_key"] == f"first-{number}"
                assert await asyncio.wait_for(event_of(two, order_id), 30) == "OrderEntered"
                await state_at(two, order_id, "SUBMITTED")
            assert "error" not in await other.ask("quote", symbol="AAPL", bid="178.40", ask="178.50")
            orders = (await other.client.get("/v1/orders")).json()["items"]
            for order in orders:
                await state_at(other, order["order_id"], "CLOSED")
                await state_at(owner, order["order_id"], "CLOSED")
            await all_is_well(rig)

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("owner", [True, False], ids=["the owner", "the other"])
def test_killing_either_under_load(database, owner):
    async def main():
        async with served_twice(database) as rig:
            load = Load(rig, callers=10, pause_s=0.02, seed=1)
            load.start()
            await load.more(40)
            victim = (await owner_and_other(rig))[0 if owner else 1]
            await victim.kill()
            await load.more(20)
            await rig.more_sent(5)
            await all_is_well(rig, load)
            assert load.failures == {}

    asyncio.run(main())


@pytest.mark.slow
def test_an_end_in_good_order_under_load_hands_over_at_once(database):
    async def main():
        async with served_twice(database) as rig:
            load = Load(rig, callers=10, pause_s=0.02, seed=2)
            load.start()
            await load.more(40)
            owner, _other = await owner_and_other(rig)
            owner.signal(signal.SIGTERM)
            began = time.monotonic()
            async with asyncio.timeout(30):
                assert await owner.process.wait() == 0, owner.said()
            ended, before = time.monotonic(), await rig.sent()
            await rig.more_sent()
            assert time.monotonic() - ended < LEASE_S, f"after {ended - began:.1f} s and {before} requests"
            await all_is_well(rig, load)

    asyncio.run(main())


@pytest.fixture
def own_server():
    try:
        with postgres_server() as server:
            yield server
    except NoPostgres as missing:
        pytest.skip(str(missing))


async def ready(node: ServedNode) -> int:
    return (await node.client.get("/ready")).status_code


async def both_ready(rig: Rig, status: int, within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while [await ready(node) for node in rig.up] != [status] * 2:
            await asyncio.sleep(0.05)


@pytest.mark.slow
def test_loss_of_the_database_is_told_and_mends_itself(own_server):
    async def main():
        async with served_twice(own_server.database()) as rig:
            await both_ready(rig, 200)
            await asyncio.to_thread(own_server.stop, "immediate")
            await both_ready(rig, 503)
            for node in rig.up:
                answer = await node.client.post(
                    "/v1/orders",
                    json={**LIMIT, "fund_id": "paper-momentum", "tif": "gtc", "idempotency_key": "away"},
                )
                assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.json()["outcome"] == "not_sent"
                assert answer.json()["retry"] == "same_key"
                assert (await node.client.get("/health")).status_code == 200
            await asyncio.to_thread(own_server.start)
            await both_ready(rig, 200)
            answers = [await node.ask("submit", key="away", **LIMIT) for node in rig.up]
            assert len({answer["order_id"] for answer in answers}) == 1
            await state_at(rig.up[0], answers[0]["order_id"], "SUBMITTED", within_s=15)
            await all_is_well(rig)

    asyncio.run(main())
