"""ClickHouse beside the demo: signals come out of its table, and its answers are compared with the book.

There is no server: the engine runs in the demo's process, on a folder of its own. The time of the engine is that of
now, and the market's may be years ago; so the questions, which ask for what was in the last day, week and month, have
the demo's time in the place of `now()`.
"""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ordergate.adapters.clickhouse import Connection, Target, check_library
from ordergate.adapters.clickhouse.questions import QUESTIONS
from ordergate.adapters.outlets.clickhouse.outlet import cursor_of
from ordergate.api.clickhouse.settings import SignalInputs
from ordergate.bootstrap import Gate
from ordergate.bootstrap.secrets import secrets_of
from ordergate.cli import demo_clickhouse_views as views
from ordergate.cli import terminal as t
from ordergate.cli.demo_waiting import delivered, ended, until, wished
from ordergate.config import Config
from ordergate.config.clickhouse import ClickHouseSection
from ordergate.domain.times import format_time

_TABLE: Final = """
CREATE TABLE trading_signals (
    signal_id String,
    created_at DateTime64(6, 'UTC'),
    symbol String,
    signal_type Enum8('buy' = 1, 'sell' = 2, 'hold' = 3, 'close_long' = 4, 'close_short' = 5),
    position_size_recommended Decimal(38, 18),
    entry_price Decimal(38, 18),
    risk_approval_status Enum8('pending' = 1, 'approved' = 2, 'rejected' = 3),
    execution_status Enum8('pending' = 1, 'submitted' = 2, 'filled' = 3, 'cancelled' = 4, 'failed' = 5),
    order_id Nullable(String)
) ENGINE = MergeTree ORDER BY created_at"""
_SAID: Final = (
    "SELECT signal_id, toString(risk_approval_status), toString(execution_status), order_id FROM trading_signals "
    "ORDER BY signal_id"
)
_SIGNAL: Final = ("signal", "risk says", "the table says", "order", "book's order", "state")
_THREAD: Final = "ordergate-clickhouse"
_TRIES: Final = 3
_CLOSED_S: Final = 10.0


class ClickHouseCompanion:
    """The engine in a folder of the demo's: the demo is its risk service, and asks what it has."""

    name = "clickhouse"

    def __init__(self, section: ClickHouseSection, target: Target) -> None:
        self._section, self._target = section, target
        self._approved: list[str] = []

    def configured(self, config: Config) -> Config:
        """See `Companion`."""
        return replace(config, clickhouse=self._section)

    async def act(self, gate: Gate) -> None:
        """Puts signals into the table, and waits until the table says what became of them."""
        made = await wished(self.name, gate)
        if not made:
            return
        self._approved = [wish["signal_id"] for wish in made]
        others = [made[0] | {"signal_id": f"demo-{self.name}-{word}"} for word in ("pending", "rejected")]
        rows = [_row(wish, "approved") for wish in made]
        rows += [_row(wish, word) for wish, word in zip(others, ("pending", "rejected"), strict=True)]
        connection = Connection(self._target)
        try:
            await connection.insert("trading_signals", msgspec.json.Encoder().encode_lines(rows))

            async def told() -> bool:
                return all(
                    said[2] != "pending" for said in await _said(connection) if said[0] in self._approved
                )

            await until("the table says what became of its signals", told)
        finally:
            await connection.close()
        await ended(gate, self._approved)

    async def compare(self, gate: Gate) -> dict[str, Any]:
        """Waits until all that is journalled now is in the tables, and asks; once more if more came meanwhile."""
        for _ in range(_TRIES):
            size = await delivered(gate, cursor_of(self._section.database))
            found = await self._compared(gate)
            if (await gate.journal.head()).size == size:
                break
        return found

    async def _compared(self, gate: Gate) -> dict[str, Any]:
        now = gate.clock.now()
        book = await views.book_of(gate.queries)
        connection = Connection(self._target)
        try:
            answers = {
                name: await connection.query(
                    sql.replace("now()", f"toDateTime64('{now:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')")
                )
                for name, sql in QUESTIONS.items()
            }
            signals = [_fate(said, book) for said in await _said(connection)]
        finally:
            await connection.close()
        compared = {
            "recent": views.compare_recent(answers["recent"], book, now),
            "fill-rate": views.compare_rate(answers["fill-rate"], book, now),
            "slippage": views.compare_slippage(answers["slippage"], book, now),
        }
        agrees = all(one["agrees"] for one in (*compared.values(), *signals))
        return {"agrees": agrees, "now": format_time(now), "signals": signals, **compared}

    def say(self, found: Mapping[str, Any]) -> None:
        """See `Companion`."""
        rows = [
            (
                one["signal_id"], one["approval"], one["status"], one["order_id"], one["book_order_id"],
                one["state"] if one["agrees"] else f"{one['state']}: NOT as it should be",
            )
            for one in found["signals"]
        ]  # fmt: skip
        t.print_table("ClickHouse, signals that came in", _SIGNAL, rows)
        views.say(found)
        word = "every answer is the book's" if found["agrees"] else "they are NOT the book's"
        t.out.print(f"now() was {found['now']}, the demo's time: {word}")
        t.out.print()


def _row(wish: Mapping[str, str], approval: str) -> dict[str, str]:
    return {
        "signal_id": wish["signal_id"],
        "created_at": wish["time"],
        "symbol": wish["symbol"],
        "signal_type": wish["signal_type"],
        "position_size_recommended": wish["position_size"],
        "entry_price": wish["entry_price"],
        "risk_approval_status": approval,
        "execution_status": "pending",
    }


async def _said(connection: Connection) -> Sequence[Sequence[Any]]:
    return (await connection.query(_SAID)).rows


def _fate(said: Sequence[Any], book: views.Book) -> dict[str, Any]:
    """What became of a signal, and whether table and book are of one mind; only approved ones make an order."""
    signal_id, approval, status, order_id = said
    orders = [order for order in book.orders if order.signal_id == signal_id]
    order = orders[0] if len(orders) == 1 else None
    theirs = None if order is None else order.order_id
    if approval != "approved":
        agrees = not orders and status == "pending" and order_id is None
    else:  # a gate with limits of its own may say no
        agrees = len(orders) <= 1 and (order_id or None) == theirs and (status != "pending")
    return {
        "signal_id": signal_id,
        "approval": approval,
        "status": status,
        "order_id": order_id or None,
        "book_order_id": theirs,
        "state": None if order is None else str(order.state),
        "agrees": agrees,
    }


@contextmanager
def clickhouse(folder: Path) -> Iterator[ClickHouseCompanion]:
    """It, with the table of signals there. Raises ClickHouseError where something for it is not installed."""
    signals = SignalInputs(take=True, every_ms=50)
    section = ClickHouseSection(url=f"chdb://{folder / 'clickhouse'}", signals=signals)
    target = section.target(secrets_of(Config()))
    check_library(target)
    others = set(threading.enumerate())
    asyncio.run(_make_table(target))
    try:
        yield ClickHouseCompanion(section, target)
    finally:
        # The engine must have let go of the folder before that is deleted.
        for thread in set(threading.enumerate()) - others:
            if thread.name == _THREAD:
                thread.join(_CLOSED_S)


async def _make_table(target: Target) -> None:
    connection = Connection(target)
    try:
        await connection.command(_TABLE)
    finally:
        await connection.close()
