"""A database of an earlier schema, with what a busy day has left in it."""

from typing import Any

import sqlalchemy as sa
from alembic import command

from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.adapters.journals.migrate import config
from ordergate.domain.positions.position import StrategyPosition
from ordergate.protocols.tlog import Signer
from tests.journals.busy_day import ELSEWHERE, FAR, BusyDay
from tests.journals.desk import Desk


async def busy(size: int = 400) -> MemoryJournal:
    """A journal of a busy day."""
    journal = MemoryJournal()
    desk = await Desk.open(journal, Signer("test.example/journal", bytes(32)))
    await BusyDay(5, trades_alone=True).run(desk, size)
    return journal


async def rows_of(journal: MemoryJournal) -> tuple[dict[str, list[Any]], list[StrategyPosition]]:
    """Orders and fills; and what strategies have built, but for the fund that came from elsewhere and has left."""
    rows = {table: await journal.select(table) for table in ("orders", "fills")}
    built = await journal.select("strategy_positions")
    return rows, [row for row in built if row.fund_id != "gamma"]


def make(bound: sa.Connection, revision: str, rows: dict[str, list[Any]], codec: Any) -> None:
    """Brings an empty database to a revision, and writes rows as far as it has columns for them."""
    command.upgrade(config(bound), revision)
    for name, values in rows.items():
        table = sa.Table(name, sa.MetaData(), autoload_with=bound)
        known = codec(name)
        shown = [dict(zip(known.names, known.encode(row), strict=True)) for row in values]
        bound.execute(table.insert(), [{n: v for n, v in row.items() if n in table.c} for row in shown])


async def traded_in(journal: MemoryJournal) -> list[Any]:
    """What was traded in accounts, but for what was adjusted there, and for one that came and has left."""
    return [row for row in await journal.select("account_holdings") if row.broker not in (ELSEWHERE, FAR)]
