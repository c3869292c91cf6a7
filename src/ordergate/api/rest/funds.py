"""What funds are worth, and the quotes that say so."""

from ordergate.api.door import Door
from ordergate.api.market import market_of
from ordergate.api.rest.call import Call, Reply, json_reply
from ordergate.api.risk import shards_of
from ordergate.application.nav import navs
from ordergate.application.queries import show
from ordergate.domain.risk.limits import Level


async def nav(door: Door, call: Call) -> Reply:
    """GET /v1/funds/{fund_id}/nav."""
    call.query(())
    fund_id = call.path["fund_id"]
    shard = next(iter(shards_of(door.gate, (Level.FUND, fund_id)).values()))
    (shown,) = await navs(shard.lists.reader, market_of(door.gate), door.gate.clock.now(), fund_id)
    return json_reply(200, shown)


async def quotes(door: Door, call: Call) -> Reply:
    """GET /v1/quotes."""
    call.query(())
    known = door.gate.quotes
    return json_reply(200, {"items": [show(known[symbol]) for symbol in sorted(known)]})
