"""Memory over a million events: a process of its own trades on, and its resident memory is read as it goes."""

import asyncio
import os
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.gates import Venue, open_bench_gate
from bench.plan import Plan
from bench.results import Column, Result, Table, check
from bench.traffic import Closings, drive

NAME = "memory"
IN_FLIGHT: Final = 100
_PIECES: Final = 10
_PER_ORDER: Final = 2
_MIB: Final = 2**20


def measure(plan: Plan) -> Result:
    """Trades in a fresh process, and draws a line through what it says."""
    plan.say(f"memory over {plan.events:,} events")
    with TemporaryDirectory(dir=plan.folder, prefix="bench-") as folder:
        database = Path(folder) / "long.db"
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            points = process.submit(trade, database, plan.events).result()
        with closing(sqlite3.connect(database)) as connection:
            (written,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    settled = points[2:]  # the first pieces fill caches
    per_event = _slope(settled)
    table = Table(
        title=f"Resident memory over {plan.events:,} events",
        columns=[Column("events", ","), Column("MiB", ",.1f")],
        rows=[[events, size / _MIB] for events, size in points],
        notes=[f"Slope after the first two: {per_event * 100_000 / 1024:+,.0f} KiB per 100,000 events."],
    )
    proof = {"journal": written, "per 100,000 events, bytes": per_event * 100_000}
    return check(Result(name=NAME, tables=[table], proof=proof), done=written >= plan.events)


def trade(database: Path, events: int) -> list[tuple[int, int]]:
    """Events so far and bytes of resident memory, after each piece of the work."""
    return asyncio.run(_trade(database, events))


async def _trade(database: Path, events: int) -> list[tuple[int, int]]:
    points: list[tuple[int, int]] = []
    orders = events // _PER_ORDER // _PIECES
    async with open_bench_gate(database, Venue.DURABLE) as gate:
        closings = Closings(gate.runner)
        for piece in range(_PIECES):
            await drive(gate, closings, piece * orders, orders, IN_FLIGHT)
            points.append((gate.runner.engine.size, _resident()))
    return points


def _resident() -> int:
    """Bytes of this process's memory that are in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _slope(points: list[tuple[int, int]]) -> float:
    """Of the line of least squares."""
    mean_x = sum(x for x, _y in points) / len(points)
    mean_y = sum(y for _x, y in points) / len(points)
    over = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return over / sum((x - mean_x) ** 2 for x, _y in points)
