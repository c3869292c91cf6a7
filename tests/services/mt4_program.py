"""A gate that trades through a terminal's folder until it is killed: `python -m tests.services.mt4_program FOLDER DATABASE`."""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

from msgspec import to_builtins

from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, Mt4Broker
from ordergate.config.funds import FundSection
from ordergate.config.secrets import SecretsSection
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from tests.services.mt4 import settings_for

LOT = Decimal("0.01")


def config(folder: Path, deadline_ms: int = 10_000) -> Config:
    terms = {**to_builtins(settings_for(folder)), "deadline_ms": deadline_ms}
    return Config(
        brokers={"terminal": Mt4Broker(**terms)},
        funds={"paper-momentum": FundSection(broker="terminal", unlimited=True)},
        secrets=SecretsSection(refresh_s=3_600),
    )


def order(key: str, side: Side = Side.BUY, lots: int = 1, **terms: object) -> SubmitOrder:
    return SubmitOrder(
        fund_id="paper-momentum",
        symbol="EURUSD",
        side=side,
        quantity=lots * LOT,
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        key_kind="idempotency_key",
        key=key,
        **terms,  # type: ignore[arg-type]
    )


async def work(folder: str, database: str) -> None:
    async with open_gate(config(Path(folder)), f"sqlite:///{database}") as gate:
        print("ready", flush=True)
        async with asyncio.TaskGroup() as group:
            for caller in range(3):
                group.create_task(_send(gate, f"caller{caller}"))


async def _send(gate: Gate, name: str) -> None:
    """Two are bought, and three sold in steps: closes, and what is left opens."""
    for number in range(1_000):
        selling = number % 3 == 2
        side, lots = (Side.SELL, 3) if selling else (Side.BUY, 1)
        await gate.execute(order(f"{name}-{number}", side, lots))
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
