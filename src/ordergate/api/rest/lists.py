"""Lists: orders, fills, positions, in pages and in the order of their keys."""

from collections.abc import Mapping
from typing import Any, Final

from ordergate.api.door import Door
from ordergate.api.market import market_of
from ordergate.api.paging import key_of, limit_of, token_of
from ordergate.api.problems import DoorCode, failure
from ordergate.api.rest.call import Call, Reply, json_reply
from ordergate.api.rest.shards import SHARD, shard_of
from ordergate.domain.errors import quoted
from ordergate.domain.orders.states import State

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "orders": ("order_id",),
    "fills": ("order_id", "exec_id"),
    "positions": ("fund_id", "symbol"),
}


_STATES: Final = frozenset(state.value for state in State)


async def orders(door: Door, call: Call) -> Reply:
    """GET /v1/orders."""
    return await _list(door, call, "orders", ("fund_id", "symbol", "state", "strategy_id"))


async def fills(door: Door, call: Call) -> Reply:
    """GET /v1/fills."""
    return await _list(door, call, "fills", ("fund_id", "symbol"))


async def positions(door: Door, call: Call) -> Reply:
    """GET /v1/positions."""
    return await _list(door, call, "positions", ("fund_id", "symbol"))


async def _list(door: Door, call: Call, table: str, filters: tuple[str, ...]) -> Reply:
    given = {name: values[0] for name, values in call.query((*filters, SHARD, "limit", "page_token")).items()}
    where: dict[str, Any] = {name: given.get(name) for name in filters}
    _check_state(where.get("state"))
    limit, token, key = limit_of(given.get("limit")), given.get("page_token"), _KEYS[table]
    filtered = {**where, SHARD: given.get(SHARD)}
    after = None if token is None else key_of(token, table, filtered, len(key))
    queries = door.gate.lists if SHARD not in given else shard_of(door, given[SHARD]).lists
    rows = await queries.page(table, where, after, limit + 1)
    shown = await queries.show_page(table, rows[:limit], market_of(door.gate))
    more = len(rows) > limit
    last = tuple(getattr(rows[limit - 1], name) for name in key) if more else ()
    return json_reply(
        200, {"items": shown, "next_page_token": token_of(table, filtered, last) if more else None}
    )


def _check_state(given: str | None) -> None:
    if given is not None and given not in _STATES:
        raise failure(
            400, DoorCode.BAD_PARAMETER, f"{quoted(given)} is none of {', '.join(State)}", parameter="state"
        )
