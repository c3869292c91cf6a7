"""Parents in a running gate, in simulated time: the workers fire the timers, and a restart goes on."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, FundSection
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder, SubmitOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType, Side, State
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.limits import Level
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.unit.application.gates import START
from tests.unit.application.guards import guarded

D = Decimal
FUND = FundSection(unlimited=True, split_above=D(10_000), horizon_minutes=10)
CONFIG = Config(funds={"paper-momentum": FUND})
MINUTE = 60.0


def large(quantity: int = 1000) -> SubmitOrder:
    return SubmitOrder(
        fund_id="paper-momentum",
        symbol="AAPL",
        side=Side.BUY,
        quantity=D(quantity),
        order_type=OrderType.MARKET,
        key_kind="idempotency_key",
        key="large",
        strategy_id="trend",
    )


async def quoted(gate: Gate, *, pinned: bool = True) -> None:
    await gate.set_quote("paper", Quote("AAPL", gate.clock.now(), D(100), D(100), pinned=pinned))


async def later(gate: Gate, minutes: float) -> None:
    await gate.clock.sleep(minutes * MINUTE)
    await gate.quiet()


async def family(gate: Gate, order_id: str) -> tuple[Order, list[Order]]:
    parent = await gate.queries.order(order_id)
    return parent, await gate.queries.orders(parent_order_id=order_id)


def test_it_is_worked_over_its_horizon_and_filled_whole() -> None:
    async def main() -> None:
        async with open_gate(CONFIG, "sqlite://", clock=VirtualClock(START)) as gate:
            await quoted(gate)
            order = (await gate.execute(large())).order
            assert order.state is State.ACCEPTED
            await later(gate, 0.1)
            parent, children = await family(gate, order.order_id)
            assert (parent.state, parent.filled_quantity, len(children)) == (State.PARTIALLY_FILLED, 100, 1)
            await later(gate, 5)
            parent, children = await family(gate, order.order_id)
            assert (parent.filled_quantity, len(children)) == (600, 6)
            await later(gate, 5)
            parent, children = await family(gate, order.order_id)
            assert (parent.state, parent.filled_quantity, len(children)) == (State.CLOSED, 1000, 10)
            pauses = [b.created_at - a.created_at for a, b in pairwise(children)]
            assert all(abs(pause - timedelta(minutes=1)) < timedelta(seconds=1) for pause in pauses)

    run_virtual(main())


@pytest.mark.parametrize("way", ["cancel", "halt"])
def test_a_cancel_and_a_halt_end_it(way: str) -> None:
    async def main() -> None:
        async with open_gate(CONFIG, "sqlite://", clock=VirtualClock(START)) as gate:
            await quoted(gate)
            order = (await gate.execute(large())).order
            await later(gate, 2.5)
            if way == "cancel":
                await gate.execute(CancelOrder(order_id=order.order_id))
            else:
                await gate.execute(ThrowSwitch(level=Level.FIRM, name="", reason="drill"))
            await later(gate, 10)
            parent, children = await family(gate, order.order_id)
            assert (parent.state, parent.filled_quantity, len(children)) == (State.CANCELED, 300, 3)

    run_virtual(main())


def test_a_market_that_is_quoted_no_more_is_waited_for_and_then_given_up() -> None:
    async def main() -> None:
        async with open_gate(CONFIG, "sqlite://", clock=VirtualClock(START)) as gate:
            await quoted(gate, pinned=False)
            order = (await gate.execute(large())).order
            await later(gate, 3.5)
            parent, children = await family(gate, order.order_id)
            assert (parent.state, len(children)) == (State.PARTIALLY_FILLED, parent.filled_quantity / 100)
            assert len(children) < 3  # its quote is a minute old then
            before = gate.runner.engine.size
            await later(gate, 2)
            assert gate.runner.engine.size == before, "waiting is not journalled"
            await later(gate, 20)
            parent, _children = await family(gate, order.order_id)
            assert (parent.state, parent.reason_code) == (State.CANCELED, "NOT_COMPLETED")

    run_virtual(main())


def test_a_restart_goes_on_with_the_next_slice() -> None:
    journal, broker = MemoryJournal(), ScriptedBroker()

    async def first() -> str:
        async with guarded(CONFIG, broker, journal) as gate:
            gate.runner.engine.take_quote(Quote("AAPL", gate.clock.now(), D(100), D(100), pinned=True))
            order = (await gate.execute(large())).order
            await later(gate, 2.5)
            return order.order_id

    async def second(order_id: str) -> list[int | None]:
        async with guarded(CONFIG, broker, journal, START + timedelta(minutes=3.2)) as gate:
            gate.runner.engine.take_quote(Quote("AAPL", gate.clock.now(), D(100), D(100), pinned=True))
            await gate.clock.sleep(1)
            _parent, children = await family(gate, order_id)
            return [child.slice for child in children]

    order_id = run_virtual(first())
    assert run_virtual(second(order_id)) == [1, 2, 3, 4]
