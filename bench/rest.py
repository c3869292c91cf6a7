"""Submits over REST, beside a bare FastAPI echo of the same body under the same uvicorn."""

import sqlite3
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from bench.load import Seen
from bench.orders import RICH_TOML
from bench.plan import Plan
from bench.results import Cell, Column, Result, Table, check, median, percentile
from bench.servers import ROOT, Server, free_port, running

NAME = "rest"
_ECHO: Final = "bare echo"
_GATE: Final = "ordergate"
_PATIENCE_S: Final = 60
_HOW: Final = (
    "Each connection has one request under way. ordergate answers when the order is on disk (fsync), and "
    "within the same time sends it to the durable paper venue and journals its acknowledgment; the echo "
    "only reads the body and gives it back. The client is a process of its own."
)


class _Run(msgspec.Struct):
    """One round against one server."""

    seen: Seen
    server_cpu_s: float


_Runs = dict[tuple[int, str], list[_Run]]


def measure(plan: Plan) -> Result:
    """Starts both servers, and loads them in turns."""
    runs: _Runs = defaultdict(list)
    with TemporaryDirectory(dir=plan.folder, prefix="bench-") as folder:
        database, door, bare = Path(folder) / "rest.db", free_port(), free_port()
        config = Path(folder) / "rich.toml"
        config.write_text(RICH_TOML)
        serve = ("serve", "--port", str(door), "--db", f"sqlite:///{database}", "--config", str(config))
        with (
            running("ordergate", *serve, port=door) as gate,
            running("bench.echo", str(bare), port=bare) as echo,
        ):
            sent = _rounds(plan, {_ECHO: echo, _GATE: gate}, runs)
        proof: dict[str, Any] = {"orders": _count(database), "sent": sent, "statuses": _statuses(runs)}
    result = Result(name=NAME, tables=[_table(plan, runs)], proof=proof)
    taken = {status for statuses in proof["statuses"].values() for status in statuses} == {"202"}
    return check(result, done=taken and proof["orders"] == sent)


def _rounds(plan: Plan, servers: dict[str, Server], runs: _Runs) -> int:
    """How many orders were sent to the gate."""
    sent = 0
    for number in range(plan.rounds + 1):  # the first is the warm-up
        for connections in plan.connections:
            for name, server in servers.items():
                plan.say(f"REST, round {number} of {plan.rounds}, {connections} connections, {name}")
                run = _load(server, connections, plan.requests, f"{number}-{connections}")
                sent += plan.requests * (name == _GATE)
                if number:
                    runs[connections, name].append(run)
    return sent


def _load(server: Server, connections: int, requests: int, prefix: str) -> _Run:
    cpu_s = server.cpu_s()
    command = [sys.executable, "-m", "bench.load", str(server.port), str(connections), str(requests), prefix]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=_PATIENCE_S)
    seen = msgspec.json.decode(done.stdout, type=Seen)
    return _Run(seen, server.cpu_s() - cpu_s)


def _statuses(runs: _Runs) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {_ECHO: {}, _GATE: {}}
    for (_connections, name), ones in runs.items():
        for run in ones:
            for status, count in run.seen.statuses.items():
                found[name][status] = found[name].get(status, 0) + count
    return found


def _count(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM orders WHERE state = 'SUBMITTED'").fetchone()[0])


def _table(plan: Plan, runs: _Runs) -> Table:
    rows: list[list[Cell]] = []
    for connections in plan.connections:
        echo, gate = runs[connections, _ECHO], runs[connections, _GATE]
        bare, ours = _rate(echo), _rate(gate)
        bare_cpu, our_cpu = _cpu_us(echo, plan.requests), _cpu_us(gate, plan.requests)
        answers = [seconds for run in gate for seconds in run.seen.answers_s]
        rows.append(
            [
                connections,
                ours,
                bare,
                ours / bare,
                our_cpu,
                bare_cpu,
                percentile(answers, 0.5) * 1e3,
                percentile(answers, 0.99) * 1e3,
                median([run.seen.cpu_s for run in gate]) / plan.requests * 1e6,
            ]
        )
    return Table(
        title="Submits over REST",
        columns=[
            Column("connections", ","),
            Column("submits/s", ",.0f"),
            Column("bare echo/s", ",.0f"),
            Column("of the echo", ".2f"),
            Column("server CPU us each", ",.0f"),
            Column("echo's CPU us", ",.0f"),
            Column("answer p50 ms", ".2f"),
            Column("answer p99 ms", ".2f"),
            Column("client's CPU us", ",.0f"),
        ],
        rows=rows,
        notes=[_HOW],
    )


def _rate(runs: list[_Run]) -> float:
    return median([sum(run.seen.statuses.values()) / run.seen.wall_s for run in runs])


def _cpu_us(runs: list[_Run], requests: int) -> float:
    return median([run.server_cpu_s for run in runs]) / requests * 1e6
