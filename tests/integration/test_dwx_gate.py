"""A gate whose broker is a terminal behind the DWX files: filled, closed, canceled, reconciled, and killed in between."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import SystemClock
from ordergate.application.comparison import Found
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, DwxBroker
from ordergate.config.funds import FundSection
from ordergate.domain.orders.commands import CancelOrder, SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce
from ordergate.testing.metatrader4.dwx_account import DwxAccount, Symbol
from ordergate.testing.metatrader4.dwx_files import DwxFiles
from ordergate.testing.metatrader4.dwx_files import State as FileState
from ordergate.testing.metatrader4.dwx_server import DwxServer
from tests.acceptance.test_brokers_killed import configured, order_and_kill, the_order, wait_for
from tests.services.exchange import until
from tests.services.server import serving_in

ORDERS, MESSAGES = "DWX_Orders", "DWX_Messages"


def server_in(folder: Path) -> DwxServer:
    """An expert advisor at a broker of coins, which are traded at any hour."""
    coin = Symbol(name="BTCUSD", digits=2, contract_size=Decimal(1), bid=Decimal(50_000), ask=Decimal(50_001))
    clock = SystemClock()
    server = DwxServer(DwxAccount(clock.now, coin), DwxFiles(folder / "DWX", clock.now), clock)
    server.maximum_orders, server.maximum_lots = 100, Decimal(100)
    server.begin()
    return server


def config(folder: Path, **settings: Any) -> Config:
    how = {"deadline_ms": 1_000, "poll_ms": 20, "quiet_ms": 3_000, **settings}
    broker = DwxBroker(
        folder=str(folder / "DWX"), symbols={"BTC/USDT": "BTCUSD"}, lot_sizes={"BTC/USDT": Decimal(1)}, **how
    )
    return Config(
        brokers={"old": broker}, funds={"paper-momentum": FundSection(broker="old", unlimited=True)}
    )


def order(key: str, side: Side = Side.BUY, price: str | None = None) -> SubmitOrder:
    return SubmitOrder(
        fund_id="paper-momentum",
        symbol="BTC/USDT",
        side=side,
        quantity=Decimal("0.1"),
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        limit_price=None if price is None else Decimal(price),
        tif=TimeInForce.GTC,
        key_kind="idempotency_key",
        key=key,
    )


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[tuple[DwxServer, Gate]]:
    server = server_in(folder)
    running = asyncio.get_running_loop().create_task(server.run())
    try:
        async with open_gate(config(folder), f"sqlite:///{folder / 'o.db'}") as gate:
            yield server, gate
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def run(folder: Path, case: Callable[[DwxServer, Gate], Any]) -> None:
    async def main() -> None:
        async with at_work(folder) as (server, gate):
            await case(server, gate)

    asyncio.run(main())


async def state_of(gate: Gate, order_id: str) -> State:
    await gate.runner.settled()
    return (await gate.queries.order(order_id)).state


async def reaches(gate: Gate, order_id: str, state: State) -> None:
    async with asyncio.timeout(20):
        while await state_of(gate, order_id) is not state:
            await asyncio.sleep(0.01)


@pytest.mark.slow
def test_orders_are_filled_closed_canceled_and_reconciled(tmp_path: Path) -> None:
    async def case(server: DwxServer, gate: Gate) -> None:
        done = await gate.execute(order("in", price="49000"))
        await until(lambda: len(server.account.open) == 1, "the order at the terminal")
        server.account.quote("BTCUSD", Decimal(48_998), Decimal(48_999))
        await reaches(gate, done.order.order_id, State.CLOSED)
        rests = await gate.execute(order("rest", price="40000"))
        await until(lambda: len(server.account.open) == 2, "the other order")
        compared = await gate.compare("old")
        assert compared.found is Found.AGREES, compared
        await gate.execute(CancelOrder(order_id=rests.order.order_id))
        await reaches(gate, rests.order.order_id, State.CANCELED)
        out = await gate.execute(order("out", Side.SELL))
        await reaches(gate, out.order.order_id, State.CLOSED)
        assert not server.account.open
        compared = await gate.compare("old")
        assert compared.found is Found.AGREES, compared
        assert [one.partition(" ")[0] for one in server.done if not one.startswith("GET")] == [
            "OPEN_ORDER",
            "OPEN_ORDER",
            "CLOSE_ORDER",
            "CLOSE_ORDER",
        ]

    run(tmp_path, case)


@pytest.mark.slow
def test_an_order_whose_answer_is_lost_is_found_and_sent_once(tmp_path: Path) -> None:
    async def case(server: DwxServer, gate: Gate) -> None:
        server.mute = True
        server.files.states = {ORDERS: FileState.FROZEN, MESSAGES: FileState.FROZEN}
        done = await gate.execute(order("in", price="49000"))
        rows = gate.runner.engine.state.orders.rows
        await until(lambda: len(server.account.open) == 1, "the order at the terminal")
        await until(lambda: any(one.requests for one in rows.values()), "the doubt")
        server.mute, server.files.states = False, {}
        server.account.quote("BTCUSD", Decimal(48_998), Decimal(48_999))
        await reaches(gate, done.order.order_id, State.CLOSED)
        assert sum(one.startswith("OPEN") for one in server.done) == 1

    run(tmp_path, case)


@pytest.mark.slow
def test_a_stop_that_stands_at_the_terminal_closes_what_the_gate_holds(tmp_path: Path) -> None:
    async def case(server: DwxServer, gate: Gate) -> None:
        entry = replace(order("in", price="49000"), stop_loss=Decimal(48_000), take_profit=Decimal(52_000))
        done = await gate.execute(entry)
        await until(lambda: len(server.account.open) == 1, "the order at the terminal")
        server.account.quote("BTCUSD", Decimal(48_998), Decimal(48_999))
        await reaches(gate, done.order.order_id, State.CLOSED)
        server.account.quote("BTCUSD", Decimal(47_990), Decimal(47_991))
        assert not server.account.open
        rows = gate.runner.engine.state.orders.rows
        async with asyncio.timeout(20):
            while len(listed := await gate.queries.orders()) < 2 or rows:
                await asyncio.sleep(0.02)
        closing = next(one for one in listed if one.order_id != done.order.order_id)
        assert (closing.side, closing.state, closing.filled_quantity) == (
            Side.SELL,
            State.CLOSED,
            Decimal("0.1"),
        )
        assert closing.fund_id == "paper-momentum"
        compared = await gate.compare("old")
        assert compared.found is Found.AGREES, compared

    run(tmp_path, case)


class Thread:
    """An expert advisor beside real processes; `kill` ends it where it stands."""

    def __init__(self, server: DwxServer) -> None:
        self.server, self.ended = server, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.ended.is_set():
            self.server.timer()
            time.sleep(0.02)

    def kill(self) -> None:
        self.ended.set()
        self.thread.join()


ORDER = {"symbol": "BTC/USDT", "quantity": "0.1", "limit_price": "49000"}


@pytest.mark.slow
def test_a_service_that_is_killed_finds_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the order and its answer, and with the terminal restarted before the service is back."""
    from tests.acceptance import test_brokers_killed as killed

    monkeypatch.setattr(killed, "ORDER", {**killed.ORDER, **ORDER})
    server = server_in(tmp_path)
    advisor = Thread(server)
    arguments = configured(
        tmp_path,
        f'adapter = "dwx"\nfolder = "{tmp_path / "DWX"}"\nsymbols = {{ "BTC/USDT" = "BTCUSD" }}\n'
        'lot_sizes = { "BTC/USDT" = "1" }\npoll_ms = 20\nquiet_ms = 3000\ngrace_ms = 1000\ndeadline_ms = 1000\n',
    )
    try:
        with serving_in(tmp_path, tmp_path / "orders.db", *arguments) as served:
            server.mute = True
            server.files.states = {ORDERS: FileState.FROZEN, MESSAGES: FileState.FROZEN}
            order_and_kill(served, lambda: server.account.open)
        advisor.kill()
        server.mute, server.files.states = False, {}
        server.account.quote("BTCUSD", Decimal(48_998), Decimal(48_999))
        server.begin()
        advisor = Thread(server)
        with serving_in(tmp_path, tmp_path / "orders.db", *arguments) as served, served.client() as client:
            wait_for(lambda: the_order(client)["state"] == "CLOSED")
            client.post("/v1/orders", content=json.dumps(killed.ORDER))
            assert the_order(client)["filled_quantity"] == "0.1"
        assert len(server.account.open) == 1
    finally:
        advisor.kill()
