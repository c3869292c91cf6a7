"""Durable lifecycles: submitted, filled, booked, closed, audited; beside the raw floor of the same run."""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct, field

from bench.gates import Venue, open_bench_gate, venue_file
from bench.plan import Plan
from bench.results import Cell, Column, Result, Table, median, percentile
from bench.stopwatch import Spent
from bench.tape import Tape, recording, replay
from bench.traffic import Closings, Traffic, drive
from ordergate.config import Config

NAME = "lifecycles"
_HOW = (
    "Each client submits, waits until its order is CLOSED in the journal, and submits the next. Journal and "
    "paper venue are SQLite files in one process; every commit is on disk (fsync) before anybody is answered, "
    "and carries a signed checkpoint. By CPU: processor time of both floors to that of the run, which a busy disk "
    "does not disturb."
)


class _Level(Struct):
    """All rounds at one number of orders in flight."""

    orders: int
    journal_tape: Tape
    venue_tape: Tape
    written: dict[str, int]
    runs: dict[Venue, list[Traffic]] = field(default_factory=lambda: defaultdict(list))
    journal_floor: list[Spent] = field(default_factory=list)
    venue_floor: list[Spent] = field(default_factory=list)
    both_floor: list[float] = field(default_factory=list)


def measure(plan: Plan) -> Result:
    """Records a run at each level, then measures gate and floor in turns."""
    levels: dict[int, _Level] = {}
    for in_flight, orders in plan.orders.items():
        plan.say(f"recording the batches of {orders} orders, {in_flight} in flight")
        levels[in_flight] = _record(plan, in_flight)
    for number in range(plan.rounds):
        for in_flight, level in levels.items():
            plan.say(f"round {number + 1} of {plan.rounds}, {in_flight} in flight")
            _round(plan, in_flight, level)
    tables = [_rates(levels), _floors(levels), _batches(levels), _venues(levels)]
    proof = {str(in_flight): level.written for in_flight, level in levels.items()}
    return Result(name=NAME, tables=tables, proof=proof)


def _warm_up(plan: Plan, in_flight: int) -> int:
    return max(plan.warm_up, in_flight)


async def run_lifecycles(
    database: Path,
    plan: Plan,
    in_flight: int,
    venue: Venue,
    mark: Callable[[], None] | None = None,
    config: Config | None = None,
) -> Traffic:
    """A gate on a fresh file, warmed up, then measured; `mark` is called in between."""
    async with open_bench_gate(database, venue, config) as gate:
        closings, warm_up = Closings(gate.runner), _warm_up(plan, in_flight)
        await drive(gate, closings, 0, warm_up, in_flight)
        if mark is not None:
            mark()
        return await drive(gate, closings, warm_up, plan.orders[in_flight], in_flight)


def _record(plan: Plan, in_flight: int) -> _Level:
    with TemporaryDirectory(dir=plan.folder, prefix="bench-") as folder:
        database = Path(folder) / "recorded.db"
        with recording() as tapes:
            asyncio.run(run_lifecycles(database, plan, in_flight, Venue.DURABLE, tapes.mark))
        written = _written(database)
        if written["closed orders"] != plan.orders[in_flight] + _warm_up(plan, in_flight):
            raise RuntimeError(f"not all orders were closed: {written}")
        return _Level(plan.orders[in_flight], tapes.of(database), tapes.of(venue_file(database)), written)


def _written(database: Path) -> dict[str, int]:
    """How many rows each table of a journal has, and how many orders are closed."""
    with closing(sqlite3.connect(database)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: _count(connection, table) for table in sorted(tables)}
        return rows | {"closed orders": _count(connection, "orders WHERE state = 'CLOSED'")}


def _count(connection: sqlite3.Connection, what: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])


def _round(plan: Plan, in_flight: int, level: _Level) -> None:
    """One round at a level, every run and replay on files of its own."""
    with TemporaryDirectory(dir=plan.folder, prefix="bench-") as name:
        folder = Path(name)
        journal = replay(level.journal_tape, folder / "floor.db")
        if _written(folder / "floor.db") != level.written:
            raise RuntimeError("the floor did not write what the run wrote")
        level.runs[Venue.DURABLE].append(_timed(folder, plan, in_flight, Venue.DURABLE))
        venue = replay(level.venue_tape, folder / "venue-floor.db")
        for other in (Venue.MEMORY, Venue.INSTANT):
            level.runs[other].append(_timed(folder, plan, in_flight, other))
    level.journal_floor.append(journal)
    level.venue_floor.append(venue)
    level.both_floor.append(journal.wall_s + venue.wall_s)


def _timed(folder: Path, plan: Plan, in_flight: int, venue: Venue) -> Traffic:
    return asyncio.run(run_lifecycles(folder / f"{venue.name.lower()}.db", plan, in_flight, venue))


def _rate(level: _Level, seconds: list[float]) -> float:
    return level.orders / median(seconds)


def _wall(runs: list[Traffic]) -> list[float]:
    return [run.spent.wall_s for run in runs]


def _rates(levels: dict[int, _Level]) -> Table:
    rows: list[list[Cell]] = []
    for in_flight, level in levels.items():
        runs = level.runs[Venue.DURABLE]
        answers = [seconds for run in runs for seconds in run.answers_s]
        rate = _rate(level, _wall(runs))
        rows.append(
            [
                in_flight,
                rate,
                _cpu_us(level, runs),
                rate / _rate(level, [floor.wall_s for floor in level.journal_floor]),
                rate / _rate(level, level.both_floor),
                _floor_cpu_us(level) / _cpu_us(level, runs),
                percentile(answers, 0.5) * 1e3,
                percentile(answers, 0.99) * 1e3,
            ]
        )
    return Table(
        title="Durable lifecycles (submitted, filled, booked, closed, audited)",
        columns=[
            Column("in flight", ","),
            Column("lifecycles/s", ",.0f"),
            Column("CPU us each", ",.0f"),
            Column("of journal's floor", ".2f"),
            Column("of both floors", ".2f"),
            Column("by CPU", ".2f"),
            Column("answer p50 ms", ".2f"),
            Column("answer p99 ms", ".2f"),
        ],
        rows=rows,
        notes=[_HOW],
    )


def _floors(levels: dict[int, _Level]) -> Table:
    return Table(
        title="Raw floor: the same statements, rows and commits by the bare driver",
        columns=[
            Column("in flight", ","),
            Column("journal, lifecycles/s", ",.0f"),
            Column("CPU us each", ",.0f"),
            Column("venue, lifecycles/s", ",.0f"),
            Column("CPU us each", ",.0f"),
            Column("both, one after the other", ",.0f"),
        ],
        rows=[
            [
                in_flight,
                _rate(level, [floor.wall_s for floor in level.journal_floor]),
                median([floor.cpu_s for floor in level.journal_floor]) / level.orders * 1e6,
                _rate(level, [floor.wall_s for floor in level.venue_floor]),
                median([floor.cpu_s for floor in level.venue_floor]) / level.orders * 1e6,
                _rate(level, level.both_floor),
            ]
            for in_flight, level in levels.items()
        ],
        notes=["Reads outside of transactions are left out: the floor is what must be written."],
    )


def _batches(levels: dict[int, _Level]) -> Table:
    rows: list[list[Cell]] = []
    for in_flight, level in levels.items():
        batches = [size for run in level.runs[Venue.DURABLE] for size in run.batches]
        orders = level.orders * len(level.runs[Venue.DURABLE])
        rows.append(
            [
                in_flight,
                sum(batches) / orders,
                sum(batches) / len(batches),
                percentile(batches, 0.5),
                max(batches),
                len(batches) / orders,
                level.venue_tape.commits() / level.orders,
                level.journal_tape.rows() / level.orders,
                level.venue_tape.rows() / level.orders,
            ]
        )
    return Table(
        title="What is written per lifecycle",
        columns=[
            Column("in flight", ","),
            Column("entries", ".2f"),
            Column("entries per commit", ".1f"),
            Column("median", ","),
            Column("largest", ","),
            Column("commits", ".3f"),
            Column("venue's commits", ".3f"),
            Column("rows", ".1f"),
            Column("venue's rows", ".1f"),
        ],
        rows=rows,
    )


def _venues(levels: dict[int, _Level]) -> Table:
    rows: list[list[Cell]] = []
    for in_flight, level in levels.items():
        rates = [_rate(level, _wall(level.runs[venue])) for venue in Venue]
        costs = [_cpu_us(level, level.runs[venue]) for venue in Venue]
        rows.append([in_flight, *rates, *costs, 1 - costs[-1] / costs[0]])
    return Table(
        title="The venue's share: other venues behind the same durable journal",
        columns=[
            Column("in flight", ","),
            *(Column(f"{venue.value}, lifecycles/s", ",.0f") for venue in Venue),
            *(Column(f"{venue.value}, CPU us", ",.0f") for venue in Venue),
            Column("durable venue's share of the CPU", ".0%"),
        ],
        rows=rows,
        notes=["The instant venue fills at once and keeps nothing; what it leaves is the gate's own cost."],
    )


def _cpu_us(level: _Level, runs: list[Traffic]) -> float:
    return median([run.spent.cpu_s for run in runs]) / level.orders * 1e6


def _floor_cpu_us(level: _Level) -> float:
    """Of both floors."""
    floors = zip(level.journal_floor, level.venue_floor, strict=True)
    return median([journal.cpu_s + venue.cpu_s for journal, venue in floors]) / level.orders * 1e6
