"""What a broker closes by itself, in a running gate: also of orders that memory has forgotten, and told by statements."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.application.comparison import Found
from ordergate.application.dispatch import send_of
from ordergate.application.ports.brokers import Change, Send, Withdraw
from ordergate.application.view import SignalRouting
from ordergate.bootstrap import Gate
from ordergate.domain.breaks import BreakKind, Cause, Resolution
from ordergate.domain.orders.commands import ReplaceOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Acknowledged, Executed
from ordergate.domain.orders.states import ExecutionKind, OrderType, Protection, Side, State
from ordergate.domain.recon.statement import Statement
from ordergate.domain.signals import Signal, SubmitSignal
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.accounts import account, bought, breaks
from tests.unit.application.gates import START, buy, scripted_gate
from tests.unit.application.nodes import fill
from tests.unit.application.test_reconciliation import later, moved, plus, without

PRICES_ONLY = replace(CAPABILITIES, changes_quantity=False)


def closing(entry: Order, quantity: int = 100, exec_id: str = "d1", **more: Any) -> Executed:
    fields: dict[str, Any] = {
        "broker_order_id": "T7", "closes": f"{entry.order_id}.1", "symbol": "AAPL", "side": Side.SELL,
        "order_type": OrderType.STOP, "time": START, "price": Decimal(170),
    }  # fmt: skip
    return Executed(broker="paper", exec_id=exec_id, quantity=Decimal(quantity), **fields | more)


async def held(gate: Gate) -> Decimal:
    rows = await gate.journal.select("positions")
    return sum((row.quantity for row in rows), Decimal(0))


def undone_in(told: Statement, said: Executed) -> Statement:
    """The statement once a sale is taken back."""
    told = replace(told, executions=(*told.executions, said))
    return moved(told, replace(said, side=Side.SELL), -1)


async def of(gate: Gate, entry: Order) -> list[Order]:
    return await gate.queries.orders(parent_order_id=entry.order_id)


def test_an_entry_and_a_closing_that_memory_has_forgotten_are_read_back() -> None:
    async def main() -> None:
        async with scripted_gate(ScriptedBroker()) as gate:
            entry = (await gate.execute(buy())).order
            other = (await gate.execute(buy("key-2", quantity=Decimal(5)))).order
            await gate.runner.deliver(fill(entry, 100, "x1", completes=True))
            await gate.runner.deliver(fill(other, 5, "x2", completes=True))
            state = gate.runner.engine.state
            for _delivery in range(2):
                assert entry.order_id not in state.orders.rows
                await gate.runner.deliver(closing(entry, completes=True))
            (order,) = await of(gate, entry)
            assert (order.state, order.filled_quantity, await held(gate)) == (State.CLOSED, 100, 5)
            assert not await gate.journal.select("breaks")
            assert order.order_id not in state.orders.rows
            (booked,) = [f for f in await gate.journal.select("fills") if f.order_id == order.order_id]
            assert (booked.exec_id, booked.price, booked.side) == ("d1", 170, Side.SELL)

    run_virtual(main())


def test_several_parts_in_one_batch_are_one_order() -> None:
    async def main() -> None:
        async with scripted_gate(ScriptedBroker()) as gate:
            entry = (await gate.execute(buy())).order
            await gate.runner.deliver(fill(entry, 100, "x1", completes=True))
            parts = (closing(entry, 60), closing(entry, 40, "d2", completes=True), closing(entry, 60))
            await asyncio.gather(*(gate.runner.deliver(part) for part in parts))
            (order,) = await of(gate, entry)
            assert (order.quantity, order.state, await held(gate)) == (100, State.CLOSED, 0)

    run_virtual(main())


class TestStatements:
    def test_one_that_is_told_by_a_statement_first_is_waited_for(self) -> None:
        async def main() -> None:
            async with account() as (gate, broker):
                entry = await bought(gate, "one")
                await later(gate, 700)  # so long ago that statements no longer name the entry itself
                said = closing(entry, time=gate.clock.now(), completes=True)
                broker.edits.append(lambda told: plus(told, said))
                found = await gate.compare("paper")
                assert (found.found, found.breaks) == (Found.UNDER_WAY, ())
                await gate.runner.deliver(said)
                assert (await gate.compare("paper")).found is Found.AGREES
                assert (await breaks(gate), len(await of(gate, entry))) == ([], 1)

        run_virtual(main())

    @pytest.mark.parametrize("policy", ["alert", "halt", "correct"])
    def test_one_that_no_report_tells_is_adopted_from_the_statement(self, policy: str) -> None:
        async def main() -> None:
            async with account(policy=policy) as (gate, broker):
                entry = await bought(gate, "one")
                await later(gate)
                parts = [
                    closing(entry, 60, time=gate.clock.now(), cursor="nowhere"),
                    closing(entry, 40, "d2", time=gate.clock.now(), completes=True),
                ]
                for part in parts:
                    broker.edits.append(lambda told, part=part: plus(told, part))
                await later(gate, 400)
                (order,) = await of(gate, entry)
                assert (order.state, order.quantity, await held(gate)) == (State.CLOSED, 100, 0)
                assert (await gate.compare("paper")).found is Found.AGREES
                items = await breaks(gate)
                assert {(item.kind, item.resolution, item.order_id) for item in items} <= {
                    (BreakKind.MISSING_FILL, Resolution.FETCHED, entry.order_id)
                }
                assert not gate.runner.engine.state.halts.rows
                assert gate.runner.engine.state.sessions.rows["paper"].cursor != "nowhere"
                await gate.runner.deliver(parts[0])
                assert len(await of(gate, entry)) == 1

        run_virtual(main())

    def test_a_part_or_a_bust_that_no_report_tells_of_a_known_one_is_booked_from_the_statement(self) -> None:
        async def main() -> None:
            async with account() as (gate, broker):
                entry = await bought(gate, "one")
                await later(gate)
                first = closing(entry, 60, time=gate.clock.now())
                second = closing(entry, 40, "d2", time=gate.clock.now())
                await gate.runner.deliver(first)
                for part in (first, second):
                    broker.edits.append(lambda told, part=part: plus(told, part))
                await later(gate, 400)
                (order,) = await of(gate, entry)
                assert (order.quantity, await held(gate)) == (100, 0)
                undone = replace(
                    second,
                    exec_id="d3",
                    execution_kind=ExecutionKind.BUST,
                    refers_to="d2",
                    time=gate.clock.now(),
                )
                broker.edits.append(lambda told: undone_in(told, undone))
                await later(gate, 400)
                (order,) = await of(gate, entry)
                assert (order.filled_quantity, await held(gate)) == (60, 40)
                assert (await gate.compare("paper")).found is Found.AGREES
                told = [(item.kind, item.resolution) for item in await breaks(gate)]
                assert told == [
                    (BreakKind.MISSING_FILL, Resolution.FETCHED),
                    (BreakKind.BUSTED_FILL, Resolution.FETCHED),
                ]

        run_virtual(main())

    def test_one_of_an_entry_that_only_a_later_journal_knows_halts_as_its_report_would(self) -> None:
        async def main() -> None:
            async with account() as (gate, broker):
                entry = await bought(gate, "one")
                await later(gate)
                said = closing(entry, time=gate.clock.now(), closes="ord-900000.1")
                broker.edits.append(lambda told: plus(told, said))
                found = await gate.compare("paper")
                assert [(item.kind, item.cause) for item in found.breaks] == [
                    (BreakKind.UNKNOWN_ORDER, Cause.JOURNAL_BEHIND)
                ]
                assert found.halted

        run_virtual(main())

    def test_where_it_does_not_say_on_which_side_it_is_the_closing_one(self) -> None:
        async def main() -> None:
            async with account() as (gate, broker):
                entry = await bought(gate, "one")
                await later(gate, 700)
                said = closing(entry, time=gate.clock.now(), completes=True)

                def silent(told: Statement) -> Statement:
                    told = plus(told, said)
                    return replace(told, executions=(*told.executions[:-1], replace(said, side=None)))

                broker.edits.append(silent)
                found = await gate.compare("paper")
                assert (found.found, found.under_way) == (Found.UNDER_WAY, 1), "it explains the position"

        run_virtual(main())

    def test_one_of_somebody_else_s_entry_stays_a_break(self) -> None:
        async def main() -> None:
            async with account() as (gate, broker):
                entry = await bought(gate, "one")
                await later(gate)
                said = closing(entry, time=gate.clock.now(), closes="somebody.1")
                broker.edits.append(lambda told: plus(told, said))
                found = await gate.compare("paper")
                assert [item.kind for item in found.breaks] == [BreakKind.UNKNOWN_ORDER]
                await later(gate, 400)
                assert await of(gate, entry) == []

        run_virtual(main())

    def test_one_that_is_not_said_to_be_complete_is_closed_once_the_record_has_stood(self) -> None:
        async def main() -> None:
            async with account() as (gate, broker):
                entry = await bought(gate, "one")
                await later(gate)
                parts = [
                    closing(entry, 60, time=gate.clock.now()),
                    closing(entry, 40, "d2", time=gate.clock.now()),
                ]
                await gate.runner.deliver(parts[0])
                broker.edits.append(lambda told: plus(told, parts[0]))
                await gate.compare("paper")
                assert (await of(gate, entry))[0].state is State.FILLED, "more may be under way"
                await gate.runner.deliver(parts[1])
                await later(gate, 20)
                await gate.compare("paper")
                assert (await of(gate, entry))[0].state is State.FILLED, "the record has less"
                broker.edits.append(lambda told: plus(told, parts[1]))
                await gate.compare("paper")
                (order,) = await of(gate, entry)
                assert (order.state, order.quantity) == (State.CLOSED, 100)
                assert order.order_id not in gate.runner.engine.state.orders.rows

        run_virtual(main())

    def test_one_that_was_booked_and_is_not_there_is_a_break(self) -> None:
        async def main() -> None:
            async with account() as (gate, broker):
                entry = await bought(gate, "one")
                await later(gate)
                said = closing(entry, time=gate.clock.now(), completes=True)
                broker.edits.append(lambda told: plus(told, said))
                await gate.runner.deliver(said)
                assert (await gate.compare("paper")).found is Found.AGREES
                broker.edits.append(lambda told: without(told, told.executions[-1]))
                await later(gate, 30)
                found = await gate.compare("paper")
                assert [item.kind for item in found.breaks] == [BreakKind.EXTRA_FILL]

        run_virtual(main())


async def protected(gate: Gate, **more: Any) -> Order:
    gate.runner.engine.view.signals = SignalRouting(fund="paper-momentum", protect=Protection.STOP)
    levels = {"stop_loss": Decimal(95), "take_profit": Decimal(120)} | more
    wanted = Signal(signal_id="s1", symbol="AAPL", action="buy", quantity=Decimal(100), **levels)
    made: Order = (await gate.execute(SubmitSignal(wanted))).order
    await asyncio.sleep(0.1)
    return made


class TestWhatIsSent:
    """Levels stand at the venue where it makes something of them, and nowhere twice."""

    def test_no_stop_loss_where_ordergate_makes_the_stops_and_the_take_profit_always(self) -> None:
        broker = ScriptedBroker()

        async def main() -> None:
            async with scripted_gate(broker) as gate:
                await protected(gate)
                await gate.execute(buy(stop_loss=Decimal(90), take_profit=Decimal(130)))
                await asyncio.sleep(0.1)

        run_virtual(main())
        sent = [(call.stop_loss, call.take_profit) for call in broker.calls if isinstance(call, Send)]
        assert sent == [(None, 120), (90, 130)]

    def test_the_order_itself_keeps_its_level(self) -> None:
        async def main() -> Order:
            async with scripted_gate(ScriptedBroker()) as gate:
                return await protected(gate)

        order = run_virtual(main())
        assert (order.stop_loss, send_of(order, order.requests[0]).stop_loss) == (95, None)


class TestABrokerThatChangesPricesOnly:
    @pytest.mark.parametrize(("can", "asked"), [(CAPABILITIES, Change), (PRICES_ONLY, Withdraw)])
    def test_its_stops_are_canceled_and_made_anew(self, can: Any, asked: type) -> None:
        broker = ScriptedBroker(capabilities=can)

        async def main() -> None:
            async with scripted_gate(broker) as gate:
                entry = await protected(gate)
                await gate.runner.deliver(fill(entry, 100, "x1"))
                await asyncio.sleep(0.1)
                (stop,) = await of(gate, entry)
                await gate.runner.deliver(
                    Acknowledged(broker="paper", client_id=f"{stop.order_id}.1", broker_order_id="B2")
                )
                by_hand = (await gate.execute(buy("key-2", side=Side.SELL, quantity=Decimal(30)))).order
                await gate.runner.deliver(fill(by_hand, 30, "x2", completes=True))
                await asyncio.sleep(0.1)

        run_virtual(main())
        assert isinstance(broker.calls[-1], asked)

    @pytest.mark.parametrize(("can", "quantity"), [(CAPABILITIES, 100), (PRICES_ONLY, None)])
    def test_it_is_not_asked_for_the_quantity_that_there_is(self, can: Any, quantity: int | None) -> None:
        broker = ScriptedBroker(capabilities=can)

        async def main() -> None:
            async with scripted_gate(broker) as gate:
                order = (await gate.execute(buy(order_type=OrderType.LIMIT, limit_price=Decimal(180)))).order
                await asyncio.sleep(0.1)
                same = ReplaceOrder(order_id=order.order_id, quantity=Decimal(100), limit_price=Decimal(179))
                await gate.execute(same)
                await asyncio.sleep(0.1)

        run_virtual(main())
        (change,) = [call for call in broker.calls if isinstance(call, Change)]
        assert (change.quantity, change.limit_price) == (quantity, 179)
