"""Questions that people ask of the tables, by name, and asking them so that nothing can be changed by it."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import asdict

from ordergate.adapters.clickhouse.connection import Answer, Connection
from ordergate.adapters.clickhouse.target import ClickHouseError, Target

QUESTIONS: Final[Mapping[str, str]] = {
    "recent": """
SELECT
    order_id,
    signal_id,
    symbol,
    order_type,
    state,
    entry_price,
    fill_price,
    slippage_pips,
    created_at,
    filled_at
FROM orders
WHERE created_at > now() - INTERVAL 1 DAY
ORDER BY created_at DESC
LIMIT 20""",
    "fill-rate": """
SELECT
    COUNT(CASE WHEN state = 'FILLED' THEN 1 END) as filled,
    COUNT(CASE WHEN state = 'REJECTED' THEN 1 END) as rejected,
    COUNT(CASE WHEN state = 'CANCELLED' THEN 1 END) as cancelled,
    (COUNT(CASE WHEN state = 'FILLED' THEN 1 END) * 100.0 / COUNT(*)) as fill_rate_pct
FROM orders
WHERE created_at > now() - INTERVAL 7 DAY""",
    "slippage": """
SELECT
    symbol,
    AVG(slippage_pips) as avg_slippage,
    STDDEV(slippage_pips) as slippage_stddev,
    MAX(ABS(slippage_pips)) as max_slippage
FROM orders
WHERE state = 'FILLED'
  AND created_at > now() - INTERVAL 30 DAY
GROUP BY symbol
ORDER BY avg_slippage DESC""",
}
"""The orders of a day, how many of a week's were filled, and the slippage of a month's, by symbol."""
_NO_TABLE: Final = 60
_NO_DATABASE: Final = 81
_SYNTAX: Final = 62
_READONLY: Final = 164


class _Untouched(Target, frozen=True, kw_only=True):
    """A target where nothing can be changed."""

    def options(self) -> dict[str, Any]:
        """See `Target`; 2 lets a question have settings of its own, but never this one."""
        return {**super().options(), "settings": {"readonly": "2"}}


async def ask(target: Target, sql: str) -> Answer:
    """The answer to a question in ClickHouse's SQL.

    Raises:
        ClickHouseError: there is no server, no such table, or it is no question; nothing was changed.
    """
    connection = Connection(_Untouched(**asdict(target)))
    try:
        return await connection.query(sql)
    except ClickHouseError as error:
        hint = _hint(error, target)
        raise ClickHouseError(f"{error}{hint}", error.code) from error
    finally:
        await connection.close()


def _hint(error: ClickHouseError, target: Target) -> str:
    """What would be right, where that is known."""
    if error.code in (_NO_TABLE, _NO_DATABASE):
        return (
            f". Tables that ordergate fills are orders, executions and positions, in the database of a gate that has "
            f"clickhouse.url; this one is {target.database}"
        )
    if error.code == _READONLY:
        return ". This only asks: write SELECT ..."
    if error.code == _SYNTAX:
        return f". Write SQL of ClickHouse, without FORMAT, or one of {', '.join(QUESTIONS)}"
    return ""
