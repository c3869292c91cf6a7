"""Lists as every door gives them: orders, fills, positions, in pages and in the order of their keys."""

from collections.abc import Mapping
from typing import Any, Final

from ordergate.api.door import Door
from ordergate.api.market import market_of
from ordergate.api.paging import key_of, limit_of, token_of
from ordergate.api.problems import DoorCode, failure
from ordergate.api.shards import SHARD, shard_of
from ordergate.domain.errors import quoted
from ordergate.domain.orders.states import State

FILTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "orders": ("fund_id", "symbol", "state", "strategy_id", "order_manager", "parent_order_id"),
    "fills": ("fund_id", "symbol"),
    "positions": ("fund_id", "symbol"),
}
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "orders": ("order_id",),
    "fills": ("order_id", "exec_id"),
    "positions": ("fund_id", "symbol"),
}
_STATES: Final = frozenset(state.value for state in State)


async def page_of(door: Door, table: str, given: Mapping[str, str]) -> dict[str, Any]:
    """One page: `items`, and the `next_page_token` behind which there are more.

    Args:
        given: filters, `shard`, `limit` and `page_token`, as text; what is left out filters nothing.

    Raises:
        Failure: one of them cannot be.
        StoreError: the store cannot be read.
    """
    where: dict[str, Any] = {name: given.get(name) for name in FILTERS[table]}
    _check_state(where.get("state"))
    limit, token, key = limit_of(given.get("limit")), given.get("page_token"), _KEYS[table]
    filtered = {**where, SHARD: given.get(SHARD)}
    after = None if token is None else key_of(token, table, filtered, len(key))
    queries = door.gate.lists if SHARD not in given else shard_of(door, given[SHARD]).lists
    rows = await queries.page(table, where, after, limit + 1)
    shown = await queries.show_page(table, rows[:limit], market_of(door.gate))
    more = len(rows) > limit
    last = tuple(getattr(rows[limit - 1], name) for name in key) if more else ()
    return {"items": shown, "next_page_token": token_of(table, filtered, last) if more else None}


def _check_state(given: str | None) -> None:
    if given is not None and given not in _STATES:
        raise failure(
            400, DoorCode.BAD_PARAMETER, f"{quoted(given)} is none of {', '.join(State)}", parameter="state"
        )
