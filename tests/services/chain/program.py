"""A gate whose broker is a wallet: `python -m tests.services.chain.program DATABASE SETTINGS` pays until it is killed."""

import asyncio
import sys
from decimal import Decimal
from typing import Any

import msgspec

from ordergate.adapters.brokers.evm.settings import EvmSettings
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, EvmBroker
from ordergate.config.funds import FundSection
from ordergate.config.secrets import SecretsSection
from ordergate.domain.operations import Operation
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.operations import OperationTerms, side_of
from ordergate.domain.orders.states import OrderType, TimeInForce

OTHER = "0x00000000000000000000000000000000000000aa"


def config(settings: EvmSettings) -> Config:
    """A gate with a wallet, and a fund that uses it."""
    given = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return Config(
        brokers={"wallet": EvmBroker(**(given | {"key_env": "WALLET_KEY"}))},
        funds={"chain": FundSection(broker="wallet", unlimited=True)},
        secrets=SecretsSection(refresh_s=3_600),
    )


def asks(key: str, operation: Operation, token: str, quantity: str, **terms: Any) -> SubmitOrder:
    """An order that is no trade."""
    return SubmitOrder(
        fund_id="chain",
        symbol=f"token:{token}",
        side=side_of(operation),
        quantity=Decimal(quantity),
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        key_kind="idempotency_key",
        key=key,
        operation=operation,
        terms=OperationTerms(**terms) if terms else None,
    )


def pays(key: str, quantity: str = "0.01") -> SubmitOrder:
    return asks(key, Operation.TRANSFER, "ETH", quantity, target=OTHER)


async def work(database: str, settings: EvmSettings) -> None:
    async with open_gate(config(settings), f"sqlite:///{database}") as gate:
        print("ready", flush=True)
        for number in range(1_000):
            await _one(gate, number)


async def _one(gate: Gate, number: int) -> None:
    await gate.execute(pays(f"k{number}"))
    await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], msgspec.json.decode(sys.argv[2], type=EvmSettings)))
