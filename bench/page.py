"""`docs/reference/performance.md`: the figures of one run, and how to read them."""

import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench import lifecycles
from bench.plan import Plan
from bench.results import Result, Table

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "performance.md"
_PACKAGES: Final = ("msgspec", "uvicorn", "uvloop", "httptools", "fastapi", "pydantic", "cryptography")
_HEAD: Final = """# Performance

What ordergate costs, beside what it cannot do without. All figures are of one run of `just bench --write` on one
machine; what is compared was measured in turns, and each figure is the median of its rounds. Read the ratios: they
hold on other machines, the figures do not. No test asserts a time.

- A *lifecycle* is one order that is submitted, filled by the paper venue, booked (fill, position, tax lot, cash) and
  closed. Its client waits for CLOSED before it submits the next order. Starting and warming up are not counted.
- *Durable* means that every commit is on disk before anybody is answered or anything is sent: SQLite with a
  write-ahead log and `synchronous=FULL`, which is an fsync for each commit. The venue's file is as durable.
- *Audited* means that every entry is hashed into the Merkle log, and every commit carries a signed checkpoint.
- The *raw floor* is what remains when ordergate is taken away: the SQL statements of a real run are recorded with
  their parameters and commits, and said again to a fresh file by the bare driver. Nothing that keeps the same rows
  in the same commits can be faster.
- *CPU* is processor time of the process, which a busy machine disturbs less than time by the wall.
"""
_PEERS: Final = (
    ("NautilusTrader, Rust release candidate (2.0.0rc6)", 14_241, "in memory"),
    ("NautilusTrader, Python release (1.221.0)", 3_632, "in memory"),
)
_PEERS_HOW: Final = """\
Orders per second from submit to filled, netting, each pair of orders opening and closing a position. The others'
figures were measured on a comparable machine of two cores, with their own simulated exchange in one thread; they keep
nothing on disk and sign nothing. The ratio is of ordergate's best."""
_MEANING: Final = {
    "commits": "What the disk allows: an fsync costs the same for one row as for many, so commits are shared.",
    "lifecycles": "How fast orders are done, and how near that is to the floor of the very same writes.",
    "postgres": "The same on PostgreSQL, and what a second node costs or brings.",
    "engine": "What deciding, folding, encoding and hashing cost without any store.",
    "risk": "What the risk gate adds, and whether it stays quick beside many orders and positions.",
    "rest": "What the REST door costs beside the least that FastAPI can do with the same request.",
    "nats": "Whether accepting orders waits for NATS. It must not.",
    "growth": "Whether an order costs more where there are many already. It must not.",
    "memory": "Whether memory grows with what has been done. It must not.",
}


def page(results: Sequence[Result], plan: Plan) -> str:
    """The whole page."""
    parts = [_HEAD, "## Compared with others\n", _peers(results), "## Figures\n"]
    for result in results:
        parts.append(f"{_MEANING[result.name]}\n")
        parts += [_table(table) for table in result.tables]
    return "\n".join([*parts, "## The run\n", _machine(plan)])


def _table(table: Table) -> str:
    lines = [f"### {table.title}", "", _row([column.heading for column in table.columns])]
    lines.append(_row(["---:" if not _is_text(table, n) else "---" for n in range(len(table.columns))]))
    for row in table.rows:
        lines.append(_row([column.show(cell) for column, cell in zip(table.columns, row, strict=True)]))
    return "\n".join([*lines, "", *(f"{note}\n" for note in table.notes)])


def _is_text(table: Table, number: int) -> bool:
    return any(isinstance(row[number], str) for row in table.rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _peers(results: Sequence[Result]) -> str:
    lines = [_row(["", "orders/s", "ratio"]), _row(["---", "---:", "---:"])]
    ours = {int(str(row[0])): float(str(row[1])) for row in _rates(results)}
    best = max(ours.values())
    for in_flight, rate in ours.items():
        name = f"ordergate, {in_flight:,} in flight: durable, booked, audited"
        lines.append(_row([name, f"{rate:,.0f}", ""]))
    for name, rate, how in _PEERS:
        lines.append(_row([f"{name}: {how}", f"{rate:,}", f"{best / rate:.2f}"]))
    return "\n".join([_PEERS_HOW, "", *lines, ""])


def _rates(results: Sequence[Result]) -> list[list[object]]:
    found = next(result for result in results if result.name == lifecycles.NAME)
    return [list(row) for row in found.tables[0].rows]


def _machine(plan: Plan) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    python = f"Python {platform.python_version()} ({sys.implementation.name})"
    orders = ", ".join(f"{orders:,} at {in_flight:,}" for in_flight, orders in plan.orders.items())
    return "\n".join(
        [
            "- Command: `just bench --write`",
            f"- Machine: {_processor()}, {os.cpu_count()} cores, {_memory_gib()} GiB, {platform.system()}",
            f"- {python}, SQLite {sqlite3.sqlite_version}, {versions}",
            f"- {plan.rounds} rounds; lifecycles per round by orders in flight: {orders}",
            "",
        ]
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
