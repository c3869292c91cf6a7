"""A process that works a large order in slices is killed again and again: in the end it has traded the same total."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from tests.acceptance.crash.splitter import KEY, QUANTITY
from tests.services.commands import CliRunner

from ordergate.cli.app import app

ROOT = Path(__file__).parents[2]
WORKER = "tests.acceptance.crash.splitter"
DONE_WITHIN_S = 60


def started(database: Path, *bug: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-m", WORKER, str(database), *bug],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert "ready\n" in process.stdout, process.stderr.read()
    return process


def kill_once(database: Path, moment: random.Random, *bug: str) -> bool:
    """Kills it a while after it is ready; whether it was still at work."""
    process = started(database, *bug)
    try:
        time.sleep(moment.uniform(0.0, 1.0))
    finally:
        process.send_signal(signal.SIGKILL)
    return "done" not in ended(process)[0]


def ended(process: subprocess.Popen) -> tuple[str, str]:
    """All that it has said since it was ready: read through the same buffers, where it may be already."""
    with process:
        return process.stdout.read(), process.stderr.read()


def finish(database: Path, *bug: str) -> None:
    process = started(database, *bug)
    too_late = threading.Timer(DONE_WITHIN_S, process.kill)
    too_late.start()
    try:
        said, wrong = ended(process)
    finally:
        too_late.cancel()
    assert "done" in said, wrong


def rows(database: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(database)) as opened:
        return opened.execute(sql).fetchall()


def check(database: Path) -> None:
    """The whole was traded once: by the parent, by its children, by the position, and by the venue's own record."""
    venue = Path(f"{database}.paper")
    ((parent, state, filled),) = rows(
        database, "SELECT order_id, state, filled_quantity FROM orders WHERE algo IS NOT NULL"
    )
    assert rows(database, f"SELECT order_id FROM keys WHERE key = '{KEY}'") == [(parent,)]
    children = rows(
        database, "SELECT order_id, slice, filled_quantity, parent_order_id FROM orders WHERE slice > 0"
    )
    assert {child[3] for child in children} == {parent}
    assert len({child[1] for child in children}) == len(children)
    assert (state, Decimal(filled)) == ("CLOSED", QUANTITY)
    assert sum(Decimal(child[2]) for child in children) == QUANTITY
    ((position,),) = rows(database, "SELECT quantity FROM positions")
    assert Decimal(position) == QUANTITY
    there = [
        client.rpartition(".")[0]
        for (client,) in rows(
            venue, "SELECT client_id FROM requests WHERE kind = 'submit' AND refused IS NULL"
        )
    ]
    assert len(set(there)) == len(there)
    assert set(there) <= {child[0] for child in children}
    for command in (["audit", "verify"], ["audit", "replay", "--compare"]):
        done = CliRunner().invoke(app, [*command, "--db", f"sqlite:///{database}"])
        assert done.exit_code == 0, done.output


def kill_and_finish(database: Path, kills: int, seed: int, *bug: str) -> int:
    """How many of the kills came while it was at work."""
    moment = random.Random(seed)
    hit = sum(kill_once(database, moment, *bug) for _ in range(kills))
    finish(database, *bug)
    return hit


@pytest.mark.slow
def test_a_few_kills_end_with_the_same_total(tmp_path: Path) -> None:
    assert kill_and_finish(tmp_path / "gate.db", 3, seed=1) == 3
    check(tmp_path / "gate.db")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 7))
def test_many_kills_end_with_the_same_total(tmp_path: Path, seed: int) -> None:
    assert kill_and_finish(tmp_path / "gate.db", 20, seed) >= 5
    check(tmp_path / "gate.db")


@pytest.mark.slow
def test_the_suite_has_teeth(tmp_path: Path) -> None:
    kill_and_finish(tmp_path / "gate.db", 3, 8, "uncounted")
    with pytest.raises(AssertionError, match=r"CLOSED|sum"):
        check(tmp_path / "gate.db")
