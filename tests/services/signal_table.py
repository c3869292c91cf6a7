"""The table `trading_signals`, as its published definition has it, and a risk service that fills it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.services.clickhouse import ClickHouse

TABLE = """
CREATE TABLE trading_signals (
    signal_id UUID,
    created_at DateTime64(3, 'UTC') DEFAULT now64(3),
    model_version String,
    symbol String,
    timeframe Enum8('5m' = 1, '15m' = 2, '30m' = 3, '1h' = 4, '4h' = 5, '1d' = 6, '1w' = 7),
    signal_timestamp DateTime64(3, 'UTC'),
    signal_type Enum8('buy' = 1, 'sell' = 2, 'hold' = 3, 'close_long' = 4, 'close_short' = 5),
    confidence_score Float64,
    position_size_recommended Float64,
    entry_price Float64,
    stop_loss Float64,
    take_profit Float64,
    risk_approval_status Enum8('pending' = 1, 'approved' = 2, 'rejected' = 3),
    risk_rejection_reason Nullable(String),
    risk_reviewed_at Nullable(DateTime64(3, 'UTC')),
    execution_status Enum8('pending' = 1, 'submitted' = 2, 'filled' = 3, 'cancelled' = 4, 'failed' = 5),
    order_id Nullable(String),
    features_snapshot String
) ENGINE = MergeTree PARTITION BY (symbol, toYYYYMM(created_at)) ORDER BY (symbol, created_at, signal_id)
TTL toDateTime(created_at) + INTERVAL 1 YEAR
"""


def signal_id(number: int) -> str:
    return str(UUID(int=number))


def row(number: int, *, age_s: float = 0, **more: Any) -> dict[str, Any]:
    """An approved signal of so many seconds ago."""
    at = (datetime.now(UTC) - timedelta(seconds=age_s)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return {
        "signal_id": signal_id(number),
        "created_at": at,
        "model_version": "m1",
        "symbol": "EURUSD",
        "timeframe": "5m",
        "signal_timestamp": at,
        "signal_type": "buy",
        "confidence_score": 0.7,
        "position_size_recommended": 0.01,
        "entry_price": 1.08125,
        "stop_loss": 1.08,
        "take_profit": 1.085,
        "risk_approval_status": "approved",
        "execution_status": "pending",
        **more,
    }


def put(server: ClickHouse, *rows: Mapping[str, Any]) -> None:
    """Writes rows."""
    lines = "\n".join(json.dumps(one) for one in rows)
    server.ask(f"INSERT INTO trading_signals FORMAT JSONEachRow\n{lines}")


def said(server: ClickHouse) -> dict[str, tuple[str, str]]:
    """`execution_status` and `order_id` by signal."""
    found = server.ask("SELECT signal_id, execution_status, ifNull(order_id, '') FROM trading_signals")
    return {one: (status, order) for one, status, order in found}
