"""Two shards, one server: streams and bucket are shared, and a fund's position follows it to the other shard."""

import asyncio
from pathlib import Path

from msgspec.structs import replace

from ordergate.adapters.outlets.nats import Dialect
from ordergate.application.entry import Origin
from ordergate.bootstrap import move_fund, open_shards
from ordergate.config import Config
from ordergate.config.nats import NatsSection
from tests.integration.test_nats_positions import BUCKET, bucket_of
from tests.services.nats import Nats
from tests.services.nats_reader import caught_up, expected, read
from tests.services.sharded import config, filled, make_market, order

KEY = "mts.v1.oms.positions.beta.AAPL"
LOGS = {shard: f"ordergate.local/journal/{shard}" for shard in ("eu", "us")}
SPOKEN = (Dialect.MTS, Dialect.EVENTS)


def over(nats: Nats, folder: Path, beta: str) -> Config:
    section = NatsSection(servers=(nats.url,), dialects=SPOKEN, positions_bucket=BUCKET)
    return replace(config(folder, beta=beta), nats=section)


async def settled(shards) -> set[str]:
    """Every shard has told everything; the ids of that."""
    ids = set()
    for gate in shards.shards.values():
        await gate.quiet()
        for outlet in ("nats", "nats-positions"):
            await caught_up(gate, outlet)
        ids |= {letter.id for letter in await expected(gate, SPOKEN)}
    return ids


def test_a_fund_takes_its_position_along(nats: Nats, tmp_path: Path) -> None:
    async def before() -> None:
        async with open_shards(over(nats, tmp_path, "us")) as shards:
            await make_market(shards)
            await filled(shards, order("alpha", "k1"))
            await filled(shards, order("beta", "k1"))
            ids = await settled(shards)
            assert {message.headers["Nats-Msg-Id"] for message in await read(nats.url)} == ids
            found = await bucket_of(nats.url)
            assert (found[KEY]["log"], found[KEY]["quantity"]) == (LOGS["us"], "10")
            assert found["mts.v1.oms.positions.alpha.AAPL"]["log"] == LOGS["eu"]

    async def after() -> None:
        async with open_shards(over(nats, tmp_path, "eu")) as shards:
            await make_market(shards)
            await settled(shards)
            there = (await bucket_of(nats.url))[KEY]
            assert (there["log"], there["quantity"]) == (LOGS["eu"], "10")
            await filled(shards, order("beta", "k2"))
            ids = await settled(shards)
            assert (await bucket_of(nats.url))[KEY]["quantity"] == "20"
            assert {message.headers["Nats-Msg-Id"] for message in await read(nats.url)} == ids

    asyncio.run(asyncio.wait_for(before(), 60))
    asyncio.run(move_fund(config(tmp_path, beta="eu"), "beta", "eu", Origin()))
    asyncio.run(asyncio.wait_for(after(), 60))
