"""What is sent, in which order, and what must never be."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.application import dispatch
from ordergate.application.dispatch import Dispatcher, send_of
from ordergate.application.ownership import Tenure
from ordergate.application.ports.brokers import Answer, Change, Lookup, Presence, Send, Withdraw
from ordergate.application.ports.leases import FOREVER, Lease
from ordergate.bootstrap import Gate
from ordergate.domain.errors import Defect
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import OrderType, Phase, State, TimeInForce
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.limits import Level
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.gates import buy, scripted_gate


class SlowBroker(ScriptedBroker):
    """Answers after ten seconds, and counts how many calls are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = 0
        self.most = 0

    async def submit(self, send: Send) -> Answer:
        return await self._slow(send)

    async def cancel(self, withdraw: Withdraw) -> Answer:
        return await self._slow(withdraw)

    async def replace(self, change: Change) -> Answer:
        return await self._slow(change)

    async def _slow(self, call) -> Answer:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(10)
        self.under_way -= 1
        return self._reply(call)


def test_requests_of_one_order_go_one_after_the_other() -> None:
    broker = SlowBroker()

    async def main() -> None:
        async with scripted_gate(broker) as gate:
            await gate.execute(buy(order_type=OrderType.LIMIT, limit_price=Decimal(180)))
            await gate.execute(ReplaceOrder(order_id="ord-000001", quantity=Decimal(150)))
            await gate.execute(CancelOrder(order_id="ord-000001"))
            await gate.clock.sleep(100)

    run_virtual(main())
    assert [type(call) for call in broker.calls] == [Send, Change, Withdraw]
    assert [call.client_id for call in broker.calls] == ["ord-000001.1", "ord-000001.2", "ord-000001.3"]
    assert broker.most == 1


def test_calls_of_different_orders_go_side_by_side_up_to_what_the_broker_takes() -> None:
    broker = SlowBroker()

    async def main() -> None:
        async with scripted_gate(broker) as gate:
            await asyncio.gather(*(gate.execute(buy(f"key-{n}")) for n in range(11)))
            await gate.clock.sleep(100)

    run_virtual(main())
    assert (len(broker.calls), broker.most) == (11, CAPABILITIES.calls)


def test_what_comes_while_a_worker_ends_is_called_too() -> None:
    """Between the last look of a worker and its end something else may be committed."""
    broker, held = ScriptedBroker(capabilities=replace(CAPABILITIES, calls=1)), []

    async def main() -> None:
        async with scripted_gate(broker) as gate:
            dispatcher = gate.sessions[0]._dispatcher
            gate.runner.unlisten(dispatcher._committed)
            gate.runner.listen(held.extend)
            for key in ("key-1", "key-2"):
                await gate.execute(buy(key))
            first, second = (entry for entry in held if entry.order_id is not None)
            reply = broker._reply

            def last(call) -> Answer:
                asyncio.get_running_loop().call_soon(dispatcher._committed, [second])
                broker._reply = reply
                return reply(call)

            broker._reply = last
            dispatcher._committed([first])
            await gate.clock.sleep(100)
            assert not dispatcher.busy

    run_virtual(main())
    assert [call.client_id for call in broker.calls] == ["ord-000001.1", "ord-000002.1"]


def test_no_answer_in_time_is_unknown(monkeypatch) -> None:
    broker = SlowBroker()
    broker.lookups.append(Lookup(presence=Presence.UNAVAILABLE))
    monkeypatch.setattr(dispatch, "DEADLINE_S", 5.0)

    async def main() -> Order:
        async with scripted_gate(broker) as gate:
            await gate.execute(buy())
            await gate.clock.sleep(6)
            return await gate.queries.order("ord-000001")

    order = run_virtual(main())
    assert (order.state, order.requests[0].phase) == (State.SUBMITTED, Phase.UNKNOWN)
    assert broker.looked_up == ["ord-000001.1"]


def test_without_a_session_nothing_is_sent_and_the_order_waits() -> None:
    broker = ScriptedBroker()

    async def main() -> Order:
        async with scripted_gate(broker) as gate:
            gate.runner.engine.view.sessions.clear()
            order = (await gate.execute(buy())).order
            await gate.clock.sleep(60)
            return order

    order = run_virtual(main())
    assert (order.state, order.requests[0].phase) == (State.ACCEPTED, Phase.READY)
    assert broker.calls == []


def test_an_order_that_waited_is_sent_by_the_next_session() -> None:
    from ordergate.adapters.journals.memory import MemoryJournal

    journal, first, second = MemoryJournal(), ScriptedBroker(), ScriptedBroker()

    async def main() -> Order:
        async with scripted_gate(first, journal) as gate:
            gate.runner.engine.view.sessions.clear()
            await gate.execute(buy())
        async with scripted_gate(second, journal) as gate:
            await gate.clock.sleep(1)
            return await gate.queries.order("ord-000001")

    order = run_virtual(main())
    assert order.acknowledged_at is not None
    assert [call.client_id for call in second.calls] == ["ord-000001.1"]


def test_a_waiting_order_is_canceled_without_the_broker() -> None:
    broker = ScriptedBroker()

    async def main() -> Order:
        async with scripted_gate(broker) as gate:
            gate.runner.engine.view.sessions.clear()
            await gate.execute(buy())
            return (await gate.execute(CancelOrder(order_id="ord-000001"))).order

    assert run_virtual(main()).state is State.CANCELED
    assert broker.calls == []


def test_a_dispatcher_of_an_older_epoch_sends_nothing() -> None:
    broker = ScriptedBroker()

    async def main() -> None:
        async with scripted_gate(broker) as gate:
            gate.runner.engine.view.sessions["paper"] = 7
            await gate.execute(buy())
            await gate.quiet()

    run_virtual(main())
    assert broker.calls == []


def test_two_dispatchers_on_one_runner_send_once() -> None:
    broker, other = ScriptedBroker(), ScriptedBroker()

    async def main() -> None:
        async with scripted_gate(broker) as gate:
            Dispatcher(
                other,
                gate.runner,
                99,
                Tenure(Lease(name="broker:paper", epoch=1, until=FOREVER)),
                gate.health.of["paper"],
                gate.clock,
            )
            await gate.execute(buy())
            await gate.quiet()

    run_virtual(main())
    assert (len(broker.calls), len(other.calls)) == (1, 0)


def test_more_than_was_approved_never_leaves() -> None:
    async def main() -> Order:
        async with scripted_gate(ScriptedBroker()) as gate:
            return (await gate.execute(buy())).order

    order = run_virtual(main())
    request = order.requests[0]
    assert send_of(order, request).quantity == 100
    for wrong in (
        replace(order, filled_quantity=Decimal(1)),
        replace(order, state=State.CANCELED),
        replace(order, state=State.PARTIALLY_FILLED),
    ):
        with pytest.raises(Defect):
            send_of(wrong, request)


def test_a_gate_that_closes_waits_for_calls_under_way() -> None:
    broker = ScriptedBroker()
    taken = []

    async def submit(send: Send) -> Answer:
        await asyncio.sleep(dispatch.DRAIN_S / 2)
        taken.append(send)
        return Answer(outcome=Outcome.ACCEPTED)

    broker.submit = submit

    async def main() -> Gate:
        async with scripted_gate(broker) as gate:
            await gate.execute(buy())
            await asyncio.sleep(0.1)
        return gate

    gate = run_virtual(main())
    assert len(taken) == 1
    assert gate.runner.engine.state.orders.rows["ord-000001"].requests == ()


ONE_A_SECOND = replace(CAPABILITIES, max_calls_per_s=1)


def test_what_waits_for_its_turn_never_leaves_once_a_halt_is_committed() -> None:
    broker = ScriptedBroker(capabilities=ONE_A_SECOND)

    async def main() -> list[Order]:
        async with scripted_gate(broker) as gate:
            for number in range(4):
                await gate.execute(buy(f"key-{number}"))
            await gate.clock.sleep(0.5)
            await gate.execute(ThrowSwitch(level=Level.FIRM, name="", reason="stop"))
            await gate.clock.sleep(30)
            return await gate.queries.orders()

    orders = run_virtual(main())
    assert [(type(call), call.client_id) for call in broker.calls] == [
        (Send, "ord-000001.1"), (Withdraw, "ord-000001.2"),
    ]  # fmt: skip
    assert [order.state for order in orders[1:]] == [State.CANCELED] * 3


def test_what_was_canceled_or_is_over_before_its_turn_never_leaves() -> None:
    broker = ScriptedBroker(capabilities=ONE_A_SECOND)

    async def main() -> list[State]:
        async with scripted_gate(broker) as gate:
            for number in range(4):
                await gate.execute(buy(f"key-{number}"))
            until = gate.clock.now() + timedelta(seconds=2)
            await gate.execute(buy("over", tif=TimeInForce.GTD, expires_at=until))
            await gate.execute(buy("canceled"))
            await gate.execute(CancelOrder(order_id="ord-000006"))
            await gate.clock.sleep(30)
            return [(await gate.queries.order(f"ord-00000{number}")).state for number in (5, 6)]

    assert run_virtual(main()) == [State.EXPIRED, State.CANCELED]
    assert [call.client_id for call in broker.calls] == [f"ord-00000{number}.1" for number in range(1, 5)]


def test_a_replace_that_waits_for_its_turn_is_dropped_under_a_halt() -> None:
    broker = ScriptedBroker(capabilities=ONE_A_SECOND)

    async def main() -> Order:
        async with scripted_gate(broker) as gate:
            await gate.execute(buy(order_type=OrderType.LIMIT, limit_price=Decimal(180)))
            await gate.execute(ReplaceOrder(order_id="ord-000001", limit_price=Decimal(181)))
            await gate.execute(ThrowSwitch(level=Level.FIRM, name="", reason="stop"))
            await gate.clock.sleep(30)
            return await gate.queries.order("ord-000001")

    order = run_virtual(main())
    assert [type(call) for call in broker.calls] == [Send, Withdraw]
    assert order.limit_price == 180
