"""Puts the parts together, and runs them."""

from ordergate.bootstrap.clickhouse_in import check_clickhouse_in, clickhouse_in
from ordergate.bootstrap.gate import Gate
from ordergate.bootstrap.moving import Moved, check_target, move_fund
from ordergate.bootstrap.nats_in import check_nats_in, nats_in
from ordergate.bootstrap.opening import MEMORY, assemble, leave_to_itself, open_gate, reading_aside
from ordergate.bootstrap.opening_shards import all_reading_aside, open_any, open_shard, open_shards
from ordergate.bootstrap.shards import Shards

__all__ = [
    "MEMORY",
    "Gate",
    "Moved",
    "Shards",
    "all_reading_aside",
    "assemble",
    "check_clickhouse_in",
    "check_nats_in",
    "check_target",
    "clickhouse_in",
    "leave_to_itself",
    "move_fund",
    "nats_in",
    "open_any",
    "open_gate",
    "open_shard",
    "open_shards",
    "reading_aside",
]
