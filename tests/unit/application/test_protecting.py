"""Protective stops on several nodes, and where the store fails: one for each fill, sent by whoever has the session."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.ports.brokers import Answer, Lookup, Presence, Send
from ordergate.application.view import SignalRouting
from ordergate.bootstrap import Gate
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Acknowledged, Outcome
from ordergate.domain.orders.states import OrderType, Protection, State
from ordergate.domain.signals import Signal, SubmitSignal
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.gates import CONFIG, scripted_gate
from tests.unit.application.nodes import fill, same, two

PROVING = replace(CAPABILITIES, proves_absence=True, grace_s=0)


async def entry(gate: Gate) -> Order:
    """A signal to buy 100 at the market, with a stop at 95, that is sent."""
    gate.runner.engine.view.signals = SignalRouting(fund="paper-momentum", protect=Protection.STOP)
    wanted = Signal(signal_id="s1", symbol="AAPL", action="buy", quantity=Decimal(100), stop_loss=Decimal(95))
    made: Order = (await gate.execute(SubmitSignal(wanted))).order
    await asyncio.sleep(0.5)
    return made


def sent(*brokers: ScriptedBroker) -> list[int]:
    """How many stops have left for each."""
    return [
        sum(isinstance(call, Send) and call.order_type is OrderType.STOP for call in broker.calls)
        for broker in brokers
    ]


async def stops(gate: Gate) -> list[Order]:
    return [order for order in await gate.queries.orders() if order.parent_order_id is not None]


@pytest.mark.parametrize("told", ["owner", "other"])
def test_whichever_node_hears_of_the_fill_the_owner_of_the_session_sends_its_stop_once(told: str) -> None:
    async def main() -> None:
        async with two() as (one, first, other, second, store):
            made = await entry(second)
            node = first if told == "owner" else second
            await node.runner.deliver(fill(made, 60, "x-1"))
            await (second if told == "owner" else first).runner.deliver(fill(made, 60, "x-1"))
            await asyncio.sleep(0.5)
            assert sent(one.broker, other.broker) == [1, 0]
            assert [(stop.quantity, stop.state) for stop in await stops(second)] == [(60, State.SUBMITTED)]
            await same(store, first, second)

    run_virtual(main())


@pytest.mark.parametrize("arrived", [True, False])
def test_a_successor_settles_the_stop_of_a_dead_node_and_makes_no_other(arrived: bool) -> None:
    async def main() -> None:
        async with two(PROVING) as (one, first, other, second, _store):
            made = await entry(first)
            one.broker.answers.append(Answer(outcome=Outcome.UNKNOWN))
            await first.runner.deliver(fill(made, 60, "x-1"))
            await one.die()
            (stop,) = await stops(second)
            name = f"{stop.order_id}.1"
            found = Lookup(
                presence=Presence.FOUND,
                reports=(Acknowledged(broker="paper", client_id=name, broker_order_id="B7"),),
            )
            other.broker.lookups.append(found if arrived else Lookup(presence=Presence.ABSENT))
            while "paper" not in second.runner.engine.view.sessions:
                await asyncio.sleep(0.05)
            await asyncio.sleep(2)
            assert other.broker.looked_up[0] == name
            assert [call.client_id for call in other.broker.calls] == ([] if arrived else [name])
            await second.runner.deliver(fill(made, 60, "x-1"))
            assert [one.order_id for one in await stops(second)] == [stop.order_id]

    run_virtual(main())


def test_where_the_store_fails_neither_the_fill_nor_its_stop_is_there_and_then_both() -> None:
    class Failing(MemoryJournal):
        fails = 0

        async def commit(self, batch):
            if self.fails:
                self.fails -= 1
                raise StoreError("the disk is full")
            await super().commit(batch)

    async def main() -> None:
        broker, journal = ScriptedBroker(), Failing()
        async with scripted_gate(broker, journal) as gate:
            made = await entry(gate)
            journal.fails = 2
            gate.runner.report(fill(made, 60, "x-1"))
            await asyncio.sleep(0.2)
            assert (await journal.select("fills"), await stops(gate), sent(broker)) == ([], [], [0])
            await asyncio.sleep(5)
            assert (len(await journal.select("fills")), len(await stops(gate)), sent(broker)) == (1, 1, [1])

    run_virtual(main())


def test_the_default_asks_for_none() -> None:
    assert CONFIG.signal_routing().protect is Protection.NONE
