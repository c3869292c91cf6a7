"""What ClickHouse says of orders, beside what a journal's own tables say: computed from them in Python alone."""

import asyncio
import sqlite3
import statistics
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ordergate.bootstrap import Gate
from ordergate.config import Config, FundSection
from ordergate.config.clickhouse import ClickHouseSection
from tests.services.clickhouse import ClickHouse

RECENT = """
-- Check recent orders
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
LIMIT 20;
"""
RATE = """
-- Calculate fill rate
SELECT
    COUNT(CASE WHEN state = 'FILLED' THEN 1 END) as filled,
    COUNT(CASE WHEN state = 'REJECTED' THEN 1 END) as rejected,
    COUNT(CASE WHEN state = 'CANCELLED' THEN 1 END) as cancelled,
    (COUNT(CASE WHEN state = 'FILLED' THEN 1 END) * 100.0 / COUNT(*)) as fill_rate_pct
FROM orders
WHERE created_at > now() - INTERVAL 7 DAY;
"""
SLIPPAGE = """
-- Average slippage analysis
SELECT
    symbol,
    AVG(slippage_pips) as avg_slippage,
    STDDEV(slippage_pips) as slippage_stddev,
    MAX(ABS(slippage_pips)) as max_slippage
FROM orders
WHERE state = 'FILLED'
  AND created_at > now() - INTERVAL 30 DAY
GROUP BY symbol
ORDER BY avg_slippage DESC;
"""
"""As somebody else wrote them, before there was any table of ours."""
STATES = {
    "CREATED": "PENDING",
    "PENDING_RISK": "PENDING",
    "ACCEPTED": "PENDING",
    "SUBMITTED": "SUBMITTED",
    "PARTIALLY_FILLED": "PARTIALLY_FILLED",
    "FILLED": "FILLED",
    "CLOSED": "FILLED",
    "CANCELED": "CANCELLED",
    "EXPIRED": "CANCELLED",
    "REJECTED": "REJECTED",
    "FAILED": "FAILED",
}
PIPS = {"EURUSD": Decimal("0.0001"), "GBPUSD": Decimal("0.0001"), "USDJPY": Decimal("0.01")}


def analyzed(clickhouse: ClickHouse, **section: Any) -> Config:
    """A configuration without limits that keeps tables in ClickHouse."""
    section = {"url": clickhouse.url, "database": clickhouse.database, "batch_age_ms": 20} | section
    return Config(
        funds={"paper-momentum": FundSection(unlimited=True)}, clickhouse=ClickHouseSection(**section)
    )


async def kept(gate: Gate, within_s: float = 30.0) -> int:
    """Once ClickHouse has all that there is now: how much that is."""
    size = (await gate.journal.head()).size
    until = time.monotonic() + within_s
    while await gate.journal.cursor(f"clickhouse.{gate.config.clickhouse.database}") < size:
        assert time.monotonic() < until, "ClickHouse does not come to the journal's end"
        await asyncio.sleep(0.01)
    return size


def dump(clickhouse: ClickHouse, *without: str) -> dict[str, list[list[str]]]:
    """All that a plain client sees, but for some columns."""
    left = f"* EXCEPT ({', '.join(without)})" if without else "*"
    return {
        table: clickhouse.ask(f"SELECT {left} FROM {table} ORDER BY {key}")
        for table, key in (
            ("orders", "order_id"),
            ("executions", "order_id, exec_id"),
            ("positions", "log, fund_id, symbol"),
        )
    }


class Ours:
    """The answers from a database file of SQLite's."""

    def __init__(self, path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.row_factory = sqlite3.Row
            self.orders = [dict(row) for row in connection.execute("SELECT * FROM orders")]
            self.fills = [dict(row) for row in connection.execute("SELECT * FROM fills WHERE counts")]
        connection.close()
        for order in self.orders:
            order["state"] = STATES[order["state"]]
            order["fill_price"], order["pips"] = None, None
            if bought := [fill for fill in self.fills if fill["order_id"] == order["order_id"]]:
                value = sum((Decimal(f["price"]) * Decimal(f["quantity"]) for f in bought), Decimal(0))
                order["fill_price"] = round(value / sum(Decimal(f["quantity"]) for f in bought), 10)
                order["pips"] = self._pips(order)

    @staticmethod
    def _pips(order: dict[str, Any]) -> Decimal | None:
        if order["symbol"] not in PIPS or order["arrival_bid"] is None:
            return None
        middle = (Decimal(order["arrival_bid"]) + Decimal(order["arrival_ask"])) / 2
        worse = (order["fill_price"] - middle) * (1 if order["side"] in ("buy", "cover") else -1)
        return round(worse / PIPS[order["symbol"]], 4)

    def _since(self, days: int) -> list[dict[str, Any]]:
        since = datetime.now(UTC) - timedelta(days=days)
        return [order for order in self.orders if at(order["created_at"]) > since]

    def recent(self) -> list[tuple[Any, ...]]:
        rows = sorted(self._since(1), key=lambda order: order["created_at"], reverse=True)[:20]
        return [
            (
                o["order_id"], o["signal_id"], o["symbol"], o["order_type"], o["state"], number(o["entry_price"]),
                o["fill_price"], o["pips"], at(o["created_at"]), at(o["filled_at"]),
            )
            for o in rows
        ]  # fmt: skip

    def rate(self) -> tuple[int, int, int, float]:
        states = [order["state"] for order in self._since(7)]
        filled, rejected, canceled = (states.count(word) for word in ("FILLED", "REJECTED", "CANCELLED"))
        return filled, rejected, canceled, filled * 100.0 / len(states)

    def slippage(self) -> dict[str, tuple[float, float, Decimal] | None]:
        """By symbol; None where none of its orders has any."""
        found: dict[str, list[Decimal]] = {}
        for order in self._since(30):
            if order["state"] == "FILLED":
                found.setdefault(order["symbol"], []).extend([] if order["pips"] is None else [order["pips"]])
        return {
            symbol: (float(statistics.mean(pips)), float(statistics.stdev(pips)), max(map(abs, pips)))
            if pips
            else None
            for symbol, pips in found.items()
        }


def at(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def check_answers(clickhouse: ClickHouse, path: Path) -> None:
    """The three queries, as an unmodified client asks them, give what our own tables give."""
    ours = Ours(path)
    with clickhouse.client(tz_mode="aware") as client:
        recent = [tuple(row) for row in client.query(RECENT).result_rows]
        rate = client.query(RATE).result_rows
        slippage = client.query(SLIPPAGE).result_rows
    assert recent == ours.recent()
    ((filled, rejected, canceled, percent),) = rate
    assert (filled, rejected, canceled) == ours.rate()[:3]
    assert abs(percent - ours.rate()[3]) < 1e-9
    assert {row[0] for row in slippage} == set(ours.slippage())
    averages = [row[1] for row in slippage if row[1] is not None]
    assert averages == sorted(averages, reverse=True)
    for symbol, average, deviation, most in slippage:
        wanted = ours.slippage()[symbol]
        if wanted is None:
            assert (average, most) == (None, None), symbol
        else:
            assert abs(average - wanted[0]) < 1e-9, symbol
            assert abs(deviation - wanted[1]) < 1e-9, symbol
            assert most == wanted[2], symbol
