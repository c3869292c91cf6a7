"""The gate on real stores: of many orders at once only as many pass as the money covers, on every node; and no way
goes round it."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config
from ordergate.config.limits import LimitSections
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder, SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce
from ordergate.domain.risk.limits import Limits
from tests.services.server import serving

FIFTY = 50
SHARES = Decimal(6_000)  # at 100 dollars, 60 % of the built-in fund's million


@pytest.fixture(autouse=True)
def _state_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def ask(gate: Gate, key: str, quantity: Decimal = SHARES):
    result = await gate.execute(
        SubmitOrder(
            key_kind="idempotency_key",
            key=key,
            fund_id="paper-momentum",
            symbol="AAPL",
            side=Side.BUY,
            quantity=quantity,
            order_type=OrderType.LIMIT,
            limit_price=Decimal("100.00"),
            tif=TimeInForce.GTC,
        )
    )
    return result.order


async def fifty_at_once(url: str, nodes: int) -> None:
    async with AsyncExitStack() as stack:
        gates = [await stack.enter_async_context(open_gate(Config(), url)) for _ in range(nodes)]
        orders = await asyncio.gather(*(ask(gates[n % nodes], f"key-{n}") for n in range(FIFTY)))
        codes = Counter(order.reason_code for order in orders)
        assert codes == {None: 1, "RISK_MARGIN": FIFTY - 1}
        passed = next(order for order in orders if order.reason_code is None)
        assert (await ask(gates[-1], "one more")).reason_code == "RISK_MARGIN"
        await gates[-1].execute(CancelOrder(order_id=passed.order_id))
        async with asyncio.timeout(30):
            while (await gates[0].queries.order(passed.order_id)).state is not State.CANCELED:
                await asyncio.sleep(0.02)
        again = await asyncio.gather(*(ask(gates[n % nodes], f"again-{n}") for n in range(FIFTY)))
        assert Counter(order.reason_code for order in again) == {None: 1, "RISK_MARGIN": FIFTY - 1}


def test_fifty_orders_that_each_take_sixty_percent_on_sqlite(tmp_path):
    asyncio.run(fifty_at_once(f"sqlite:///{tmp_path / 'gate.db'}", 1))


def test_fifty_orders_that_each_take_sixty_percent_at_two_nodes(database):
    asyncio.run(fifty_at_once(database, 2))


def test_what_was_bound_is_bound_after_a_restart(tmp_path):
    async def main() -> None:
        url = f"sqlite:///{tmp_path / 'gate.db'}"
        async with open_gate(Config(), url) as gate:
            assert (await ask(gate, "first")).reason_code is None
        async with open_gate(Config(), url) as gate:
            assert (await ask(gate, "second")).reason_code == "RISK_MARGIN"
            assert (await ask(gate, "third", Decimal(4_000))).reason_code is None
            assert (await ask(gate, "fourth", Decimal(1))).reason_code == "RISK_MARGIN"

    asyncio.run(main())


ORDER = {
    "fund_id": "paper-momentum",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "10",
    "order_type": "limit",
    "limit_price": "100.00",
    "tif": "gtc",
}


TREND = SubmitOrder(
    key_kind="idempotency_key",
    key="trend",
    fund_id="paper-momentum",
    symbol="AAPL",
    side=Side.BUY,
    quantity=Decimal(1),
    order_type=OrderType.MARKET,
    strategy_id="trend",
)


async def built(gate: Gate, quantity: int) -> None:
    """Waits until the strategy's fills have come to so much."""
    rows = []
    async with asyncio.timeout(30):
        while [(row.strategy_id, row.quantity) for row in rows] != [("trend", quantity)]:
            await asyncio.sleep(0.02)
            rows = await gate.journal.select("strategy_positions")


async def strategies_are_counted(url: str, nodes: int) -> None:
    """What a strategy may hold: of many orders at once, and again after it was filled and everybody restarted."""
    config = Config(limits=LimitSections(strategies={"trend": Limits(max_position_qty=Decimal(100))}))

    async def ask_all(gates: list[Gate], name: str, quantity: int, count: int = 12) -> Counter:
        orders = await asyncio.gather(
            *(
                gates[n % len(gates)].execute(replace(TREND, key=f"{name}-{n}", quantity=Decimal(quantity)))
                for n in range(count)
            )
        )
        return Counter(result.order.reason_code for result in orders)

    async with AsyncExitStack() as stack:
        gates = [await stack.enter_async_context(open_gate(config, url)) for _ in range(nodes)]
        for gate in gates:
            quote = Quote("AAPL", gate.clock.now(), Decimal(99), Decimal(100), pinned=True)
            await gate.put_quote("paper", quote)
        assert await ask_all(gates, "first", 30) == {None: 3, "RISK_POSITION": 9}
        await built(gates[-1], 90)
    async with AsyncExitStack() as stack:
        gates = [await stack.enter_async_context(open_gate(config, url)) for _ in range(nodes)]
        assert await ask_all(gates, "second", 11) == {"RISK_POSITION": 12}
        assert await ask_all(gates, "third", 10) == {None: 1, "RISK_POSITION": 11}
        await built(gates[0], 100)


def test_what_a_strategy_may_hold_on_sqlite(tmp_path):
    asyncio.run(strategies_are_counted(f"sqlite:///{tmp_path / 'gate.db'}", 1))


def test_what_a_strategy_may_hold_at_two_nodes(ready):
    asyncio.run(strategies_are_counted(ready, 2))


@pytest.mark.slow
def test_a_strategy_that_falls_silent_is_halted_also_by_the_next_who_serves(tmp_path):
    config = tmp_path / "gate.toml"
    config.write_text("[limits.strategies.trend]\nmax_silence_s = 2\n")
    beat = "/v1/risk/strategies/trend/heartbeat"

    def halts(client) -> list[tuple[str, str, str]]:
        items = client.get("/v1/kill-switch").json()["items"]
        return [(halt["level"], halt["name"], halt["by"]) for halt in items]

    with serving(tmp_path / "gate.db", "--config", str(config)) as served, served.client() as client:
        assert halts(client) == []
        assert client.post(beat).status_code == 200
        began = time.monotonic()
    time.sleep(max(0.0, began + 2 - time.monotonic()))
    with serving(tmp_path / "gate.db", "--config", str(config)) as served, served.client() as client:
        assert halts(client) == [("strategy", "trend", "trigger/silence")]
        body = ORDER | {"idempotency_key": "one", "strategy_id": "trend"}
        assert client.post("/v1/orders", json=body).json()["code"] == "RISK_HALTED"


@pytest.mark.slow
def test_one_that_beats_is_not_halted_nor_one_that_never_did(tmp_path):
    config = tmp_path / "gate.toml"
    config.write_text("[limits.strategies.trend]\nmax_silence_s = 4\n")
    with serving(tmp_path / "gate.db", "--config", str(config)) as served, served.client() as client:
        time.sleep(5)
        assert client.get("/v1/kill-switch").json()["items"] == []
        for _ in range(10):
            assert client.post("/v1/risk/strategies/trend/heartbeat").status_code == 200
            time.sleep(0.5)
        assert client.get("/v1/kill-switch").json()["items"] == []


@pytest.mark.slow
def test_an_audit_that_fails_halts_who_trades(tmp_path):
    with serving(tmp_path / "gate.db") as served, served.client() as client:
        assert client.post("/v1/orders", json=ORDER | {"idempotency_key": "one"}).status_code == 202
        command = [sys.executable, "-m", "ordergate", "audit", "verify", "--halt"]
        command += ["--db", f"sqlite:///{served.database}"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        assert client.get("/v1/kill-switch").json()["items"] == []

        with sqlite3.connect(served.database) as foreign:
            foreign.execute("DROP TRIGGER journal_no_update")
            foreign.execute("UPDATE journal SET entry = replace(entry, 'paper', 'gaper') WHERE idx = 0")
        foreign.close()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "the firm is halted" in done.stderr
        (halt,) = client.get("/v1/kill-switch").json()["items"]
        assert (halt["level"], halt["by"]) == ("firm", "trigger/audit")
        assert halt["reason"].startswith("audit: ")
        refused = client.post("/v1/orders", json=ORDER | {"idempotency_key": "two"})
        assert (refused.status_code, refused.json()["code"]) == (422, "RISK_HALTED")
