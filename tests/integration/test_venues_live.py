"""The flow of orders to venues for real: on an exchange that the real ccxt talks to, and on a local chain."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ordergate.bootstrap import Gate
from ordergate.config import Config
from ordergate.domain.orders.states import State
from ordergate.sdk.venues import ExecutionHandshake, ExecutionManager, Order, VenueInterfaceManager
from tests.unit.sdk.venues.gates import AT, on_loop, running, spot


def positions(manager: ExecutionManager) -> dict[str, float]:
    return manager.position_update_handler.position_monitor.simulated_positions


class AtExchange:
    """A gate at the fake exchange, which runs in a thread of its own."""

    def __init__(self, gate: Gate, exchange: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.gate, self.exchange, self._loop = gate, exchange, loop

    def at_exchange(self, work: Any) -> Any:
        """Runs something where the exchange runs."""

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)


@contextmanager
def served() -> Iterator[tuple[Any, asyncio.AbstractEventLoop]]:
    from ordergate.testing.exchange import Exchange, serving

    opened: Future[tuple[Any, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        over = asyncio.Event()
        async with serving(Exchange()) as here:
            opened.set_result((here, asyncio.get_running_loop(), over))
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    here, loop, over = opened.result(20)
    try:
        yield here, loop
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(20)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[AtExchange]:
    """Bitcoin at 50,000, and an account with what is needed."""
    pytest.importorskip("ccxt")
    from ordergate.adapters.brokers.ccxt import finding, settings
    from ordergate.bootstrap import brokers
    from tests.services import exchange as exchanges
    from tests.services import exchange_program as programs

    monkeypatch.setenv("BINANCE_KEY", exchanges.KEY)
    monkeypatch.setenv("BINANCE_SECRET", exchanges.SECRET)
    for module in (finding, settings):
        monkeypatch.setattr(module, "MARGIN_S", 0.2)
    with served() as (here, loop):
        maker = partial(brokers.CcxtBroker, make=exchanges.leading_to(here.url))
        monkeypatch.setattr(brokers, "CcxtBroker", maker)
        with running(programs.config()) as gate:
            made = AtExchange(gate, here.exchange, loop)
            made.at_exchange(
                lambda: here.exchange.set_market(Decimal(50_000), Decimal("50000.01"), Decimal(1000))
            )
            yield made


def test_the_flow_on_an_exchange(desk: AtExchange) -> None:
    manager = ExecutionManager(gate=desk.gate)
    before = positions(manager)
    bought, poor, sold = manager.process_orders(
        AT, [spot(amount=0.02), spot(amount=0.01, pair="ETH/USDT"), spot(amount=0.01, side="SELL")]
    )
    assert [one.status for one in (bought, poor, sold)] == ["executed", "failed", "executed"]
    assert not bought.simulated
    assert bought.validate_execution()
    assert (bought.executed_amount, bought.executed_price) == (0.02, 50_000.01)
    assert bought.position_deltas == {"BTC": 0.02, "USDT": -1000.0002}
    assert manager.system_failure is None
    made = on_loop(desk.gate, desk.gate.queries.orders())
    there = {one.client_id: one.filled for one in desk.exchange.orders}
    assert {one.client_id: one.filled_quantity for one in made if one.filled_quantity} == there
    after = positions(manager)
    assert after["binance:BaseToken:BTC"] - before.get("binance:BaseToken:BTC", 0) == pytest.approx(
        0.01 - fee_in("BTC", bought, sold)
    )
    assert after["binance:BaseToken:USDT"] - before["binance:BaseToken:USDT"] == pytest.approx(
        -1000.0002 + 500 - fee_in("USDT", bought, sold)
    )


def fee_in(currency: str, *done: ExecutionHandshake) -> float:
    return sum(one.fee_amount for one in done if one.fee_currency == currency)


@pytest.mark.slow
def test_an_answer_that_was_lost_is_found_out_and_nothing_sent_twice(desk: AtExchange) -> None:
    from ordergate.testing.exchange import Fault

    desk.at_exchange(lambda: desk.exchange.faults.inject(Fault.DROP, Fault.BLIND, Fault.MUTE))
    patient = VenueInterfaceManager(desk.gate, timeout_s=1)
    wanted = spot(amount=0.01, operation_id="op-1")
    first = patient.route_to_venue(AT, wanted)
    assert first.is_pending()
    assert first.error_code is None
    desk.at_exchange(lambda: desk.exchange.faults.inject())
    again = VenueInterfaceManager(desk.gate, timeout_s=20).route_to_venue(AT, wanted)
    assert again.was_successful()
    assert again.venue_metadata["order_id"] == first.venue_metadata["order_id"]
    assert len(desk.exchange.orders) == 1


class OnChain:
    """A gate whose wallet is on a local chain that goes on by itself."""

    def __init__(self, gate: Gate, rig: Any) -> None:
        self.gate, self.rig = gate, rig


@contextmanager
def mining(chain: Any) -> Iterator[None]:
    over = threading.Event()

    def mine() -> None:
        while not over.wait(0.02):
            chain.mine()

    thread = threading.Thread(target=mine)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)


@contextmanager
def on_chain(kind: str, folder: Path, **more: Any) -> Iterator[OnChain]:
    pytest.importorskip("web3")
    from tests.services.chain import rig as rigs

    rates = {name: Decimal(2000) for name in ("ETH/USD", "stETH/USD", "WETH/USD")}
    dollars = {name: Decimal(1) for name in ("USDC/USD", "DAI/USD", "USDT/USD")}
    ground = rigs.ground(rigs.best() if kind == "best" else kind)
    with rigs.doors_of(ground.chain, 1) as doors, running(Config(rates={**rates, **dollars})) as gate:
        rig = rigs.Rig(ground, doors, folder)
        if kind == "market":
            from tests.services.chain.deploying import Deployer, ours

            ground.protocols.mint("WETH", rig.account.address, 100 * 10**18)
            ground.protocols.mint("USDC", rig.account.address, 10_000 * 10**6)
            executor = Deployer(rig.chain, rig.account).deploy(ours("Executor")).address
            rig.settings = ground.settings(rig.account.address, doors[0].url, executor=executor, **more)
        else:
            rig.fund(ground.usdc, 1_000_000_000)
        rig.broker = rig.another()
        on_loop(gate, gate.take_up(rig.broker))
        with mining(rig.chain):
            yield OnChain(gate, rig)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_flow_on_a_chain(tmp_path: Path) -> None:
    with on_chain("best", tmp_path) as here:
        manager = ExecutionManager(gate=here.gate)
        assert positions(manager) == {}
        to = "0x00000000000000000000000000000000000000aa"
        sent, too_much, staked = manager.process_orders(
            AT,
            [
                transfer(to, 250.25),
                transfer(to, 5_000),
                Order(venue="lido", operation="stake", token_in="ETH", amount=2),
            ],
        )
        assert [one.status for one in (sent, too_much, staked)] == ["executed", "failed", "executed"]
        assert sent.position_deltas == {"USDC": -250.25}
        assert not sent.simulated
        assert sent.fee_currency == "ETH"
        assert sent.fee_amount > 0
        assert staked.position_deltas["wallet:BaseToken:ETH"] == -2
        assert staked.position_deltas["lido:LST:stETH"] == pytest.approx(2)
        assert manager.system_failure is None
        after = positions(manager)
        assert after["wallet:BaseToken:USDC"] == 749.75
        assert float(here.rig.balance(here.rig.ground.usdc)) == 749.75
        assert float(here.rig.balance()) == pytest.approx(after["wallet:BaseToken:ETH"])
        deltas = manager._convert_trade_to_execution_deltas(sent)
        assert [(one["position_key"], one["delta_amount"], one["source"]) for one in deltas] == [
            ("wallet:BaseToken:USDC", -250.25, "transfer"), ("wallet:BaseToken:ETH", 0.0, "fee"),
        ]  # fmt: skip


def transfer(target: str, amount: float) -> Order:
    return Order(
        venue="wallet", operation="transfer", source_venue="wallet", target_venue=target, token="USDC", amount=amount
    )  # fmt: skip


def grouped(*orders: Order) -> list[Order]:
    return [
        one.model_copy(update={"execution_mode": "atomic", "atomic_group_id": "g", "sequence_in_group": at})
        for at, one in enumerate(orders)
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_group_on_a_chain_is_one_transaction(tmp_path: Path) -> None:
    from tests.services.chain import npm

    if not npm.is_there():
        pytest.skip("the contracts of Aave and Uniswap are not here")
    with on_chain("market", tmp_path) as here:
        manager = ExecutionManager(gate=here.gate)
        wanted = [
            Order(venue="instadapp", operation="flash_borrow", token_out="WETH", amount=10),
            Order(venue="aave", operation="supply", token_in="WETH", amount=20),
            Order(venue="aave", operation="borrow", token_out="USDC", amount=5_000),
            Order(venue="instadapp", operation="flash_repay", token_in="WETH", amount=10),
        ]
        done = manager.process_orders(AT, grouped(*wanted))
        assert [(one.status, one.error_message) for one in done] == [("executed", None)] * 4
        assert len({one.venue_metadata["bundle"] for one in done}) == 1
        assert done[0].position_deltas["aave_v3:aToken:aWETH"] == pytest.approx(20)
        assert done[0].position_deltas["wallet:BaseToken:USDC"] == 5_000
        assert manager.system_failure is None
        too_much = [wanted[0], wanted[2].model_copy(update={"amount": 900_000.0}), wanted[3]]
        failed = manager.process_orders(AT, grouped(*too_much))
        assert {one.status for one in failed} == {"failed"}
        assert positions(manager)["wallet:BaseToken:USDC"] == 15_000
        assert manager.system_failure is None
        (kept,) = [
            one for one in on_loop(here.gate, here.gate.queries.orders()) if one.state is not State.CLOSED
        ]
        assert kept.order_id == failed[0].venue_metadata["order_id"]
