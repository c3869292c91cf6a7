"""An account with several symbols: none waits for the others."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

pytest.importorskip("ccxt")

from ordergate.application.ports.brokers import Presence
from ordergate.domain.orders.reports import Outcome
from ordergate.testing.exchange import Exchange, serving
from tests.integration.test_ccxt_faults import Desk, order
from tests.services.exchange import SPOT, until

MANY = replace(SPOT, symbols=("BTC/USDT", "ETH/USDT", "XRP/USDT"))


def exchange_of_many() -> Exchange:
    exchange = Exchange()
    for base in ("ETH", "XRP"):
        name = f"{base}USDT"
        exchange.markets[name, False] = replace(exchange.markets["BTCUSDT", False], symbol=name, base=base)
    return exchange


def test_what_the_stream_tells_does_not_wait_for_a_look_at_all_symbols() -> None:
    async def main() -> None:
        async with serving(exchange_of_many()) as served:
            desk = Desk(served, MANY)
            await desk.broker.connect(desk.sink, None)
            session = desk.broker.session
            assert session is not None
            assert session.following is not None
            following, working = session.following, session.link.working

            async def slow(symbol: str) -> Any:
                if symbol == "ETH/USDT":  # the look has left BTC/USDT behind
                    await desk.broker.submit(order("ord-1.1"))
                    await until(lambda: bool(following._trades), "the stream's trade", 30)
                if symbol == "XRP/USDT":
                    await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill", 30)
                return await working(symbol)

            session.link.working = slow  # type: ignore[method-assign]
            await following.look(deep=False)
            assert desk.sink.filled == Decimal("0.01")
            await desk.broker.close()

    asyncio.run(main())


def test_an_order_is_looked_for_in_its_own_symbol_alone() -> None:
    async def main() -> None:
        exchange = exchange_of_many()
        async with serving(exchange) as served:
            desk = Desk(served, MANY)
            await desk.broker.connect(desk.sink, None)
            exchange.set_market(Decimal(2000), Decimal(2001), Decimal(10), symbol="XRPUSDT")
            sent = await desk.broker.submit(order("ord-1.1", "1999", "XRP/USDT"))
            assert sent.outcome is Outcome.ACCEPTED
            await desk.restart()
            exchange.requests.clear()
            found = await desk.broker.lookup_in("XRP/USDT", "ord-1.1")
            assert {report.broker_order_id for report in found.reports} == {"XRP/USDT#1001"}
            absent = await desk.broker.lookup_in("XRP/USDT", "ord-2.1")
            assert absent.presence is Presence.UNPROVEN
            assert {given["symbol"] for _method, _path, given in exchange.requests if "symbol" in given} == {
                "XRPUSDT"
            }
            await desk.broker.close()

    asyncio.run(main())
