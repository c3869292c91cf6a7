"""Compares what ordergate says with what the venue itself has written down, after a crash and recovery."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.acceptance import comparing
from tests.acceptance.crash.worker import settings

from ordergate.adapters.brokers.paper.delivery import HELD_S
from ordergate.bootstrap import open_gate
from ordergate.domain.orders.states import Phase

SETTLED_WITHIN_S = 60


def unclear(database: Path) -> int:
    """How many orders a crash has left with a request under way."""
    with closing(sqlite3.connect(database)) as gate:
        (count,) = gate.execute("SELECT count(*) FROM orders WHERE requests <> '[]'").fetchone()
        return count


def recover(database: Path) -> None:
    """Opens the gate after a crash and waits until every request has an answer."""

    async def main() -> None:
        async with open_gate(settings(), f"sqlite:///{database}") as gate:
            orders = gate.runner.engine.state.orders.rows
            async with asyncio.timeout(SETTLED_WITHIN_S):
                while any(_is_unclear(order) for order in orders.values()):
                    await asyncio.sleep(0.005)
            await asyncio.sleep(2 * HELD_S)  # reports that the venue holds back, to deliver them out of order
            await gate.quiet()

    asyncio.run(main())


def _is_unclear(order) -> bool:
    return any(request.phase is not Phase.PARKED for request in order.requests)


def differences(database: Path, answers: Path) -> list[str]:
    """Everything that does not agree; see `comparing`."""
    with closing(sqlite3.connect(database)) as gate, closing(sqlite3.connect(f"{database}.paper")) as venue:
        return comparing.differences(
            lambda sql: gate.execute(sql).fetchall(),
            lambda sql: venue.execute(sql).fetchall(),
            _read(answers),
        )


def _read(answers: Path) -> Iterator[tuple[str, str]]:
    for line in answers.read_text().splitlines() if answers.exists() else []:
        key, _, order_id = line.partition(" ")
        if order_id.startswith("ord-") and len(order_id) >= 30:  # else the kill cut the line itself
            yield key, order_id
