"""A conversation with the MetaTrader 5 adapter on the simulated terminal, in simulated time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ordergate.adapters.brokers.mt5 import Mt5Broker
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Answer, Lookup, Presence, Send, Withdraw
from ordergate.domain.orders.reports import AnyReport, Ended, Executed, Outcome
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.testing.conformance.counterpart import Recorder
from tests.services.mt5 import EXCHANGE, NETTING, Machine, broker_at, told

MARKET = Send(
    client_id="one.1",
    symbol="EURUSD",
    side=Side.BUY,
    quantity=Decimal("0.1"),
    order_type=OrderType.MARKET,
    tif=TimeInForce.GTC,
)


def order(client_id: str, side: Side = Side.BUY, quantity: str = "0.1", **terms: Any) -> Send:
    """A market order, unless it is said otherwise."""
    return replace(MARKET, client_id=client_id, side=side, quantity=Decimal(quantity), **terms)


def resting(client_id: str, price: str = "1.09", **terms: Any) -> Send:
    """A limit order below the market."""
    return order(client_id, order_type=OrderType.LIMIT, limit_price=Decimal(price), **terms)


class Desk:
    """The adapter, connected, and what it told."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.sink = machine, Recorder()
        self.broker: Mt5Broker = broker_at(machine)

    async def connect(self, cursor: str | None = None) -> None:
        """A new process."""
        await self.broker.close()
        self.broker, self.sink = broker_at(self.machine), Recorder()
        await self.broker.connect(self.sink, cursor)

    async def submit(self, send: Send) -> Answer:
        """And all that comes of it was told."""
        answer = await self.broker.submit(send)
        await told(self.machine, self.broker)
        return answer

    async def accepted(self, send: Send) -> Answer:
        answer = await self.submit(send)
        assert answer.outcome is Outcome.ACCEPTED, answer
        return answer

    async def cancel(self, client_id: str, of: str) -> Answer:
        answer = await self.broker.cancel(Withdraw(client_id=client_id, order=of, broker_order_id=None))
        await told(self.machine, self.broker)
        return answer

    async def found(self, client_id: str) -> tuple[AnyReport, ...]:
        lookup = await self.broker.lookup(client_id)
        assert lookup.presence is Presence.FOUND, lookup
        return lookup.reports

    async def decided(self, client_id: str) -> Lookup:
        """What a lookup says once it says something."""
        while True:
            lookup = await self.broker.lookup(client_id)
            if lookup.presence is not Presence.UNAVAILABLE:
                return lookup
            await self.pass_time(1)

    async def pass_time(self, seconds: float) -> None:
        """With prices that come, and looks at them."""
        self.price()
        await self.machine.clock.sleep(seconds)
        self.price()

    def price(self, bid: str = "1.1", ask: str = "1.10002") -> None:
        """A price, as much as anybody wants."""
        self.machine.quote(bid, ask)

    async def told(self) -> None:
        await told(self.machine, self.broker)

    def fills(self, client_id: str | None) -> list[tuple[str, str]]:
        """Quantity and price of what was told of an order, each execution once."""
        mine = [said for said in self.sink.executions.values() if said.client_id == client_id]
        return [(str(said.quantity), str(said.price)) for said in mine]

    def executed(self) -> list[Executed]:
        return list(self.sink.executions.values())

    def ends(self) -> list[tuple[str | None, str]]:
        """The ends that were told."""
        return [(said.client_id, str(said.end)) for said in self.sink.reports if isinstance(said, Ended)]

    @property
    def sent(self) -> list[dict[str, Any]]:
        """What reached the server."""
        return self.machine.state.sent


@asynccontextmanager
async def desk(mode: int = NETTING, execution: int = EXCHANGE, **symbol: Any) -> AsyncIterator[Desk]:
    machine = Machine(mode, execution)
    if symbol:
        machine.steering.symbol("EURUSD.r", **symbol)
    made = Desk(machine)
    made.price()
    await made.connect()
    await machine.clock.sleep(0.2)
    made.price()
    await machine.clock.sleep(0.2)
    try:
        yield made
    finally:
        await made.broker.close()


def play(
    scene: Callable[[Desk], Awaitable[None]], mode: int = NETTING, execution: int = EXCHANGE, **symbol: Any
) -> None:
    """Plays a scene at a desk of its own."""

    async def main() -> None:
        async with desk(mode, execution, **symbol) as made:
            await scene(made)

    run_virtual(main())
