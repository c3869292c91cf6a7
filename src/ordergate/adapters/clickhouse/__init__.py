"""ClickHouse: a connection that does not keep the loop waiting."""

from ordergate.adapters.clickhouse.connection import Answer, Connection
from ordergate.adapters.clickhouse.target import ClickHouseError, Target, check_library

__all__ = ["Answer", "ClickHouseError", "Connection", "Target", "check_library"]
