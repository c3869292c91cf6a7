"""Two nodes are asked with one key at the same instant: one order, and both are told of it."""

import asyncio

import pytest
from tests.acceptance.nodes.auditor import differences, verified
from tests.acceptance.nodes.rig import rig_on

TIMES = 100


@pytest.mark.slow
def test_one_key_at_two_nodes_is_one_order(database):
    async def main():
        async with rig_on(database) as rig:
            nodes = await rig.start_all("a", "b")
            replayed = 0
            for number in range(TIMES):
                order = {
                    "key": f"same-{number}",
                    "symbol": "AAPL",
                    "side": "buy",
                    "quantity": "10",
                    "order_type": "market",
                }
                asked = nodes if number % 2 else nodes[::-1]
                answers = await asyncio.gather(*(node.ask("submit", **order) for node in asked))
                assert len({answer["order_id"] for answer in answers}) == 1, answers
                assert sorted(answer["replayed"] for answer in answers) == [False, True]
                replayed += answers[0]["replayed"]
                other = await nodes[number % 2].ask("submit", **{**order, "quantity": "20"})
                assert other["error"] == "Conflict", other
            assert 0 < replayed < TIMES, "one and the same node was always first: there was no race"
            await rig.settled()
            assert await differences(rig) == []
            assert await verified(rig) == []
            assert (await rig.fetch("SELECT count(*) FROM orders"))[0][0] == TIMES
            assert (await rig.fetch("SELECT count(*) FROM paper_paper.orders"))[0][0] == TIMES

    asyncio.run(main())
