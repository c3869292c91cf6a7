"""A market that is gone, for good or from one answer: the others of the account are followed as before."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

pytest.importorskip("ccxt")

from ordergate.adapters.brokers.ccxt import following
from ordergate.adapters.clock import SystemClock
from ordergate.domain.orders.reports import Outcome
from ordergate.testing.exchange import Exchange, Fault, serving
from tests.integration.test_ccxt_faults import Desk, order
from tests.services.exchange import SPOT, until

BOTH = replace(SPOT, symbols=("BTC/USDT", "ETH/USDT"), poll_ms=100)
ETH = ("ETHUSDT", False)
FILL = Decimal("0.01")


def followed(desk: Desk, *symbols: str) -> bool:
    session = desk.broker.session
    return (
        session is not None
        and session.there.is_set()
        and session.link.there(desk.settings.symbols) == symbols
    )


def test_a_market_that_is_gone_silences_no_other_and_is_caught_up_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "_MARKETS_S", 0.2)
    monkeypatch.setattr(following, "_MISSING_S", 0.2)
    monkeypatch.setattr(following, "_OVERLAP_MS", 0)

    async def main() -> None:
        exchange = Exchange()
        market = exchange.markets[ETH] = replace(
            exchange.markets["BTCUSDT", False], symbol="ETHUSDT", base="ETH"
        )
        async with serving(exchange) as served:
            desk = Desk(served, BOTH)
            await desk.broker.connect(desk.sink, None)
            exchange.set_market(Decimal(50_000), Decimal(50_001), Decimal(10), symbol="ETHUSDT")
            for client_id, symbol in (("ord-1.1", "BTC/USDT"), ("ord-2.1", "ETH/USDT")):
                assert (await desk.broker.submit(order(client_id, "49000", symbol))).outcome is (
                    Outcome.ACCEPTED
                )
            del exchange.markets[ETH]
            await until(lambda: not followed(desk, *BOTH.symbols), "the loss of it", 30)
            desk.market("48990", "48990.1")
            await until(lambda: desk.sink.filled == FILL, "the fill of the other", 30)
            await until(lambda: followed(desk, "BTC/USDT"), "a session without it", 30)
            assert (await desk.broker.submit(order("ord-3.1", "1", "ETH/USDT"))).outcome is Outcome.REJECTED
            assert not (await desk.broker.open_orders()).complete
            assert not (await desk.broker.statement(SystemClock().now())).complete
            exchange.faults.inject(Fault.MUTE)
            exchange.markets[ETH] = market
            exchange.set_market(Decimal(48_990), Decimal(48_991), Decimal(10), symbol="ETHUSDT")
            del exchange.markets[ETH]
            await asyncio.sleep(0.3)  # looks at the other go by
            assert desk.sink.filled == FILL
            exchange.faults.inject()
            exchange.markets[ETH] = market
            await until(lambda: desk.sink.filled == 2 * FILL, "the fill while it was away", 30)
            await until(lambda: followed(desk, *BOTH.symbols), "a session with both", 30)
            assert (await desk.broker.open_orders()).complete
            await desk.broker.close()

    asyncio.run(main())
