"""A gate that works one large order in slices, to be killed: `python -m tests.acceptance.crash.splitter DATABASE [BUG]`.

Its slices come every 0.4 s instead of every minute; its clock stands still while there is no process. Writes `ready` when it trades, and `done` when the
order has ended. A BUG is planted to show that the suite finds it.
"""

import asyncio
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from ordergate.adapters.brokers.paper import Faults
from ordergate.adapters.clock import ShiftedClock
from ordergate.application.decide import working
from ordergate.bootstrap import open_gate
from ordergate.config import Config, FundSection, PaperBroker
from ordergate.domain.algos.schedule import Steps
from ordergate.domain.algos.terms import AlgoTerms
from ordergate.domain.algos.vwap import vwap_terms
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import TERMINAL, OrderType, Side
from ordergate.domain.risk import splitting

QUANTITY = 1_500
FAULTS = Faults(
    drop_answer=Decimal("0.1"),
    late_answer=Decimal("0.05"),
    late_answer_ms=20,
    duplicate_report=Decimal("0.1"),
    reorder_report=Decimal("0.1"),
)
KEY = "the-large-one"
_START = datetime(2026, 3, 2, 16, tzinfo=UTC)


def soon(quantity: Decimal, horizon_minutes: int, steps: Steps) -> AlgoTerms:
    """The same slices as in minutes, in seconds."""
    terms = vwap_terms(quantity, horizon_minutes, steps)
    return replace(terms, horizon_s=terms.slices * 2 // 5)


def settings() -> Config:
    fund = FundSection(unlimited=True, split_above=Decimal(100_000), horizon_minutes=15)
    return Config(funds={"paper-momentum": fund}, brokers={"paper": PaperBroker(faults=FAULTS)})


def last_moment(database: str) -> datetime:
    """When the last run came to its end, by its own clock."""
    if not Path(database).exists():
        return _START
    with closing(sqlite3.connect(database)) as gate:
        try:
            (latest,) = gate.execute("SELECT max(updated_at) FROM orders").fetchone()
        except sqlite3.OperationalError:  # killed before there was a schema
            return _START
    return _START if latest is None else datetime.fromisoformat(latest)


def uncounted() -> None:
    """The first fills of each run are the child's alone: its parent is not told in the same step."""
    moved, left = working.a.ChildMoved, [2]

    def told(**given):
        if given["quantity"] and left[0]:
            left[0] -= 1
            given |= {"quantity": Decimal(0), "value": Decimal(0)}
            given |= {"path": given["path"][:-1], "times": given["times"][:-1]}
        return moved(**given)

    working.a.ChildMoved = told


async def main(database: str, bug: str | None) -> None:
    if bug is not None:
        {"uncounted": uncounted}[bug]()
    splitting.vwap_terms = soon
    clock = ShiftedClock(last_moment(database))
    async with open_gate(settings(), f"sqlite:///{database}", clock=clock) as gate:
        quote = Quote("AAPL", clock.now(), Decimal("180.40"), Decimal("180.50"), pinned=True)
        await gate.set_quote("paper", quote)
        wanted = SubmitOrder(
            fund_id="paper-momentum",
            symbol="AAPL",
            side=Side.BUY,
            quantity=Decimal(QUANTITY),
            order_type=OrderType.MARKET,
            strategy_id="momentum",
            key_kind="idempotency_key",
            key=KEY,
        )
        order = (await gate.execute(wanted)).order
        print("ready", flush=True)
        while (await gate.queries.order(order.order_id)).state not in TERMINAL:
            await asyncio.sleep(0.02)
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
