"""Lists: orders, fills, positions."""

from ordergate.api.door import Door
from ordergate.api.lists import FILTERS, page_of
from ordergate.api.rest.call import Call, Reply, json_reply
from ordergate.api.shards import SHARD


async def orders(door: Door, call: Call) -> Reply:
    """GET /v1/orders."""
    return await _list(door, call, "orders")


async def fills(door: Door, call: Call) -> Reply:
    """GET /v1/fills."""
    return await _list(door, call, "fills")


async def positions(door: Door, call: Call) -> Reply:
    """GET /v1/positions."""
    return await _list(door, call, "positions")


async def _list(door: Door, call: Call, table: str) -> Reply:
    given = call.query((*FILTERS[table], SHARD, "limit", "page_token"))
    page = await page_of(door, table, {name: values[0] for name, values in given.items()})
    return json_reply(200, page)
