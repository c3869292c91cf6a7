"""A configuration of two shards, `eu` with fund alpha and `us` with fund beta, and orders for it."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx2

from ordergate.api.rest.app import build
from ordergate.bootstrap import Shards, open_shards
from ordergate.config import Config, Database, FundSection, PaperBroker, ShardSection, Signals
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder, parse_order
from ordergate.domain.orders.states import Protection

URL = "http://127.0.0.1:8012"
BROKERS = {"eu": "paper-eu", "us": "paper-us"}


def config(
    folder: Path | None = None,
    *,
    beta: str = "us",
    window: str = "forever",
    protect: Protection = Protection.NONE,
) -> Config:
    """The configuration; in memory without a folder. `beta` is where the fund of that name lies, `window` its dedupe window."""
    return Config(
        database=Database(url="sqlite://" if folder is None else f"sqlite:///{folder / 'orders.db'}"),
        shards={"eu": ShardSection(), "us": ShardSection()},
        brokers={name: PaperBroker(shard=shard) for shard, name in BROKERS.items()},
        funds={
            "alpha": FundSection(broker=BROKERS["eu"], shard="eu", unlimited=True),
            "beta": FundSection(broker=BROKERS[beta], shard=beta, dedupe_window=window, unlimited=True),
        },
        signals=Signals(fund="beta", protect=protect),
    )


TOML = """
[database]
url = "sqlite:///orders.db"

[shards.eu]
[shards.us]

[brokers.paper-eu]
shard = "eu"

[brokers.paper-us]
shard = "us"

[funds.alpha]
unlimited = true
shard = "eu"
broker = "paper-eu"

[funds.beta]
unlimited = true
shard = "{beta}"
broker = "paper-{beta}"

[signals]
fund = "beta"
"""


def body(fund: str, key: str, order_id: str | None = None, **changes: str) -> dict[str, str]:
    """An order of 10 AAPL at the market, as JSON has it."""
    order = {
        "idempotency_key": key, "fund_id": fund, "symbol": "AAPL", "side": "buy", "quantity": "10",
        "order_type": "market",
    }  # fmt: skip
    return order | ({} if order_id is None else {"order_id": order_id}) | changes


def order(fund: str, key: str, order_id: str | None = None, **changes: str) -> SubmitOrder:
    return parse_order(body(fund, key, order_id, **changes))


async def make_market(shards: Shards, bid: str = "180.40", ask: str = "180.50") -> None:
    """The same quote at every venue."""
    for broker in shards.paper_venues:
        quote = Quote(symbol="AAPL", time=datetime.now(UTC), bid=Decimal(bid), ask=Decimal(ask), pinned=True)
        await shards.put_quote(broker, quote)


async def filled(shards: Shards, command: SubmitOrder) -> str:
    """Submits an order that the market takes at once; its id, once it is closed."""
    order_id = (await shards.execute(command)).order.order_id
    gate = await shards.find(order_id)
    await shards.answered(order_id, 20)
    await gate.quiet()
    assert (await shards.queries.order(order_id)).state == "CLOSED"
    return order_id


@asynccontextmanager
async def door(made: Config):
    """The shards, and a client of a REST door before them."""
    async with open_shards(made) as shards:
        transport = httpx2.ASGITransport(build(shards))
        async with httpx2.AsyncClient(transport=transport, base_url=URL) as client:
            yield shards, client
