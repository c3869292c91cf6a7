"""A gate whose broker is a MetaTrader account behind an agent: orders are sent once, filled, booked and reconciled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordergate.application.comparison import Found
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, Mt5Broker
from ordergate.config.funds import FundSection
from ordergate.config.secrets import SecretsSection
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce
from ordergate.testing.metatrader5 import Fault, serving
from tests.services.mt5 import HEDGING, LOGIN, NETTING, Machine, until
from tests.services.mt5_through_agent import KEY, Now, agent_at

D = Decimal


class Desk:
    """A terminal with an agent, and gates on one database that trade there."""

    def __init__(self, machine: Machine, port: int, folder: Path) -> None:
        self.machine, self.port, self.folder = machine, port, folder
        self.price()

    def price(self, bid: str = "1.1", ask: str = "1.10002") -> None:
        self.machine.quote(bid, ask)

    @asynccontextmanager
    async def gate(self) -> AsyncIterator[Gate]:
        section = Mt5Broker(
            login=LOGIN,
            agent=f"127.0.0.1:{self.port}",
            agent_key_env="AGENT_KEY",
            symbols={"EURUSD": "EURUSD.r"},
            deadline_ms=2_000,
            poll_ms=20,
        )
        config = Config(
            brokers={"mt5": section},
            funds={"paper-momentum": FundSection(broker="mt5", unlimited=True)},
            secrets=SecretsSection(refresh_s=3_600),
        )
        async with open_gate(config, f"sqlite:///{self.folder / 'o.db'}") as gate:
            yield gate


def at_desk(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: Callable[[Desk], Awaitable[None]],
    mode: int = NETTING,
) -> None:
    monkeypatch.setenv("AGENT_KEY", KEY)

    async def main() -> None:
        clock: Any = Now()
        machine = Machine(mode, clock=clock)
        async with serving(machine.terminal) as port, agent_at(port, folder) as agent:
            await case(Desk(machine, agent.port, folder))

    asyncio.run(main())


def order(key: str, side: Side = Side.BUY, quantity: str = "0.1", **terms: Any) -> SubmitOrder:
    return SubmitOrder(
        fund_id="paper-momentum",
        symbol="EURUSD",
        side=side,
        quantity=D(quantity),
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        key_kind="idempotency_key",
        key=key,
        **terms,
    )


async def closed(gate: Gate, count: int) -> None:
    """So many orders are booked to their end."""

    async def is_so() -> bool:
        await gate.runner.settled()
        return [one.state for one in await gate.queries.orders()] == [State.CLOSED] * count

    async with asyncio.timeout(20):
        while not await is_so():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("mode", [NETTING, HEDGING])
def test_orders_are_filled_booked_and_reconciled(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def case(desk: Desk) -> None:
        async with desk.gate() as gate:
            await gate.execute(order("in"))
            await closed(gate, 1)
            await gate.execute(order("more"))
            await closed(gate, 2)
            await gate.execute(order("out", Side.SELL, "0.15"))
            await closed(gate, 3)
            assert (await gate.compare("mt5")).found is Found.AGREES
        async with desk.gate() as gate:
            assert (await gate.compare("mt5")).found is Found.AGREES
        (left,) = desk.machine.state.positions.values()
        assert (left.volume, len(desk.machine.state.sent)) == (D("0.05"), 3 if mode == NETTING else 4)

    at_desk(tmp_path, monkeypatch, case, mode)


@pytest.mark.parametrize(
    ("fault", "value"), [(Fault.HANG, True), (Fault.CUT, True), (Fault.RETCODE_AFTER, 10012)]
)
def test_two_orders_never(fault: Fault, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(desk: Desk) -> None:
        async with desk.gate() as gate:
            desk.machine.steering.inject(fault, value, times=1)
            await gate.execute(order("one"))
            await closed(gate, 1)
            assert len(desk.machine.state.deals) == 1
            assert (await gate.compare("mt5")).found is Found.AGREES

    at_desk(tmp_path, monkeypatch, case)


def test_what_the_server_closes_is_booked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(desk: Desk) -> None:
        async with desk.gate() as gate:
            await gate.execute(order("in", stop_loss=D("1.09")))
            await closed(gate, 1)
            desk.price("1.085", "1.0851")
            await until(lambda: not desk.machine.state.positions, "the stop")

            async def is_booked() -> bool:
                await gate.runner.settled()
                return len(await gate.queries.orders()) == 2

            async with asyncio.timeout(30):
                while not await is_booked():
                    await asyncio.sleep(0.02)
            assert (await gate.compare("mt5")).found is Found.AGREES
            await closed(gate, 2)
            entry, exit_ = sorted(await gate.queries.orders(), key=lambda one: one.side.sign, reverse=True)
            assert (exit_.side, exit_.filled_quantity, exit_.order_type) == (
                Side.SELL,
                D("0.1"),
                OrderType.STOP,
            )
            assert exit_.parent_order_id == entry.order_id

    at_desk(tmp_path, monkeypatch, case)
