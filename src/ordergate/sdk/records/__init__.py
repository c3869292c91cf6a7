"""Records of who wanted which orders, and of the orders, events and trades that were observed."""

from ordergate.sdk.records.base import Base
from ordergate.sdk.records.database import close_engine, create_schemas, engine, start_engine

__all__ = ["Base", "close_engine", "create_schemas", "engine", "start_engine"]
