"""A program of ordergate's whose exchange is the fake one: `python -m tests.services.exchange_program URL PROGRAM ARGS`.

PROGRAM is `ordergate`, with its own arguments, or `worker DATABASE`: a gate that sends orders until it is killed.
"""

import asyncio
import sys
from decimal import Decimal
from functools import partial

from ordergate.bootstrap import brokers, open_gate
from ordergate.config import CcxtBroker, Config
from ordergate.config.funds import FundSection
from ordergate.config.secrets import SecretsSection
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from tests.services.exchange import leading_to


def config(**change: object) -> Config:
    terms = {
        "symbols": ("BTC/USDT",),
        "api_key_env": "BINANCE_KEY",
        "secret_env": "BINANCE_SECRET",
        "deadline_ms": 2_000,
        "receive_window_ms": 500,
        **change,
    }
    return Config(
        brokers={"binance": CcxtBroker(**terms)},
        funds={"paper-momentum": FundSection(broker="binance", unlimited=True)},
        secrets=SecretsSection(refresh_s=3_600),
    )


def lead_to(url: str) -> None:
    brokers.CcxtBroker = partial(brokers.CcxtBroker, make=leading_to(url))


def order(key: str, price: str | None = "50001") -> SubmitOrder:
    return SubmitOrder(
        fund_id="paper-momentum",
        symbol="BTC/USDT",
        side=Side.BUY,
        quantity=Decimal("0.01"),
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        limit_price=None if price is None else Decimal(price),
        tif=TimeInForce.GTC,
        key_kind="idempotency_key",
        key=key,
    )


async def work(database: str, run: str) -> None:
    async with open_gate(config(), f"sqlite:///{database}") as gate:
        print("ready", flush=True)
        async with asyncio.TaskGroup() as group:
            for caller in range(4):
                group.create_task(_send(gate, f"{run}-{caller}"))


async def _send(gate: object, name: str) -> None:
    for number in range(1_000):
        await gate.execute(order(f"{name}-{number}"))
        await asyncio.sleep(0.02)


def main(url: str, program: str, *arguments: str) -> None:
    lead_to(url)
    if program == "worker":
        asyncio.run(work(*arguments))
        return
    from ordergate.__main__ import main as ordergate

    sys.argv = ["ordergate", *arguments]
    ordergate()


if __name__ == "__main__":
    main(*sys.argv[1:])
