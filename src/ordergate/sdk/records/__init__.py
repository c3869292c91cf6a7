"""Records of who wanted which orders, and of the orders, events and trades that were observed."""

from ordergate.sdk.records.base import Base
from ordergate.sdk.records.data_nodes import DataNode, OrderEvents, Orders, Trades
from ordergate.sdk.records.database import close_engine, create_schemas, engine, start_engine
from ordergate.sdk.records.execution import OrderEventsTS, OrdersTS, TimeIndexed, TradesTS
from ordergate.sdk.records.feed import Fed, feed_from, follow
from ordergate.sdk.records.models import AccountTable, AssetTable, OrderManagerTable
from ordergate.sdk.records.parquet import export
from ordergate.sdk.records.questions import Observed, Target, manager_of, observed_of, target_of
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
    "DataNode",
    "Fed",
    "Observed",
    "OrderEvents",
    "OrderEventsTS",
    "OrderManager",
    "OrderManagerCreate",
    "OrderManagerTable",
    "OrderManagerUpdate",
    "OrderManagerUpsert",
    "Orders",
    "OrdersTS",
    "Target",
    "TimeIndexed",
    "Trades",
    "TradesTS",
    "close_engine",
    "create_schemas",
    "engine",
    "export",
    "feed_from",
    "follow",
    "manager_of",
    "observed_of",
    "start_engine",
    "target_of",
]
