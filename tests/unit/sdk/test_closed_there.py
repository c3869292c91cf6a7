"""What a broker has closed at an order's levels is closed: `close_order` opens nothing on the other side."""

import asyncio
from decimal import Decimal

import pytest

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, FundSection
from ordergate.domain.market import Quote
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import OrderType, Side
from ordergate.sdk import trading as t
from ordergate.sdk.line import Line
from ordergate.sdk.paper import PaperMarket
from ordergate.sdk.trading import orders as sdk_orders
from tests.unit.application.gates import START, buy


def entered() -> str:
    asyncio.run(PaperMarket().set_quote("EURUSD", 1.0850, 1.0852))
    order = t.OrderModel(symbol="EURUSD", direction="BUY", volume=1, client_id="e-1", stop_loss=1.08)
    made = t.GateBroker().place_order(order)
    assert made.success
    return made.order_id or ""


def closes(order_id: str, quantity: str) -> None:
    """The broker's stop loss closes so much."""

    async def tell(gate: Gate) -> None:
        said = Executed(
            broker="paper", broker_order_id="T7", closes=f"{order_id}.1", exec_id="d1", time=gate.clock.now(),
            quantity=Decimal(quantity), price=Decimal("1.08"), side=Side.SELL, order_type=OrderType.STOP,
            completes=True,
        )  # fmt: skip
        await gate.runner.deliver(said)

    Line(None).wait(tell, 20)


def orders() -> list[Order]:
    return Line(None).wait(lambda gate: gate.queries.orders(), 20)


@pytest.mark.parametrize(("quantity", "state", "left"), [
    ("1", t.OrderState.CLOSED, []), ("0.4", t.OrderState.CLOSED, [Decimal("0.6")]),
])  # fmt: skip
def test_only_what_is_left_is_closed(quantity: str, state: t.OrderState, left: list[Decimal]) -> None:
    order_id, broker = entered(), t.GateBroker()
    closes(order_id, quantity)
    assert broker.get_order_status(order_id).state is state
    assert broker.close_order(order_id)
    assert broker.close_order(order_id)
    assert [order.quantity for order in orders()[2:]] == left
    assert broker.get_order_status(order_id).state is t.OrderState.CLOSED
    held = Line(None).wait(lambda gate: gate.journal.select("positions"), 20)
    assert [position.quantity for position in held if position.quantity] == []


def test_what_closed_the_slices_of_an_order_has_closed_it() -> None:
    """A broker knows slices alone, so what it closes names one of them."""
    fund = FundSection(unlimited=True, split_above=Decimal(10_000), horizon_minutes=10)

    async def main() -> None:
        config = Config(funds={"paper-momentum": fund})
        async with open_gate(config, "sqlite://", clock=VirtualClock(START)) as gate:
            quote = Quote("AAPL", gate.clock.now(), Decimal(100), Decimal(100), pinned=True)
            await gate.set_quote("paper", quote)
            large = (await gate.execute(buy(quantity=Decimal(1000)))).order
            await gate.clock.sleep(900)
            await gate.quiet()
            slices = await gate.queries.orders(parent_order_id=large.order_id)
            for number, one in enumerate(slices[:-1]):
                said = Executed(
                    broker="paper", broker_order_id=f"T{number}", closes=f"{one.order_id}.1", exec_id="d1",
                    time=gate.clock.now(), quantity=one.filled_quantity, price=Decimal(99), side=Side.SELL,
                    completes=True,
                )  # fmt: skip
                await gate.runner.deliver(said)
            left = slices[-1].filled_quantity
            assert 0 < left < 1000
            assert await sdk_orders.close(gate, large.order_id, 5)
            await gate.quiet()
            (held,) = await gate.journal.select("positions")
            assert held.quantity == 0

    run_virtual(main())
