"""Orders, executions and positions in ClickHouse, for whoever asks them in SQL."""

from ordergate.adapters.outlets.clickhouse.filling import Filled, fill
from ordergate.adapters.outlets.clickhouse.outlet import ClickHouseTables, cursor_of
from ordergate.adapters.outlets.clickhouse.store import Store

__all__ = ["ClickHouseTables", "Filled", "Store", "cursor_of", "fill"]
