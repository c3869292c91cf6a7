"""The same lifecycles on PostgreSQL: one node and two, beside the raw floor of the same run."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
import uvloop
from msgspec import Struct, field
from tests.services.postgres import Postgres, postgres_server

from bench.gates import open_node
from bench.orders import order
from bench.plan import Plan
from bench.postgres_tape import Tapes, recording, replay_journal, replay_venue
from bench.results import Cell, Column, Result, Table, check, median, percentile
from bench.servers import ROOT
from bench.stopwatch import Spent
from bench.traffic import Closings, Traffic, drive
from ordergate.adapters.journals.stores import bring_up

NAME = "postgres"
_LOAD = 0.7
_PACED_S = 3.0
_PACED_IN_FLIGHT = 100
T = TypeVar("T")
_HOW = (
    "PostgreSQL {} runs on the same machine, over a Unix socket, with fsync and synchronous_commit on. Journal and "
    "paper venue are schemas of one database, on connections of their own. Sent: until the order is given to the venue."
)

_TWO = (
    "Two processes, half of the orders in flight at each. Both decide; one has the venue's session, sends for both, "
    "and each folds what the other writes. They share the machine's cores with PostgreSQL."
)


class _Level(Struct):
    """All rounds at one number of orders in flight."""

    orders: int
    tapes: Tapes
    runs: list[Traffic] = field(default_factory=list)
    sent_s: list[float] = field(default_factory=list)
    commits_s: list[float] = field(default_factory=list)
    journal_floor: list[Spent] = field(default_factory=list)
    venue_floor: list[Spent] = field(default_factory=list)
    two_s: list[float] = field(default_factory=list)


class _Paced(Struct):
    """Orders that come at a rate of their own, whatever becomes of them."""

    rate: float
    answers_s: list[float]
    commits_s: list[float]


def measure(plan: Plan) -> Result:
    """Records a run at each level, then measures node, floor and two nodes in turns."""
    with postgres_server(fsync=True) as server:
        levels = {}
        for in_flight, orders in plan.orders.items():
            plan.say(f"recording the batches of {orders} orders on PostgreSQL, {in_flight} in flight")
            levels[in_flight] = _run(_record(server.database(), plan, in_flight))
        for number in range(plan.rounds):
            for in_flight, level in levels.items():
                plan.say(f"PostgreSQL, round {number + 1} of {plan.rounds}, {in_flight} in flight")
                _round(server, plan, in_flight, level)
        plan.say("PostgreSQL at 70 % load")
        best = levels[min(levels, key=lambda in_flight: abs(in_flight - _PACED_IN_FLIGHT))]
        paced = _run(_pace(server.database(), plan, _LOAD * _rate(best)))
        version = server.sql("SHOW server_version").partition(" ")[0]
    closed = {str(n): level.runs[-1].orders for n, level in levels.items()}
    result = Result(
        name=NAME,
        tables=[_rates(levels, version), _floors(levels), _two(levels), _pacing(paced)],
        proof=closed,
    )
    return check(
        result, done=all(len(run.begun) == run.orders for level in levels.values() for run in level.runs)
    )


def _run(work: Coroutine[Any, Any, T]) -> T:
    return uvloop.run(work)


async def _record(url: str, plan: Plan, in_flight: int) -> _Level:
    with recording() as tapes:
        async with open_node(url) as gate:
            closings = Closings(gate.runner)
            await drive(gate, closings, 0, _warm_up(plan, in_flight), in_flight)
            tapes.begin()
            await drive(gate, closings, 1_000_000, plan.orders[in_flight], in_flight)
    return _Level(plan.orders[in_flight], tapes)


def _warm_up(plan: Plan, in_flight: int) -> int:
    return max(plan.warm_up, in_flight)


def _round(server: Postgres, plan: Plan, in_flight: int, level: _Level) -> None:
    _run(_floor(server.database(), level))
    _run(_one(server.database(), plan, in_flight, level))
    level.two_s.append(_two_nodes(server.database(), plan.orders[in_flight], in_flight))


async def _floor(url: str, level: _Level) -> None:
    await bring_up(url)
    level.journal_floor.append(await replay_journal(url, level.tapes.journal))
    level.venue_floor.append(await replay_venue(url, level.tapes.venue))


async def _one(url: str, plan: Plan, in_flight: int, level: _Level) -> None:
    sent: dict[str, float] = {}
    async with open_node(url, sent=sent) as gate:
        closings = Closings(gate.runner)
        gate.runner.listen(lambda _entries: level.commits_s.append(gate.runner.commit_took.total_seconds()))
        await drive(gate, closings, 0, _warm_up(plan, in_flight), in_flight)
        traffic = await drive(gate, closings, 1_000_000, level.orders, in_flight)
    level.runs.append(traffic)
    level.sent_s += [sent[order_id] - begun for order_id, begun in traffic.begun.items()]


def _two_nodes(url: str, orders: int, in_flight: int) -> float:
    """Seconds that two processes on one database need for the orders, half of them each."""
    halves = [(0, orders - orders // 2), (500_000, orders // 2)]
    nodes = []
    try:
        for first, count in halves:
            arguments = [url, str(first), str(count), str(max(1, in_flight // 2))]
            command = [sys.executable, "-m", "bench.node", *arguments]
            node = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            nodes.append(node)
            _line(node)
        begun = time.perf_counter()
        for node in nodes:
            _tell(node, b"go")
        for node in nodes:
            msgspec.json.decode(_line(node))
        took = time.perf_counter() - begun
        for node in nodes:
            _tell(node, b"end")
        return took
    finally:
        for node in nodes:
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                node.kill()
            with node:  # waits, and closes its pipes
                pass


def _line(node: "subprocess.Popen[bytes]") -> bytes:
    line = node.stdout.readline() if node.stdout is not None else b""
    if not line:
        raise RuntimeError("a node ended before it was done")
    return line


def _tell(node: "subprocess.Popen[bytes]", line: bytes) -> None:
    if node.stdin is not None:
        node.stdin.write(line + b"\n")
        node.stdin.flush()


async def _pace(url: str, plan: Plan, rate: float) -> _Paced:
    """Orders in even steps, `rate` a second, from as many clients as it takes."""
    async with open_node(url) as gate:
        await drive(gate, Closings(gate.runner), 0, plan.warm_up, 16)
        paced, loop = _Paced(rate, [], []), asyncio.get_running_loop()
        gate.runner.listen(lambda _entries: paced.commits_s.append(gate.runner.commit_took.total_seconds()))

        async def submit(number: int, due: float) -> None:
            await gate.execute(order(1_000_000 + number))
            paced.answers_s.append(loop.time() - due)

        begun = loop.time()
        async with asyncio.TaskGroup() as clients:
            for number in range(max(10, int(rate * min(_PACED_S, plan.rounds)))):
                due = begun + number / rate
                await asyncio.sleep(max(0.0, due - loop.time()))
                clients.create_task(submit(number, due))
        await gate.quiet()
    return paced


def _rate(level: _Level) -> float:
    return level.orders / median([run.spent.wall_s for run in level.runs])


def _floor_rate(level: _Level, floors: list[Spent]) -> float:
    return level.orders / median([floor.wall_s for floor in floors])


def _cpu_us(level: _Level, spent: list[Spent]) -> float:
    return median([one.cpu_s for one in spent]) / level.orders * 1e6


def _rates(levels: dict[int, _Level], version: str) -> Table:
    rows: list[list[Cell]] = []
    for in_flight, level in levels.items():
        answers = [seconds for run in level.runs for seconds in run.answers_s]
        batches = [size for run in level.runs for size in run.batches]
        rate = _rate(level)
        rows.append(
            [
                in_flight,
                rate,
                _cpu_us(level, [run.spent for run in level.runs]),
                rate / _floor_rate(level, level.journal_floor),
                sum(batches) / len(batches),
                median(level.commits_s) * 1e3,
                *(percentile(answers, part) * 1e3 for part in (0.5, 0.99)),
                *(percentile(level.sent_s, part) * 1e3 for part in (0.5, 0.99)),
            ]
        )
    return Table(
        title="Durable lifecycles on PostgreSQL, one node",
        columns=[
            Column("in flight", ","),
            Column("lifecycles/s", ",.0f"),
            Column("CPU us each", ",.0f"),
            Column("of journal's floor", ".2f"),
            Column("entries per commit", ".1f"),
            Column("commit ms", ".2f"),
            Column("answer p50 ms", ".2f"),
            Column("answer p99 ms", ".2f"),
            Column("sent p50 ms", ".2f"),
            Column("sent p99 ms", ".2f"),
        ],
        rows=rows,
        notes=[_HOW.format(version)],
    )


def _floors(levels: dict[int, _Level]) -> Table:
    return Table(
        title="Raw floor on PostgreSQL: the same turns, statements and rows by the bare driver",
        columns=[
            Column("in flight", ","),
            Column("journal, lifecycles/s", ",.0f"),
            Column("CPU us each", ",.0f"),
            Column("venue, lifecycles/s", ",.0f"),
            Column("CPU us each", ",.0f"),
        ],
        rows=[
            [
                in_flight,
                _floor_rate(level, level.journal_floor),
                _cpu_us(level, level.journal_floor),
                _floor_rate(level, level.venue_floor),
                _cpu_us(level, level.venue_floor),
            ]
            for in_flight, level in levels.items()
        ],
        notes=[
            "A turn is the lock of the journal's head, one statement that writes the batch, and the commit."
        ],
    )


def _two(levels: dict[int, _Level]) -> Table:
    rows: list[list[Cell]] = []
    for in_flight, level in levels.items():
        rate = level.orders / median(level.two_s)
        rows.append([in_flight, rate, rate / _rate(level)])
    return Table(
        title="Two nodes on one database",
        columns=[Column("in flight", ","), Column("lifecycles/s", ",.0f"), Column("of one node", ".2f")],
        rows=rows,
        notes=[_TWO],
    )


def _pacing(paced: _Paced) -> Table:
    commit, p99 = median(paced.commits_s), percentile(paced.answers_s, 0.99)
    return Table(
        title="At 70 % of that load on PostgreSQL",
        columns=[
            Column("submits/s", ",.0f"),
            Column("commit ms", ".2f"),
            Column("answer p50 ms", ".2f"),
            Column("answer p99 ms", ".2f"),
            Column("p99 in commits", ".1f"),
        ],
        rows=[[paced.rate, commit * 1e3, percentile(paced.answers_s, 0.5) * 1e3, p99 * 1e3, p99 / commit]],
        notes=[
            "Orders come in even steps whether or not earlier ones are done; counted from when each was due."
        ],
    )
