"""A journal with many orders that work and a long history: `python -m tests.journals.many URL`."""

import asyncio
import os
import sys
from decimal import Decimal
from typing import Any

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.journals.location import place_beside
from ordergate.adapters.journals.stores import open_journal
from ordergate.adapters.secrets.audit_key import find_key
from ordergate.bootstrap import open_gate
from ordergate.config import Config
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State
from tests.journals.history import multiply
from tests.services.funds import RICH

WORKING = int(os.environ.get("ORDERGATE_TEST_WORKING", "100000"))
ENDED = int(os.environ.get("ORDERGATE_TEST_ENDED", "1000000"))
CALLERS = 400
CONFIG = Config(limits=RICH)


def order(key: str, **changes: Any) -> SubmitOrder:
    """One that rests at the venue, or with another price ends."""
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


async def build(url: str) -> None:
    """WORKING orders that went through the gate, behind ENDED copies of one that has ended."""
    order_id = await _one_that_ends(url)
    await _history(url, order_id)
    await _many_that_work(url)


async def _one_that_ends(url: str) -> str:
    async with open_gate(CONFIG, url) as gate:
        quote = Quote("EURUSD", SystemClock().now(), Decimal("1.08470"), Decimal("1.08475"), pinned=True)
        await gate.set_quote("paper", quote)
        made = (await gate.execute(order("first", limit_price=Decimal("1.09")))).order
        await gate.quiet()
        assert (await gate.queries.order(made.order_id)).state is State.CLOSED
        return made.order_id


async def _history(url: str, order_id: str) -> None:
    journal = await open_journal(url)
    try:
        signer = find_key(CONFIG.audit.origin, None, place_beside(url)).signer
        await multiply(journal, signer, order_id, ENDED, lambda _done: None)
    finally:
        await journal.close()


async def _many_that_work(url: str) -> None:
    async with open_gate(CONFIG, url) as gate:
        numbers = iter(range(WORKING))

        async def submit() -> None:
            for number in numbers:
                await gate.execute(order(f"key-{number}", limit_price=Decimal("1.05")))

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(submit())
        await gate.quiet()
        while any(row.state is not State.SUBMITTED for row in gate.runner.engine.state.orders.rows.values()):
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(build(sys.argv[1]))
