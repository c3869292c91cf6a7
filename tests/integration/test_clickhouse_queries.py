"""Three queries that others have written, as written, over a thousand orders: the answers are our own tables'."""

import asyncio
import contextlib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.paper.settings import Faults
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, PaperBroker
from ordergate.domain.errors import Refused
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder, SubmitOrder
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import ExecutionKind, OrderType, Side, TimeInForce
from ordergate.domain.signals import Signal, SubmitSignal
from tests.services.analytics import analyzed, check_answers, kept
from tests.services.clickhouse import ClickHouse

MARKET = {"EURUSD": "1.08000", "GBPUSD": "1.27000", "USDJPY": "155.000", "AAPL": "180.00"}
SPREAD = {"EURUSD": "0.00010", "GBPUSD": "0.00012", "USDJPY": "0.010", "AAPL": "0.02"}


def config(clickhouse: ClickHouse) -> Config:
    venue = PaperBroker(
        fee_bps=Decimal("0.5"), slippage_bps=Decimal("0.3"), faults=Faults(reject=Decimal("0.15"), seed=3)
    )
    return replace(analyzed(clickhouse), brokers={"paper": venue})


class Day:
    """Random orders, the same for the same seed."""

    def __init__(self, gate: Gate, seed: int) -> None:
        self._gate, self._random, self._number = gate, Random(seed), 0

    async def quote(self) -> None:
        for symbol, price in MARKET.items():
            spread = Decimal(SPREAD[symbol])
            bid = Decimal(price) + spread * self._random.randint(-30, 30)
            size = None if self._random.random() < 0.7 else Decimal(3)
            quote = Quote(
                symbol, self._gate.clock.now(), bid, bid + spread, bid_size=size, ask_size=size, pinned=True
            )
            await self._gate.put_quote("paper", quote)

    async def trade(self, count: int) -> None:
        """So many orders at once; some of them are changed, canceled, busted or corrected then."""
        done = await asyncio.gather(*(self._gate.execute(self._order()) for _ in range(count)))
        await self._gate.quiet()
        for one in done:
            await self._meddle(one.order.order_id)
        await self._gate.runner.settled()

    def _order(self) -> SubmitOrder | SubmitSignal:
        self._number += 1
        symbol = self._random.choice(list(MARKET))
        price = Decimal(MARKET[symbol])
        if self._random.random() < 0.3:
            return SubmitSignal(
                Signal(
                    signal_id=f"sig-{self._number}",
                    symbol=symbol,
                    action=self._random.choice(("buy", "sell")),
                    quantity=Decimal(self._random.randint(1, 5)),
                    entry_price=price,
                )
            )
        limit = self._random.random() < 0.5
        return SubmitOrder(
            fund_id="paper-momentum",
            symbol=symbol,
            side=self._random.choice(list(Side)),
            quantity=Decimal(self._random.randint(1, 9)),
            order_type=OrderType.LIMIT if limit else OrderType.MARKET,
            limit_price=price if limit else None,
            tif=self._random.choice((TimeInForce.GTC, TimeInForce.IOC)),
            key_kind="idempotency_key",
            key=f"k-{self._number}",
        )

    async def _meddle(self, order_id: str) -> None:
        chance = self._random.random()
        if chance > 0.3:
            return
        (order,) = await self._gate.journal.get("orders", [(order_id,)])
        fills = await self._gate.journal.select("fills", {"order_id": order_id})
        if chance < 0.1:
            command: Any = CancelOrder(order_id=order_id)
        elif chance < 0.2:
            command = ReplaceOrder(order_id=order_id, quantity=order.quantity + 1)
        else:
            if fills:
                self._take_back(order, fills[0])
            return
        with contextlib.suppress(Refused):  # it has ended
            await self._gate.execute(command)

    def _take_back(self, order: Any, fill: Any) -> None:
        busts = self._random.random() < 0.5
        self._gate.runner.report(
            Executed(
                broker="paper",
                client_id=order.client_id,
                exec_id=f"{fill.exec_id}-again",
                time=fill.time + timedelta(microseconds=1),
                quantity=Decimal(0) if busts else fill.quantity,
                price=fill.price if busts else fill.price + Decimal(SPREAD[fill.symbol]),
                execution_kind=ExecutionKind.BUST if busts else ExecutionKind.CORRECT,
                refers_to=fill.exec_id,
            )
        )


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.slow
def test_a_thousand_orders(clickhouse: ClickHouse, tmp_path: Path) -> None:
    database = tmp_path / "orders.db"

    async def main() -> None:
        async with open_gate(config(clickhouse), f"sqlite:///{database}") as gate:
            day = Day(gate, 8)
            for _ in range(10):
                await day.quote()
                await day.trade(100)
            await gate.quiet()
            await kept(gate)

    asyncio.run(main())
    check_answers(clickhouse, database)
    states = {state for _id, state in clickhouse.ask("SELECT order_id, state FROM orders")}
    assert states >= {"FILLED", "REJECTED", "CANCELLED", "SUBMITTED"}
    kinds = {kind for (kind,) in clickhouse.ask("SELECT kind FROM executions_versions FINAL")}
    assert kinds == {"trade", "bust", "correct"}
    assert clickhouse.ask("SELECT count() FROM orders") == [["1000"]]
