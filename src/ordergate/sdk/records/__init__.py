"""Records of who wanted which orders, and of the orders, events and trades that were observed."""

from ordergate.sdk.records.base import Base
from ordergate.sdk.records.database import close_engine, create_schemas, engine, start_engine
from ordergate.sdk.records.models import AccountTable, AssetTable, OrderManagerTable
from ordergate.sdk.records.registry import (
    Account,
    Asset,
    OrderManager,
    OrderManagerCreate,
    OrderManagerUpdate,
    OrderManagerUpsert,
)

__all__ = [
    "Account",
    "AccountTable",
    "Asset",
    "AssetTable",
    "Base",
    "OrderManager",
    "OrderManagerCreate",
    "OrderManagerTable",
    "OrderManagerUpdate",
    "OrderManagerUpsert",
    "close_engine",
    "create_schemas",
    "engine",
    "start_engine",
]
