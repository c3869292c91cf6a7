"""A log of more than 70,000 entries, made by the real gate, is taken by readers that are not ours."""

import asyncio
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from tests.acceptance import tlog_checker

from ordergate.adapters.clock import SystemClock
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side

ORDERS = 35_100
CALLERS = 300


async def trade(gate: Gate, numbers) -> None:
    for number in numbers:
        await gate.execute(
            SubmitOrder(
                fund_id="paper-momentum",
                symbol="EURUSD",
                side=Side.BUY if number % 2 else Side.SELL,
                quantity=Decimal("0.01"),
                order_type=OrderType.MARKET,
                key_kind="idempotency_key",
                key=f"key-{number}",
            )
        )


async def fill(url: str) -> int:
    async with open_gate(Config(), url) as gate:
        quote = Quote("EURUSD", SystemClock().now(), Decimal("1.08470"), Decimal("1.08475"), pinned=True)
        await gate.set_quote("paper", quote)
        numbers = iter(range(ORDERS))
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(trade(gate, numbers))
        while any(order.requests for order in gate.runner.engine.state.orders.rows.values()):
            await asyncio.sleep(0.01)
        await gate.quiet()
        return (await gate.journal.head()).size


def ordergate(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ordergate", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_an_exported_log_of_seventy_thousand_entries(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'large.db'}"
    size = asyncio.run(fill(url))
    assert size > 70_000
    ordergate("audit", "verify", "--db", url)
    ordergate("audit", "replay", "--compare", "--db", url)
    ordergate("audit", "export", str(tmp_path / "log"), "--vkey", str(tmp_path / "vkey"), "--db", url)
    why_not = tlog_checker.why_not()
    if why_not is not None:
        pytest.skip(why_not)
    checker = tlog_checker.build(tmp_path)
    taken, said = tlog_checker.check(checker, tmp_path / "log", tmp_path / "vkey")
    assert taken, said
    assert said.startswith(f"ok {size} ")
    entry = tmp_path / "log" / "tile" / "entries" / "007"
    data = bytearray(entry.read_bytes())
    data[1000] ^= 1
    entry.write_bytes(data)
    taken, said = tlog_checker.check(checker, tmp_path / "log", tmp_path / "vkey")
    assert not taken
