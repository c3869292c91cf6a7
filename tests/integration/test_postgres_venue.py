"""Two nodes on one PostgreSQL and their paper venue: a market set at either, and the venue after its owner."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce


@pytest.fixture(autouse=True)
def _state_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def quote(bid: str, ask: str) -> Quote:
    return Quote("AAPL", datetime.now(UTC), Decimal(bid), Decimal(ask), pinned=True)


async def buy(gate: Gate, key: str) -> str:
    result = await gate.execute(
        SubmitOrder(
            key_kind="idempotency_key",
            key=key,
            fund_id="paper-momentum",
            symbol="AAPL",
            side=Side.BUY,
            quantity=Decimal(10),
            order_type=OrderType.LIMIT,
            limit_price=Decimal("180.50"),
            tif=TimeInForce.GTC,
        )
    )
    return result.order.order_id


async def closed(gate: Gate, order_id: str) -> None:
    async with asyncio.timeout(30):
        while (await gate.queries.order(order_id)).state is not State.CLOSED:
            await asyncio.sleep(0.02)


def test_a_market_set_at_either_node(ready):
    async def main() -> None:
        async with open_gate(Config(), ready) as first, open_gate(Config(), ready) as second:
            order = await buy(second, "one")
            await second.put_quote("paper", quote("180.40", "180.60"))
            for gate in (first, second):
                seen = gate.runner.engine.view.quotes["AAPL"]
                assert (seen.bid, seen.ask, seen.pinned) == (Decimal("180.40"), Decimal("180.60"), True)
            await second.put_quote("paper", quote("180.40", "180.50"))
            await closed(second, order)
            await first.put_quote("paper", quote("180.30", "180.45"))
            async with asyncio.timeout(30):
                while second.runner.engine.view.quotes["AAPL"].ask != Decimal("180.45"):
                    await asyncio.sleep(0.02)
            await closed(first, await buy(first, "two"))

    asyncio.run(main())


def test_the_other_node_has_the_venue_when_its_owner_is_gone(ready):
    async def main() -> None:
        async with AsyncExitStack() as owners:
            owner = await owners.enter_async_context(open_gate(Config(), ready))
            async with open_gate(Config(), ready) as heir:
                await owner.put_quote("paper", quote("180.40", "180.50"))
                await closed(heir, await buy(owner, "one"))
                await owners.aclose()
                await closed(heir, await buy(heir, "two"))
                assert heir.runner.engine.view.quotes["AAPL"].ask == Decimal("180.50"), "the market stands"

    asyncio.run(main())
