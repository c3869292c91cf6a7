"""A real process is killed at random moments under load, and nothing is lost, doubled or orphaned."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.acceptance.crash import auditor

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "crash" / "worker.py"


def kill_once(folder: Path, run: int, moment: random.Random, bug: str | None = None) -> None:
    arguments = [sys.executable, str(WORKER), str(folder / "gate.db"), str(folder / "answers"), str(run)]
    process = subprocess.Popen(
        arguments + ([bug] if bug else []),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line == "ready\n", process.stderr.read()
        time.sleep(moment.uniform(0.0, 0.25))
        assert process.poll() is None, process.stderr.read()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def kill_and_compare(folder: Path, kills: int, seed: int, bug: str | None = None) -> tuple[list[str], int]:
    moment = random.Random(seed)
    unclear = 0
    for run in range(kills):
        kill_once(folder, run, moment, bug)
        if bug is None:
            unclear += auditor.recover(folder / "gate.db")
        found = auditor.differences(folder / "gate.db", folder / "answers") if bug is None else []
        if found:
            return found, unclear
    if bug is not None:
        auditor.recover(folder / "gate.db")
        return auditor.differences(folder / "gate.db", folder / "answers"), unclear
    return [], unclear


def verified(folder: Path) -> None:
    for command in (["audit", "verify"], ["audit", "replay", "--compare"]):
        url = f"sqlite:///{folder / 'gate.db'}"
        done = subprocess.run(
            [sys.executable, "-m", "ordergate", *command, "--db", url],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_a_few_kills(tmp_path: Path) -> None:
    assert kill_and_compare(tmp_path, 5, seed=1)[0] == []
    verified(tmp_path)


@pytest.mark.slow
def test_a_hundred_kills(tmp_path: Path) -> None:
    found, unclear = kill_and_compare(tmp_path, 100, seed=2)
    assert found == []
    assert unclear > 100, "the kills came when nothing was under way: the suite would prove nothing"
    verified(tmp_path)


@pytest.mark.parametrize("bug", ["no_write_ahead", "blind_resend"])
def test_the_suite_has_teeth(tmp_path: Path, bug: str) -> None:
    found, _unclear = kill_and_compare(tmp_path, 4, seed=3, bug=bug)
    assert any(word in line for line in found for word in ("orphaned", "doubled"))
