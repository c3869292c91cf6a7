"""Gates on a loop of their own, as faces that wait need them, and a clock that hastens."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from ordergate.bootstrap import MEMORY, Gate, open_gate
from ordergate.config import Config
from ordergate.domain.market import Quote
from ordergate.domain.money import exact
from ordergate.sdk.venues import Order, OrderOperation

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""The moment that strategies name."""


class HastyClock:
    """A hundred times as fast as it should be; says how long it was asked to sleep."""

    PACE = 100

    def __init__(self) -> None:
        self._began, self._start = time.monotonic(), datetime.now(UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self.PACE)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds / self.PACE)


@contextmanager
def running(
    config: Config | None = None, clock: HastyClock | None = None, url: str = MEMORY
) -> Iterator[Gate]:
    """A gate on a loop in a thread of its own."""
    opened: Future[Gate] = Future()
    ended: Future[asyncio.Event] = Future()

    async def serve() -> None:
        over = asyncio.Event()
        ended.set_result(over)
        async with open_gate(config or Config(), url, clock=clock) as gate:
            opened.set_result(gate)
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    gate = opened.result(20)
    try:
        yield gate
    finally:
        gate.loop.call_soon_threadsafe(ended.result(1).set)
        thread.join(20)


def on_loop(gate: Gate, work):
    """What a coroutine gives on the gate's loop."""
    return asyncio.run_coroutine_threadsafe(work, gate.loop).result(20)


def quote(gate: Gate, symbol: str, bid: float, ask: float, broker: str = "paper") -> None:
    """Sets a market by hand."""
    on_loop(gate, gate.set_quote(broker, Quote(symbol, gate.clock.now(), exact(bid, ""), exact(ask, ""))))


def spot(**changes) -> Order:
    """Half a bitcoin, at Binance."""
    given = {
        "venue": "binance", "operation": OrderOperation.SPOT_TRADE, "pair": "BTC/USDT", "side": "BUY", "amount": 0.5,
    }  # fmt: skip
    return Order(**(given | changes))
