"""A gate that archives, orders to archive, and what has become of them."""

import asyncio
import time
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.journals.stores import open_reader
from ordergate.adapters.outlets.kafka import cursor_of
from ordergate.bootstrap import Gate
from ordergate.bootstrap.archive import verify_archive
from ordergate.config import Config, FundSection
from ordergate.config.kafka import KafkaSection
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder, SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from tests.services.secrets import secrets

TOPIC = "order_execution_archive"
MARKET = {"AAPL": ("180.00", "180.10"), "EURUSD": ("1.08000", "1.08010"), "MSFT": ("410.00", "410.20")}
ORDER = {"fund_id": "paper-momentum", "tif": TimeInForce.GTC, "key_kind": "idempotency_key"}


def archiving(server: str, **section: Any) -> Config:
    """A configuration without limits, with an archive."""
    return Config(
        funds={"paper-momentum": FundSection(unlimited=True)},
        kafka=KafkaSection(servers=(server,), **section),
    )


def in_toml(server: str, **section: Any) -> str:
    lines = [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in section.items()]
    return "\n".join(
        ["[funds.paper-momentum]", "unlimited = true", "[kafka]", f'servers = ["{server}"]', *lines, ""]
    )


async def quote(gate: Gate) -> None:
    for symbol, (bid, ask) in MARKET.items():
        at = SystemClock().now()
        await gate.put_quote("paper", Quote(symbol, at, Decimal(bid), Decimal(ask), pinned=True))


async def trade(gate: Gate, first: int, count: int) -> list[float]:
    """So many orders: some are filled, some stay, some are canceled. How long each took to be accepted, in seconds."""
    took = []
    for number in range(first, first + count):
        symbol = list(MARKET)[number % len(MARKET)]
        resting = number % 4 == 3
        kind: dict[str, Any] = {"order_type": OrderType.MARKET}
        if resting:
            kind = {"order_type": OrderType.LIMIT, "limit_price": Decimal("1.00")}
        side, quantity = (Side.SELL if number % 2 else Side.BUY), Decimal(1_000)
        began = time.perf_counter()
        if resting:
            side = Side.BUY
        done = await gate.execute(
            SubmitOrder(**ORDER, **kind, symbol=symbol, side=side, quantity=quantity, key=f"k-{number}")
        )
        took.append(time.perf_counter() - began)
        if number % 8 == 7:
            await gate.quiet()
            await gate.execute(CancelOrder(order_id=done.order.order_id))
    return took


async def archived(gate: Gate, within_s: float = 60.0) -> int:
    """Once all that there is now has been archived: how much that is."""
    size = (await gate.journal.head()).size
    until = time.monotonic() + within_s
    while await gate.journal.cursor(cursor_of(gate.config.kafka.topic)) < size:
        assert time.monotonic() < until, "the archive does not come to the journal's end"
        await asyncio.sleep(0.02)
    return size


async def verified(config: Config, database: Path) -> Any:
    """What a verification finds."""
    reader = await open_reader(f"sqlite:///{database}")
    try:
        return (await verify_archive(config.kafka.target(secrets()), {config.audit.origin: reader})).compared
    finally:
        await reader.close()


def indices(records: Iterable[Any]) -> list[int]:
    """Of records as a consumer gets them."""
    return [int(dict(record.headers())["index"]) for record in records]
