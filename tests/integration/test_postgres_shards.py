"""Shards on PostgreSQL: two databases, a fund that moves between them, and a node that did not hear of it."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.adapters.journals.stores import open_journal, open_reader
from ordergate.application.audit.moves import check_moves
from ordergate.application.audit.replay import replay
from ordergate.application.audit.verify import verify
from ordergate.application.entry import Origin
from ordergate.bootstrap import move_fund, open_shards
from ordergate.config import ShardSection
from ordergate.domain.errors import Code, Conflict
from tests.services.sharded import config, filled, make_market, order


@pytest.fixture
def made(postgres, _set_up, tmp_path, monkeypatch):
    """The configuration, for where beta lies."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    sections = {name: ShardSection(database=postgres.database(_set_up)) for name in ("eu", "us")}
    return lambda beta: replace(config(beta=beta), shards=sections)


async def quantities(shards):
    rows = await shards.queries.reader.select("positions", {"fund_id": "beta"})
    return [row.quantity for row in rows]


async def prove(of):
    logs = {own.audit.origin: await open_reader(own.database.url) for own in map(of.shard, of.shards)}
    try:
        for log in logs.values():
            await verify(log, None)
        return await check_moves(logs)
    finally:
        for log in logs.values():
            await log.close()


@pytest.mark.slow
def test_a_fund_moves_beside_a_node_that_has_the_old_configuration(made):
    async def main():
        async with open_shards(made("us")) as old:
            await make_market(old)
            for number in range(3):
                await filled(old, order("beta", f"k{number}", f"ord-{number}"))
            told = await move_fund(made("eu"), "beta", "eu", Origin())
            assert (told.source, told.target, told.keys) == ("us", "eu", 3)
            with pytest.raises(Conflict) as refused:
                await old.execute(order("beta", "late"))
            assert refused.value.code is Code.FUND_MOVED
            assert await quantities(old) == [Decimal(30)]  # once, wherever one looks
            async with open_shards(made("eu")) as new:
                again = await new.execute(order("beta", "k0", "ord-0"))
                assert (again.replayed, again.order.order_id) == (True, "ord-0")
                assert await quantities(new) == [Decimal(30)]
        assert (await move_fund(made("eu"), "beta", "eu", Origin())).done_before
        return await prove(made("eu"))

    assert asyncio.run(main()) == 2


@pytest.mark.slow
def test_its_tables_follow_from_its_journal(made, postgres):
    async def main():
        async with open_shards(made("us")) as shards:
            await make_market(shards)
            await filled(shards, order("beta", "k0", "ord-0"))
        await move_fund(made("eu"), "beta", "eu", Origin())
        for name in ("eu", "us"):
            reader = await open_reader(made("eu").shard(name).database.url)
            empty = await open_journal(postgres.database())
            try:
                assert await replay(reader, empty) == []
            finally:
                await reader.close()
                await empty.close()

    asyncio.run(main())
