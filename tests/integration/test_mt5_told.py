"""What is told of deals that are older than the lists, of canceled ones, and of those of a symbol that is gone."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.application.ports.brokers import Presence
from ordergate.domain.orders.reports import Acknowledged, Confirmed, Ended, Executed, Outcome
from ordergate.domain.orders.states import ExecutionKind, Side
from ordergate.testing.conformance.counterpart import Recorder, standing
from ordergate.testing.metatrader5 import constants as mt5
from tests.services.mt5 import HEDGING, NETTING, SETTINGS, START, Machine, broker_at
from tests.services.mt5_talk import Desk, order, play, resting

D = Decimal
GONE = "GBPUSD.u6"
TRADE, BUST = ExecutionKind.TRADE, ExecutionKind.BUST


@pytest.mark.parametrize("fills_up", [False, True])
def test_an_end_after_a_fill_that_an_earlier_session_had_told(fills_up: bool) -> None:
    """Lists begin an hour before the last deal: what the order had got before must be asked for."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("part.1", quantity="0.5"))
        desk.machine.quote("1.0898", "1.09", D("0.2"))
        await desk.pass_time(1)
        desk.machine.clock.shift += timedelta(hours=2)
        await desk.connect(desk.sink.reports[-1].cursor)
        await desk.pass_time(1)
        await desk.accepted(order("other.1"))
        await desk.accepted(order("other.2"))
        await desk.connect(desk.sink.reports[-1].cursor)
        if fills_up:
            desk.price("1.0898", "1.09")
            await desk.machine.clock.sleep(3)
        else:
            await desk.cancel("part.2", "part.1")
        mine = [said for said in desk.sink.reports if said.client_id == "part.1"]
        assert type(mine[-1]) is (Confirmed if fills_up else Ended)
        assert sum(D(quantity) for quantity, _price in desk.fills("part.1")) == D(
            "0.5" if fills_up else "0.2"
        )
        session = desk.broker.session
        assert session is not None
        assert await session.looking.look() is None

    play(scene)


def canceled(machine: Machine, exec_id: str) -> None:
    """The broker cancels a deal: the same one is of another type, and has no profit."""
    deal = machine.state.deals[int(exec_id)]
    kinds = {mt5.DEAL_TYPE_BUY: mt5.DEAL_TYPE_BUY_CANCELED, mt5.DEAL_TYPE_SELL: mt5.DEAL_TYPE_SELL_CANCELED}
    deal.type, deal.profit = kinds[deal.type], D(0)


@pytest.mark.parametrize("side", [Side.BUY, Side.SHORT])
def test_a_deal_that_the_broker_cancels(side: Side) -> None:
    """Told once as taken back; found, and in statements, as the trade and what takes it back."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("mine.1", side))
        (trade,) = desk.executed()
        canceled(desk.machine, trade.exec_id)
        await desk.pass_time(25)
        assert [type(said) for said in desk.sink.reports] == [Executed, Acknowledged, Confirmed, Executed]
        _trade, bust = desk.executed()
        assert (bust.execution_kind, bust.refers_to, bust.client_id) == (BUST, trade.exec_id, "mine.1")
        assert (bust.quantity, bust.price, bust.fee, bust.completes) == (0, 0, 0, False)
        assert standing(desk.sink.reports) == []
        found = await desk.found("mine.1")
        assert [type(said) for said in found] == [Executed, Confirmed, Executed]
        statement = await desk.broker.statement(START)
        told = [(said.execution_kind, said.exec_id) for said in statement.executions or ()]
        assert (told, statement.complete) == ([(TRADE, trade.exec_id), (BUST, bust.exec_id)], True)

    play(scene)


def test_a_deal_that_was_canceled_while_nobody_looked() -> None:
    """The trade comes first: who has not booked it has something that is taken back."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("mine.1"))
        (trade,) = desk.executed()
        canceled(desk.machine, trade.exec_id)
        await desk.connect()
        await desk.pass_time(25)
        assert [type(said) for said in desk.sink.reports] == [Executed, Acknowledged, Confirmed, Executed]
        assert [said.execution_kind for said in desk.executed()] == [TRADE, BUST]

    play(scene)


def test_a_part_that_is_canceled_while_its_order_works() -> None:
    """Its order ends without it, though the terminal says that it is filled."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("part.1", quantity="0.5"))
        desk.machine.quote("1.0898", "1.09", D("0.2"))
        await desk.machine.clock.sleep(1)
        (trade,) = desk.executed()
        canceled(desk.machine, trade.exec_id)
        await desk.pass_time(12)
        assert [said.execution_kind for said in desk.executed()] == [TRADE, BUST]
        desk.price("1.0898", "1.09")
        await desk.machine.clock.sleep(3)
        assert [str(said.quantity) for said in standing(desk.sink.reports)] == ["0.3"]
        assert desk.ends() == [("part.1", "canceled")]

    play(scene)


@pytest.mark.parametrize("mode", [NETTING, HEDGING])
def test_a_closing_of_the_server_that_is_canceled(mode: int) -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("in.1", stop_loss=D("1.09")))
        desk.price("1.085", "1.0851")
        await desk.machine.clock.sleep(1)
        opened, closed = desk.executed()
        canceled(desk.machine, closed.exec_id)
        await desk.pass_time(25)
        bust = desk.executed()[-1]
        assert (bust.execution_kind, bust.refers_to, bust.closes) == (BUST, closed.exec_id, "in.1")
        assert bust.broker_order_id == closed.broker_order_id
        assert standing(desk.sink.reports) == [opened]
        statement = await desk.broker.statement(START)
        assert len(statement.executions or ()) == 3

    play(scene, mode)


def test_a_symbol_that_the_broker_has_taken_off_stops_no_other() -> None:
    """Its deal is told once it is known again; until then all later ones stay in the lists."""

    async def scene(desk: Desk) -> None:
        machine, two = desk.machine, replace(SETTINGS, symbols={**SETTINGS.symbols, "GBPUSD": GONE})
        machine.steering.symbol(GONE, base="GBP")
        machine.steering.quote(GONE, "1.3", "1.30002")

        async def connect(cursor: str | None) -> None:
            await desk.broker.close()
            desk.broker, desk.sink = broker_at(machine, two), Recorder()
            await desk.broker.connect(desk.sink, cursor)
            await desk.pass_time(1)

        await connect(None)
        await desk.accepted(order("a.1", symbol="GBPUSD"))
        await desk.accepted(order("b.1", Side.SELL, symbol="GBPUSD"))
        await desk.accepted(resting("rest.1"))
        cursor = desk.sink.reports[-1].cursor
        gone = machine.state.symbols.pop(GONE)
        await connect(cursor)
        desk.price("1.08", "1.0801")
        await machine.clock.sleep(15)
        assert len(desk.fills("rest.1")) == 1
        answer = await desk.broker.submit(order("eur.1"))
        await machine.clock.sleep(15)
        assert (answer.outcome, len(desk.fills("eur.1")), desk.fills("a.1")) == (Outcome.ACCEPTED, 1, [])
        assert (await desk.broker.lookup("rest.1")).presence is Presence.FOUND
        cursor = desk.sink.reports[-1].cursor
        machine.state.symbols[GONE] = gone
        await connect(cursor)
        assert len(desk.fills("a.1")) == 1

    play(scene)
