"""Ready soon, however many orders work and however long the history is."""

import asyncio
import gc
import os
import resource
import time
from decimal import Decimal

import pytest
from tests.journals.history import multiply
from tests.services.funds import RICH

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.journals.location import place_beside
from ordergate.adapters.journals.stores import open_journal
from ordergate.adapters.secrets.audit_key import find_key
from ordergate.bootstrap import open_gate
from ordergate.config import Config
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State

WORKING = int(os.environ.get("ORDERGATE_TEST_WORKING", "100000"))
ENDED = int(os.environ.get("ORDERGATE_TEST_ENDED", "1000000"))
CALLERS = 400
MOST_S = 10.0
CONFIG = Config(limits=RICH)


def order(key, **changes):
    return SubmitOrder(
        fund_id="paper-momentum",
        symbol="EURUSD",
        side=Side.BUY,
        quantity=Decimal("0.01"),
        order_type=OrderType.LIMIT,
        key_kind="idempotency_key",
        key=key,
        **changes,
    )


async def one_that_ends(url):
    async with open_gate(CONFIG, url) as gate:
        quote = Quote("EURUSD", SystemClock().now(), Decimal("1.08470"), Decimal("1.08475"), pinned=True)
        await gate.set_quote("paper", quote)
        made = (await gate.execute(order("first", limit_price=Decimal("1.09")))).order
        await gate.quiet()
        assert (await gate.queries.order(made.order_id)).state is State.CLOSED
        return made.order_id


async def history(url, order_id):
    journal = await open_journal(url)
    try:
        signer = find_key(CONFIG.audit.origin, None, place_beside(url)).signer
        await multiply(journal, signer, order_id, ENDED, lambda _done: None)
    finally:
        await journal.close()


async def many_that_work(url):
    async with open_gate(CONFIG, url) as gate:
        numbers = iter(range(WORKING))

        async def submit():
            for number in numbers:
                await gate.execute(order(f"key-{number}", limit_price=Decimal("1.05")))

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(submit())
        await gate.quiet()
        while any(row.state is not State.SUBMITTED for row in gate.runner.engine.state.orders.rows.values()):
            await asyncio.sleep(0.05)


async def opened(url):
    start = time.perf_counter()
    async with open_gate(CONFIG, url) as gate:
        took = time.perf_counter() - start
        assert len(gate.runner.engine.state.orders.rows) >= WORKING
        assert gate.runner.engine.view.sessions
        rest = await gate.execute(order("one more", limit_price=Decimal("1.05")))
        answered = time.perf_counter() - start
        await gate.quiet()
        assert (await gate.queries.order(rest.order.order_id)).state is State.SUBMITTED
    return took, answered


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "server"])
def test_ready_with_many_orders_that_work_and_a_long_history(kind, tmp_path, request, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    url = f"sqlite:///{tmp_path / 'orders.db'}" if kind == "file" else request.getfixturevalue("database")
    began = time.perf_counter()
    order_id = asyncio.run(one_that_ends(url))
    asyncio.run(history(url, order_id))
    asyncio.run(many_that_work(url))
    built = time.perf_counter() - began
    gc.collect()
    took, answered = min(asyncio.run(opened(url)) for _ in range(2))  # a machine may do other things, too
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{kind}: ready in {took:.2f} s, answered in {answered:.2f} s; built in {built:.0f} s, {memory:.0f} MB"
    )
    assert took < MOST_S
