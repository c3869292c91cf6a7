"""What a commit costs on this disk: rows the size of an entry, by how many of them share a commit."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.plan import Plan
from bench.results import Cell, Column, Result, Table, check, median
from bench.stopwatch import Spent, stopwatch

NAME = "commits"
ROW_BYTES = 700
SIZES = (1, 4, 16, 64, 256, 1024)


def measure(plan: Plan) -> Result:
    """Measures each size in turns."""
    spent: dict[int, list[Spent]] = {size: [] for size in SIZES}
    plain: list[float] = []
    commits, written = 50 if plan.rounds > 1 else 3, 0
    with TemporaryDirectory(dir=plan.folder, prefix="bench-") as folder:
        for number in range(plan.rounds):
            plan.say(f"commits, round {number + 1} of {plan.rounds}")
            plain.append(_append(Path(folder) / f"{number}.log", commits))
            for size in SIZES:
                path = Path(folder) / f"{number}-{size}.db"
                spent[size].append(_commit(path, size, commits))
                written += _rows(path)
    rows: list[list[Cell]] = []
    for size in SIZES:
        wall = median([one.wall_s for one in spent[size]]) / commits
        cpu = median([one.cpu_s for one in spent[size]]) / commits
        rows.append([size, wall * 1e6, cpu * 1e6, wall / size * 1e6, size / wall])
    table = Table(
        title=f"A commit on this disk (SQLite WAL, synchronous=FULL, rows of {ROW_BYTES} bytes)",
        columns=[
            Column("rows per commit", ","),
            Column("commit us", ",.0f"),
            Column("CPU us", ",.0f"),
            Column("us per row", ",.1f"),
            Column("rows/s", ",.0f"),
        ],
        rows=rows,
        notes=[f"Appending {ROW_BYTES} bytes to a file and fdatasync: {median(plain) * 1e6:,.0f} us."],
    )
    proof = {"rows": written, "of": plan.rounds * commits * sum(SIZES)}
    return check(Result(name=NAME, tables=[table], proof=proof), done=written == proof["of"])


def _append(path: Path, times: int) -> float:
    """Seconds to append a row's bytes and have them on disk."""
    with path.open("ab", buffering=0) as file, stopwatch() as spent:
        for _ in range(times):
            file.write(bytes(ROW_BYTES))
            os.fdatasync(file.fileno())
    return spent.wall_s / times


def _commit(path: Path, size: int, commits: int) -> Spent:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE entries (idx INTEGER PRIMARY KEY, entry BLOB NOT NULL)")
        entry = os.urandom(ROW_BYTES)
        with stopwatch() as spent:
            for first in range(0, commits * size, size):
                connection.execute("BEGIN IMMEDIATE")
                rows = [(index, entry) for index in range(first, first + size)]
                connection.executemany("INSERT INTO entries VALUES (?, ?)", rows)
                connection.execute("COMMIT")
    return spent


def _rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])
