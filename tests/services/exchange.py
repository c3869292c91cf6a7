"""The ccxt adapter against the fake exchange: the counterpart of the broker suite, and what other tests share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ordergate.adapters.brokers.ccxt import CcxtBroker, CcxtSettings
from ordergate.adapters.brokers.ccxt.known import KNOWN, ours
from ordergate.adapters.brokers.ccxt.library import Credentials, exchange_of
from ordergate.adapters.brokers.ccxt.settings import Wallet
from ordergate.adapters.clock import SystemClock
from ordergate.application.ports.secrets import fixed
from ordergate.testing.conformance.counterpart import Ability, Counterpart, Fault
from ordergate.testing.exchange import Exchange, diverted, serving
from ordergate.testing.exchange import Fault as ExchangeFault
from ordergate.testing.exchange.server import Served
from ordergate.testing.exchange.venue import ENDED

SPOT = CcxtSettings(symbols=("BTC/USDT",), deadline_ms=1_000, poll_ms=30_000)
PERP = replace(SPOT, market=Wallet.LINEAR, symbols=("BTC/USDT:USDT",))
KEY, SECRET = "K" * 64, "S" * 64
FAULTS = {
    Fault.DROP_ANSWERS: ExchangeFault.DROP,
    Fault.CUT_ANSWERS: ExchangeFault.CUT,
    Fault.GARBLED_ANSWERS: ExchangeFault.GARBLED,
    Fault.SERVER_ERRORS: ExchangeFault.SERVER,
    Fault.CLIENT_ERRORS: ExchangeFault.UNKNOWN_CODE,
    Fault.SLOW_ANSWERS: ExchangeFault.SLOW,
    Fault.REFUSE_ORDERS: ExchangeFault.POOR,
    Fault.REFUSE_LOGIN: ExchangeFault.STRANGER,
    Fault.RATE_LIMIT: ExchangeFault.LIMITED,
    Fault.DUPLICATE_REPORTS: ExchangeFault.TWICE,
    Fault.REORDER_REPORTS: ExchangeFault.REORDER,
    Fault.BREAK_STREAM: ExchangeFault.MUTE,
    Fault.INCOMPLETE_SNAPSHOT: ExchangeFault.HALF,
    Fault.FAIL_QUERIES: ExchangeFault.BLIND,
}
# Reports cannot be held back: an end is told after the executions that the exchange lists of the order.


def credentials(key: str = KEY, secret: str = SECRET) -> Credentials:
    return Credentials(fixed(key), fixed(secret))


def leading_to(url: str) -> Callable[[CcxtSettings, Credentials], Any]:
    """Makes the real ccxt, whose connections end at the fake; without pauses for an exchange's sake."""

    def make(settings: CcxtSettings, known: Credentials) -> Any:
        exchange = diverted(exchange_of(settings, known), url)
        exchange.enableRateLimit = False
        return exchange

    return make


def broker_at(
    served: Served,
    settings: CcxtSettings = SPOT,
    known: Credentials | None = None,
    kind: type[CcxtBroker] = CcxtBroker,
) -> CcxtBroker:
    return kind("exchange", settings, known or credentials(), SystemClock(), leading_to(served.url))


async def until(true: Callable[[], bool], what: str = "it", seconds: float = 5.0) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {seconds} s") from None


class ExchangeCounterpart(Counterpart):
    lot = Decimal("0.01")
    price = Decimal("50000")
    tick = Decimal("0.1")
    faults = frozenset({*FAULTS, Fault.CLOCK_SKEW})
    abilities = frozenset({Ability.FOREIGN_ORDERS, Ability.INSTRUMENT_CHANGES})

    def __init__(self, served: Served, settings: CcxtSettings, kind: type[CcxtBroker] = CcxtBroker) -> None:
        self.served, self.settings, self.kind = served, settings, kind
        self.perp = settings.market is Wallet.LINEAR
        self.symbol = settings.symbols[0]
        self.broker: CcxtBroker = broker_at(served, settings, kind=kind)
        finer, smaller, less = (
            ("0.05", "0.0105", "0.001") if self.perp else ("0.005", "0.010000001", "0.00005")
        )
        self.off_steps = {
            "a price off the tick": {"limit_price": self.price - 50 * self.tick + Decimal(finer)},
            "a quantity off the step": {"quantity": Decimal(smaller)},
            "a notional below the minimum": {"quantity": Decimal(less)},
        }

    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        self.served.exchange.set_market(bid, ask, size, perp=self.perp)

    async def settle(self) -> None:
        session = self.broker.session
        if session is None:
            return
        self.served.streams.let_go()
        row = KNOWN["binance"]
        mine = [
            o for o in self.served.exchange.orders if ours(o.client_id, row) and o.market.perp is self.perp
        ]
        trades = {f"{self.symbol}#{trade.id}" for order in mine for trade in order.trades}
        ends = {str(order.id) for order in mine if order.status in ENDED}
        telling = session.telling
        await until(lambda: self.served.streams.idle, "the stream's idleness")
        await until(lambda: trades <= telling.executions, f"one of {trades}")
        await until(lambda: ends <= {place.id for place in telling.ended}, f"one of the ends {ends}")
        following = session.following
        await until(lambda: following is None or following.idle, "idleness")

    async def reopen(self) -> None:
        await self.broker.close()
        self.broker = broker_at(self.served, self.settings, kind=self.kind)

    def inject(self, *faults: Fault) -> None:
        given = self.served.exchange.faults
        if ExchangeFault.MUTE in given and Fault.BREAK_STREAM not in faults:
            self.served.streams.drop()
        given.inject(*(FAULTS[fault] for fault in faults if fault in FAULTS))
        given.slow_s, given.skew_ms = 1.5, 60_000 if Fault.CLOCK_SKEW in faults else 0

    async def place_foreign(self) -> Callable[[], Awaitable[bool]]:
        exchange = self.served.exchange
        terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "40000"}
        order = exchange.place(
            exchange.key, self.perp, {**terms, "quantity": "0.01", "newClientOrderId": "web_1"}
        )

        async def works() -> bool:
            return order.status not in ENDED

        return works

    async def change_steps(self) -> Decimal:
        market = self.served.exchange.market("BTCUSDT", self.perp)
        market.tick = Decimal("0.5")
        return market.tick


@asynccontextmanager
async def counterpart(
    settings: CcxtSettings, kind: type[CcxtBroker] = CcxtBroker
) -> AsyncIterator[ExchangeCounterpart]:
    async with serving(Exchange()) as served:
        found = ExchangeCounterpart(served, settings, kind)
        try:
            yield found
        finally:
            await found.broker.close()
