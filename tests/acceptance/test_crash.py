"""A real process is killed at random moments under load, and nothing is lost, doubled or orphaned."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.acceptance.crash import auditor
from tests.acceptance.crash.worker import CALLERS
from tests.services.commands import CliRunner

from ordergate.cli.app import app

ROOT = Path(__file__).parents[2]
WORKER = "tests.acceptance.crash.worker"


def kill_once(folder: Path, run: int, moment: random.Random, bug: str | None = None) -> None:
    arguments = [sys.executable, "-m", WORKER, str(folder / "gate.db"), str(folder / "answers"), str(run)]
    process = subprocess.Popen(
        arguments + ([bug] if bug else []),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        # What it logs while it opens stands before.
        assert "ready\n" in process.stdout, process.stderr.read()
        time.sleep(moment.uniform(0.0, 0.25))
        assert process.poll() is None, process.stderr.read()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def kill_and_compare(folder: Path, kills: int, seed: int) -> tuple[list[str], int]:
    """What does not agree after a kill and recovery, and how many orders the kills left unclear in all."""
    moment, unclear = random.Random(seed), 0
    for run in range(kills):
        kill_once(folder, run, moment)
        unclear += auditor.unclear(folder / "gate.db")
        auditor.recover(folder / "gate.db")
        found = auditor.differences(folder / "gate.db", folder / "answers")
        if found:
            return found, unclear
    return [], unclear


def kill_with_bug(folder: Path, kills: int, seed: int, bug: str) -> set[str]:
    """The kinds of damage that a planted bug has done; the worker recovers by itself, with the bug."""
    moment = random.Random(seed)
    for run in range(kills):
        kill_once(folder, run, moment, bug)
        found = auditor.differences(folder / "gate.db", folder / "answers")
        damage = {line.partition(":")[0] for line in found} & {"orphaned", "doubled"}
        if damage:
            return damage
    return set()


def verified(folder: Path) -> None:
    for command in (["audit", "verify"], ["audit", "replay", "--compare"]):
        done = CliRunner().invoke(app, [*command, "--db", f"sqlite:///{folder / 'gate.db'}"])
        assert done.exit_code == 0, done.output


def test_a_few_kills(tmp_path: Path) -> None:
    assert kill_and_compare(tmp_path, 3, seed=1)[0] == []
    verified(tmp_path)


@pytest.mark.slow(minutes=3)
def test_a_hundred_kills(tmp_path: Path) -> None:
    found, unclear = kill_and_compare(tmp_path, 100, seed=2)
    assert found == []
    assert unclear > CALLERS, "the kills came when nothing was under way: the suite would prove nothing"
    verified(tmp_path)


@pytest.mark.slow(minutes=2)
@pytest.mark.parametrize(("bug", "damage"), [("no_write_ahead", "orphaned"), ("blind_resend", "doubled")])
def test_the_suite_has_teeth(tmp_path: Path, bug: str, damage: str) -> None:
    assert damage in kill_with_bug(tmp_path, 25, seed=3, bug=bug)
