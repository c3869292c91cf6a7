"""A gate whose broker is a MetaTrader 4 terminal: orders are done once, filled, booked and reconciled, whatever happens."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordergate.adapters.clock import SystemClock
from ordergate.application.comparison import Found
from ordergate.bootstrap import Gate, open_gate
from ordergate.domain.orders.states import TERMINAL, Side, State
from tests.services.mt4 import EURUSD, Mt4Counterpart, counterpart, until
from tests.services.mt4_program import LOT, config, order

ROOT = Path(__file__).parents[2]


class Desk:
    """A terminal, and gates on one database that trade there."""

    def __init__(self, venue: Mt4Counterpart, folder: Path) -> None:
        self.venue, self.folder, self.running = venue, folder, venue.running

    @asynccontextmanager
    async def gate(self, deadline_ms: int = 10_000) -> AsyncIterator[Gate]:
        async with open_gate(
            config(self.running.folder, deadline_ms), f"sqlite:///{self.folder / 'o.db'}"
        ) as gate:
            yield gate

    def quote(self, bid: str, ask: str) -> None:
        self.running.sim.account.quote(EURUSD, Decimal(bid), Decimal(ask))


def at_desk(folder: Path, case: Callable[[Desk], Awaitable[None]]) -> None:
    async def main() -> None:
        async with counterpart(clock=SystemClock(), cycle_s=0.01) as venue:
            await case(Desk(venue, folder))

    asyncio.run(main())


def open_orders(gate: Gate) -> int:
    return len(gate.runner.engine.state.orders.rows)


async def ended(gate: Gate) -> None:
    await until(lambda: open_orders(gate) == 0, "the end of all orders", 20)
    await gate.runner.settled()


@pytest.mark.slow
def test_orders_are_filled_booked_and_reconciled(tmp_path: Path) -> None:
    async def case(desk: Desk) -> None:
        async with desk.gate() as gate:
            await gate.execute(order("in", lots=2))
            await gate.execute(order("more", lots=2))
            await ended(gate)
            sold = await gate.execute(order("out", Side.SELL, lots=3))  # two steps
            await ended(gate)
            found = await gate.queries.order(sold.order.order_id)
            assert (found.state, found.filled_quantity) == (State.CLOSED, 3 * LOT)
            assert found.broker_order_id == "5000001:closed"
            compared = await gate.compare("terminal")
            assert compared.found is Found.AGREES, compared
            assert len(desk.running.sim.account.calls) == 4

    at_desk(tmp_path, case)


@pytest.mark.slow
def test_an_order_whose_answer_is_lost_is_done_once_across_processes(tmp_path: Path) -> None:
    async def case(desk: Desk) -> None:
        async with desk.gate(500) as gate:
            desk.running.answers = "drop"
            await gate.execute(order("lost"))
            await until(lambda: len(desk.running.sim.account.calls) == 1, "the call")
        desk.running.answers = None
        async with desk.gate() as gate:
            await ended(gate)
            listed = await gate.queries.orders()
            assert [(one.state, one.filled_quantity) for one in listed] == [(State.CLOSED, LOT)]
            assert len(desk.running.sim.account.calls) == 1
            assert (await gate.compare("terminal")).found is Found.AGREES

    at_desk(tmp_path, case)


@pytest.mark.slow
def test_what_the_server_closes_by_itself_is_an_order_of_the_fund(tmp_path: Path) -> None:
    async def case(desk: Desk) -> None:
        async with desk.gate() as gate:
            await gate.execute(order("in", lots=2, take_profit=Decimal("1.10500")))
            await ended(gate)
            desk.quote("1.10600", "1.10602")
            await until(lambda: not desk.running.sim.account.books.open, "the close")
            while len(await gate.queries.orders()) < 2:
                await asyncio.sleep(0.02)
            await ended(gate)
            listed = await gate.queries.orders()
            closing = next(one for one in listed if one.side is Side.SELL)
            assert (closing.state, closing.filled_quantity) == (State.CLOSED, 2 * LOT)
            assert (await gate.compare("terminal")).found is Found.AGREES

    at_desk(tmp_path, case)


def executed(desk: Desk) -> dict[str, Decimal]:
    """Lots that the terminal has opened, and closed, by our command."""
    books = desk.running.sim.account.books
    closed = sum((one.lots for one in books.closed.values() if not one.pending), Decimal(0))
    return {"closed": closed, "open": sum((one.lots for one in books.open.values()), Decimal(0))}


@pytest.mark.slow
@pytest.mark.parametrize("calls", [1, 3, 5])
def test_a_service_that_is_killed(tmp_path: Path, calls: int) -> None:
    async def case(desk: Desk) -> None:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.services.mt4_program",
            str(desk.running.folder),
            str(tmp_path / "o.db"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        account = desk.running.sim.account
        desk.running.sim.expert.journal.since -= 60  # else it may be younger than what is sent seems to be
        try:
            await until(lambda: len(account.calls) >= calls, "some calls", 30)
        finally:
            if child.returncode is None:
                child.send_signal(signal.SIGKILL)
            _out, said = await child.communicate()
        assert len(account.calls) >= calls, said.decode()
        async with desk.gate() as gate:
            await until(lambda: not _open(gate), "the ends of all orders", 20)
            await gate.runner.settled()
            listed = await gate.queries.orders()
            bought = sum((one.filled_quantity for one in listed if one.side is Side.BUY), Decimal(0))
            sold = sum((one.filled_quantity for one in listed if one.side is Side.SELL), Decimal(0))
            held = sum(
                (one.lots if one.buys else -one.lots for one in account.books.open.values()), Decimal(0)
            )
            assert bought - sold == held, executed(desk)
            compared = await gate.compare("terminal")
            assert compared.found is Found.AGREES, compared

    at_desk(tmp_path, case)


def _open(gate: Gate) -> list[Any]:
    rows = gate.runner.engine.state.orders.rows.values()
    return [one for one in rows if one.requests or one.state not in TERMINAL]
