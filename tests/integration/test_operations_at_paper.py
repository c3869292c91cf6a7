"""Operations through a whole gate to paper venues in files: states, balances, and accounts that agree."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

from ordergate.application.comparison import Found
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import load
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import parse_order
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import State

CONFIG = """
[signals]
fund = "carry"

[funds.carry]
broker = "wallet"
unlimited = true

[brokers.wallet]
adapter = "paper"
fee_bps = "10"
unstake_delay_s = 1

[brokers.binance]
adapter = "paper"
currency = "USDT"
fee_bps = "10"

[instruments."ETH/USDC"]
class = "crypto"
unit = "coins"
tick = "0.01"
lot_step = "0.0001"
base = "ETH"
currency = "USDC"

[instruments."BTC/USDT:USDT"]
class = "crypto"
unit = "coins"
tick = "0.1"
lot_step = "0.001"
base = "BTC"
currency = "USDT"
perpetual = true
"""
PERP = "BTC/USDT:USDT"
Script = Callable[[Gate], Coroutine[Any, Any, Any]]


def with_gate(folder: Path, script: Script) -> Any:
    (folder / "ordergate.toml").write_text(CONFIG)
    config = load(folder / "ordergate.toml")

    async def main() -> Any:
        async with open_gate(config, f"sqlite:///{folder}/journal.db") as gate:
            return await script(gate)

    return asyncio.run(main())


async def done(gate: Gate, key: str, **body: Any) -> Order:
    """The order, when it is filled, or refused."""
    order = parse_order({"idempotency_key": key, "fund_id": "carry", **body})
    order_id = (await gate.execute(order)).order.order_id
    async with asyncio.timeout(30):
        while True:
            now = await gate.queries.order(order_id)
            if now.state in (State.FILLED, State.CLOSED, State.REJECTED, State.FAILED):
                return now
            await asyncio.sleep(0.002)


def operation(name: str, quantity: str, token: str, **terms: Any) -> dict[str, Any]:
    return {"operation": name, "quantity": quantity, "symbol": f"token:{token}", "terms": terms or None}


def trade(side: str, quantity: str, symbol: str) -> dict[str, Any]:
    return {"side": side, "quantity": quantity, "symbol": symbol, "order_type": "market", "broker": "binance"}


async def set_market(gate: Gate, symbol: str, bid: str, ask: str) -> None:
    for broker in gate.paper_venues:
        await gate.set_quote(broker, Quote(symbol, gate.clock.now(), Decimal(bid), Decimal(ask), pinned=True))


ORDERS = [
    operation("supply", "100", "USDC", venue="aave_v3"),
    operation("borrow", "1", "ETH", venue="aave_v3"),
    operation("stake", "1", "ETH", venue="lido"),
    operation("unstake", "0.5", "ETH", venue="lido"),
    operation("swap", "0.5", "ETH", token_out="USDC", least_out="1200"),
    operation("repay", "0.25", "ETH", venue="aave_v3"),
    operation("withdraw", "40", "USDC", venue="aave_v3"),
    operation("transfer", "500", "USDC", target="binance"),
    operation(
        "bundle",
        "1",
        "USDC",
        legs=[
            {"operation": "flash_borrow", "quantity": "2500", "token": "USDC", "venue": "aave_v3"},
            {"operation": "swap", "quantity": "2500", "token": "USDC", "token_out": "ETH"},
            {"operation": "swap", "quantity": "1", "token": "ETH", "token_out": "USDC"},
            {"operation": "flash_repay", "quantity": "2500", "token": "USDC", "venue": "aave_v3"},
        ],
    ),
    trade("buy", "2", PERP),
    trade("sell", "1", PERP),
]
BALANCES = {
    "aave_v3:aToken:aUSDC": "60",
    "aave_v3:debtToken:variableDebtETH": "0.75",
    "lido:LST:stETH": "0.5",
    # borrowed 1, staked 1, back 0.5, swapped 0.5, repaid 0.25; the bundle's 1 bought and sold, and the fee on it
    "wallet:BaseToken:ETH": "-0.251",
    # -100 + 40 - 500, 1250 less 1.25 of the swap; -2500 + 2500 less 2.5 of the bundle's
    "wallet:BaseToken:USDC": "686.25",
    "binance:BaseToken:USDC": "500",
    "binance:Perp:BTCUSDT": "1",
    # made -1 * (100 - 100), less 0.2 and 0.1
    "binance:BaseToken:USDT": "-0.3",
}


def test_every_operation_is_booked_by_its_deltas_and_both_accounts_agree(tmp_path: Path) -> None:
    async def first(gate: Gate) -> None:
        await set_market(gate, "ETH/USDC", "2500", "2500")
        await set_market(gate, PERP, "100", "100")
        for number, body in enumerate(ORDERS):
            order = await done(gate, f"k{number}", **body)
            assert order.state in (State.FILLED, State.CLOSED), (body, order.reason)
        await agree(gate)

    async def again(gate: Gate) -> None:
        for number, body in enumerate(ORDERS):
            assert (await done(gate, f"k{number}", **body)).state in (State.FILLED, State.CLOSED)
        await agree(gate)

    for script in (first, again):
        with_gate(tmp_path, script)


async def agree(gate: Gate) -> None:
    rows = await gate.queries.reader.select("balances", {})
    assert {row.position_key: f"{row.amount:f}" for row in rows if row.amount} == BALANCES
    for broker in ("wallet", "binance"):
        found = await gate.compare(broker)
        assert (found.found, found.breaks) == (Found.AGREES, ())
    statement = await gate.statement("binance")
    assert statement is not None
    assert (statement.balances or {})["USDC"] == 500, "as wallet's record says"
    assert statement.positions == {PERP: Decimal(1)}
    bound = (await gate.statement("wallet")).bound  # type: ignore[union-attr]
    assert bound == {
        key: Decimal(BALANCES[key]) for key in BALANCES if "BaseToken" not in key and "Perp" not in key
    }


def test_no_price_is_a_rejection_at_once_that_says_so(tmp_path: Path) -> None:
    async def script(gate: Gate) -> None:
        order = await done(gate, "k", **operation("swap", "1", "ETH", token_out="USDC"))
        assert (order.state, order.reason) == (
            State.REJECTED,
            "no price: nothing quotes ETH in USDC, nor both in dollars",
        )
        alone = await done(gate, "l", **operation("flash_borrow", "1", "ETH", venue="aave_v3"))
        assert alone.state is State.REJECTED
        assert not await gate.queries.reader.select("balances", {})

    with_gate(tmp_path, script)
