"""A gate whose broker is an exchange: orders are sent once, filled, booked and reconciled, whatever happens."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

pytest.importorskip("ccxt")

from ordergate.adapters.brokers.ccxt import finding, settings
from ordergate.application.comparison import Found
from ordergate.bootstrap import Gate, brokers, open_gate
from ordergate.config.instruments import InstrumentSection
from ordergate.domain.instruments import AssetClass, Unit
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.states import Phase, Side, State
from ordergate.testing.exchange import Exchange, Fault, serving
from ordergate.testing.exchange.server import Served
from tests.services.exchange import KEY, SECRET, leading_to, until
from tests.services.exchange_program import config, order

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINANCE_KEY", KEY)
    monkeypatch.setenv("BINANCE_SECRET", SECRET)
    for module in (finding, settings):
        monkeypatch.setattr(module, "MARGIN_S", 0.2)


class Desk:
    """An exchange, and gates on one database that trade there."""

    def __init__(self, served: Served, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.served, self.exchange, self.folder = served, served.exchange, folder
        maker = partial(brokers.CcxtBroker, make=leading_to(served.url))
        monkeypatch.setattr(brokers, "CcxtBroker", maker)
        self.market()

    def market(
        self, bid: str = "50000", ask: str = "50000.01", size: str = "1000", *, perp: bool = False
    ) -> None:
        self.exchange.set_market(Decimal(bid), Decimal(ask), Decimal(size), perp=perp)

    @asynccontextmanager
    async def gate(self, **change: Any) -> AsyncIterator[Gate]:
        async with open_gate(config(**change), f"sqlite:///{self.folder / 'o.db'}") as gate:
            yield gate


def at_desk(folder: Path, monkeypatch: pytest.MonkeyPatch, case: Callable[[Desk], Any]) -> None:
    async def main() -> None:
        async with serving(Exchange()) as served:
            await case(Desk(served, folder, monkeypatch))

    asyncio.run(main())


def states(gate: Gate) -> list[State]:
    return [found.state for found in gate.runner.engine.state.orders.rows.values()]


async def settled(gate: Gate, seconds: float = 20) -> None:
    """Every request is answered, and nothing is doubted."""
    rows = gate.runner.engine.state.orders.rows
    await until(lambda: not any(one.requests for one in rows.values()), "an end of all requests", seconds)


async def same(gate: Gate, desk: Desk) -> None:
    """The journal has what the exchange has: each order once, each execution once."""
    await gate.runner.settled()  # memory is ahead of the store
    listed = await gate.queries.orders()
    there = {one.client_id: one.filled for one in desk.exchange.orders}
    assert len(there) == len(desk.exchange.orders), "an order was sent twice"
    wrong = [one for one in listed if there.get(one.client_id) != one.filled_quantity]
    assert not wrong, [
        (one.client_id, one.state, one.reason, one.requests, one.broker_order_id) for one in wrong
    ]
    assert len(listed) == len(there)
    assert {one.state for one in listed} == {State.CLOSED}


def test_an_order_is_filled_booked_and_reconciled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(desk: Desk) -> None:
        async with desk.gate() as gate:
            done = await gate.execute(order("k1"))
            order_id = done.order.order_id
            await until(lambda: State.CLOSED in states(gate) or not states(gate), "the order's end")
            await gate.runner.settled()
            found = await gate.queries.order(order_id)
            assert found.state is State.CLOSED
            assert (found.filled_quantity, found.broker_order_id) == (Decimal("0.01"), "BTC/USDT#1001")
            again = await gate.execute(order("k1"))
            assert again.order.order_id == order_id
            assert len(desk.exchange.orders) == 1
            compared = await gate.compare("binance")
            assert compared.found is Found.AGREES, compared

    at_desk(tmp_path, monkeypatch, case)


def test_a_resting_order_is_canceled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(desk: Desk) -> None:
        async with desk.gate() as gate:
            done = await gate.execute(order("k1", "40000"))
            await settled(gate)
            await gate.execute(CancelOrder(order_id=done.order.order_id))
            await until(lambda: State.CANCELED in states(gate) or not states(gate), "the end")
            await gate.runner.settled()
            assert (await gate.queries.order(done.order.order_id)).state is State.CANCELED

    at_desk(tmp_path, monkeypatch, case)


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.SERVER, Fault.GARBLED, Fault.REFUSE])
def test_two_orders_never(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    async def case(desk: Desk) -> None:
        async with desk.gate() as gate:
            desk.exchange.faults.inject(fault)
            await gate.execute(order("k1"))
            await until(lambda: _doubted(gate), "the doubt")
            desk.exchange.faults.inject()
            await settled(gate)
            await until(lambda: desk.exchange.orders[0].status == "FILLED", "the fill")
            await until(lambda: set(states(gate)) <= {State.CLOSED}, "the order's end")
            await same(gate, desk)
            assert len(desk.exchange.orders) == 1

    at_desk(tmp_path, monkeypatch, case)


def _doubted(gate: Gate) -> bool:
    rows = gate.runner.engine.state.orders.rows.values()
    return (
        not rows
        or any(r.phase is Phase.UNKNOWN for one in rows for r in one.requests)
        or any(one.state is State.CLOSED for one in rows)
    )


def test_a_perpetual_books_what_it_realized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    symbol = "BTC/USDT:USDT"
    section = InstrumentSection(
        asset_class=AssetClass.CRYPTO,
        unit=Unit.COINS,
        tick=Decimal("0.1"),
        lot_step=Decimal("0.001"),
        currency="USDT",
        perpetual=True,
    )

    async def case(desk: Desk) -> None:
        perps = replace(
            config(market=settings.Wallet.LINEAR, symbols=(symbol,)), instruments={symbol: section}
        )
        async with open_gate(perps, f"sqlite:///{desk.folder / 'o.db'}") as gate:
            desk.market("50000", "50000.1", perp=True)
            await gate.execute(replace(order("k1", None), symbol=symbol))
            await until(lambda: set(states(gate)) <= {State.CLOSED}, "the first end")
            desk.market("51000", "51000.1", perp=True)
            await gate.execute(replace(order("k2", None), symbol=symbol, side=Side.SELL))
            await until(lambda: set(states(gate)) <= {State.CLOSED}, "the second end")
            balances = gate.runner.engine.state.balances.rows
            held = {key: row.amount for (_fund, key), row in balances.items()}
            account = desk.exchange.accounts[desk.exchange.key]
            assert held["binance:BaseToken:USDT"] == account.wallet["USDT"] - 10_000_000
            assert held["binance:Perp:BTCUSDT"] == 0

    at_desk(tmp_path, monkeypatch, case)


@pytest.mark.slow
@pytest.mark.parametrize("slow_s", [0.05, 0.3])
def test_killed_between_send_and_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow_s: float
) -> None:
    async def case(desk: Desk) -> None:
        desk.exchange.faults.slow_s = slow_s
        desk.exchange.faults.inject(Fault.SLOW)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.services.exchange_program",
            desk.served.url,
            "worker",
            str(tmp_path / "o.db"),
            "1",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        try:
            await until(lambda: len(desk.exchange.orders) >= 3, "some orders", 30)
        finally:
            if child.returncode is None:
                child.send_signal(signal.SIGKILL)
            _out, said = await child.communicate()
        assert len(desk.exchange.orders) >= 3, said.decode()
        desk.exchange.faults.inject()
        async with desk.gate() as gate:
            await settled(gate)
            await until(lambda: set(states(gate)) <= {State.CLOSED}, "the orders' ends", 10)
            await same(gate, desk)
            assert (await gate.compare("binance")).found is Found.AGREES

    at_desk(tmp_path, monkeypatch, case)
