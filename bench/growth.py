"""What an order costs with 1,000, 10,000 and 100,000 open orders, positions and finished orders beside it."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import Struct

from bench.desk import Desk, acknowledgment, fill, order_id
from bench.gates import Venue, open_bench_gate
from bench.orders import RICH, order, resting
from bench.plan import Plan
from bench.results import Cell, Column, Result, Table, check, median
from bench.traffic import Closings, Make, drive
from ordergate.adapters.journals.database import open_journal
from ordergate.application.engine import Input
from ordergate.config import DEFAULT_FUND, Config, FundSection, InstrumentSection
from ordergate.domain.instruments import AssetClass, Unit
from ordergate.domain.orders.commands import SubmitOrder

NAME = "growth"
IN_FLIGHT: Final = 100
_SYMBOLS: Final = 400
_FUNDS: Final = 250
_BATCH: Final = 2_000
_MEASURED_FROM: Final = 10_000_000
_MEASURED_POSITIONS: Final = 1_000
_HOW: Final = (
    f"{IN_FLIGHT} in flight, behind the instant venue, which costs nothing. Open orders and open positions "
    f"are in memory; positions are measured on {_MEASURED_POSITIONS:,} of them in turns. "
    "The more positions there are, the fewer of a batch's rows share a page of the file, until each has its own."
)


class _Series(Struct, frozen=True):
    """One way to grow.

    Attributes:
        make: the order of a number, when the state is built.
        then: what the broker says of it.
        counted: what grows, as SQL.
        measured: makes the orders that are measured.
        open: whether the orders stay open.
    """

    title: str
    config: Config
    make: Make
    then: Callable[[int], Input]
    counted: str
    measured: Make = order
    open: bool = False


class _Point(Struct):
    """One size of one series."""

    size: int
    counted: int
    cpu_us: float
    opening_s: float


def measure(plan: Plan) -> Result:
    """Grows each series, and measures at each size."""
    points = {series.title: _measure(plan, series) for series in _series()}
    sizes = [f"{size:,}" for size in plan.sizes]
    rows: list[list[Cell]] = [
        [
            title,
            *(point.cpu_us for point in series),
            series[-1].cpu_us / series[0].cpu_us,
            series[-1].opening_s,
        ]
        for title, series in points.items()
    ]
    table = Table(
        title="CPU us per lifecycle beside a growing state",
        columns=[
            Column("beside"),
            *(Column(size, ",.0f") for size in sizes),
            Column("last to first", ".2f"),
            Column(f"opening with {sizes[-1]}, s", ".1f"),
        ],
        rows=rows,
        notes=[_HOW],
    )
    proof = {title: [[point.size, point.counted] for point in series] for title, series in points.items()}
    grown = all(point.counted >= point.size for series in points.values() for point in series)
    return check(Result(name=NAME, tables=[table], proof=proof), done=grown)


def _series() -> list[_Series]:
    simple = Config(limits=RICH)
    return [
        _Series(
            "open orders", simple, resting, acknowledgment, "orders WHERE state = 'SUBMITTED'", open=True
        ),
        _Series(
            "open positions", _wide(), _opening, fill, "positions WHERE quantity != '0'", _position_order
        ),
        _Series("finished orders", simple, order, fill, "orders WHERE state = 'CLOSED'"),
    ]


def _wide() -> Config:
    """So many symbols and funds that each position is one of its own."""
    section = InstrumentSection(
        asset_class=AssetClass.FX,
        unit=Unit.LOTS,
        tick=Decimal("0.00001"),
        lot_step=Decimal("0.01"),
        currency="USD",
    )
    funds = (DEFAULT_FUND, *(f"fund-{number}" for number in range(_FUNDS)))
    return Config(
        funds={name: FundSection(unlimited=True) for name in funds},
        instruments={f"SYM-{number}": section for number in range(_SYMBOLS)},
    )


def _opening(number: int) -> SubmitOrder:
    """A buy, which opens position `number`."""
    return order(2 * number, f"SYM-{number % _SYMBOLS}", f"fund-{number // _SYMBOLS % _FUNDS}")


def _position_order(number: int) -> SubmitOrder:
    """A buy of every position that is measured, then a sell of every one, and so on."""
    position, turn = number % _MEASURED_POSITIONS, number // _MEASURED_POSITIONS
    return order(2 * number + turn % 2, f"SYM-{position % _SYMBOLS}", f"fund-{position // _SYMBOLS}")


def _measure(plan: Plan, series: _Series) -> list[_Point]:
    points: list[_Point] = []
    with TemporaryDirectory(dir=plan.folder, prefix="bench-") as folder:
        database, grown = Path(folder) / "growing.db", 0
        for size in plan.sizes:
            plan.say(f"growing to {size:,} {series.title}")
            asyncio.run(_grow(database, series, grown, size))
            grown, counted = size, _count(database, series.counted)
            plan.say(f"measuring beside {size:,} {series.title}")
            cpu_us, opening_s = asyncio.run(_cost(plan, database, series, size))
            points.append(_Point(size, counted, cpu_us, opening_s))
    return points


async def _grow(database: Path, series: _Series, first: int, last: int) -> None:
    journal = open_journal(f"sqlite:///{database}")
    try:
        desk = await Desk.on(journal, series.config, first)
        for start in range(first, last, _BATCH):
            numbers = range(start, min(start + _BATCH, last))
            await desk.write(journal, [series.make(number) for number in numbers])
            await desk.write(journal, [series.then(number) for number in numbers])
    finally:
        await journal.close()


def _count(database: Path, what: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])


async def _cost(plan: Plan, database: Path, series: _Series, size: int) -> tuple[float, float]:
    """CPU microseconds of a lifecycle, and how long the gate took to open."""
    working = frozenset(f"{order_id(number)}.1" for number in range(size if series.open else 0))
    number = _MEASURED_FROM + size * 100
    orders = plan.beside
    begun = time.perf_counter()
    async with open_bench_gate(database, Venue.INSTANT, series.config, working) as gate:
        opening_s = time.perf_counter() - begun
        closings, costs = Closings(gate.runner), []
        for _ in range(1 + plan.rounds):  # the first is the warm-up
            traffic = await drive(gate, closings, number, orders, IN_FLIGHT, series.measured)
            costs.append(traffic.spent.cpu_s / orders * 1e6)
            number += orders
    return median(costs[1:]), opening_s
