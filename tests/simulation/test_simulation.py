"""The simulation finds nothing, finds every planted mistake, and does the same thing twice."""

import os
import re
import subprocess
import sys

import pytest

from tests.simulation import bugs
from tests.simulation.__main__ import ROOT, all_of, found_at, main, some
from tests.simulation.outcome import Outcome
from tests.simulation.page import PATH, WITHIN, page

SOON = (
    "answer_before_commit",
    "wake_before_commit",
    "key_not_kept",
    "fresh_client_id_for_every_attempt",
    "execution_booked_twice",
    "outlet_moves_on_before_delivering",
    "crossing_zero_only_closes",
    "catch_up_skipped",
    "lease_not_waited_for",
    "clock_not_taken_over",
    "order_that_is_over_is_left_to_the_venue",
    "time_in_force_sent_as_it_is",
)
"""Mistakes that any few runs find: the quick tests go through the same runs as the slow ones would."""


def problems(outcomes) -> list[str]:
    return [f"run {outcome.number}: {problem}" for outcome in outcomes for problem in outcome.problems]


def check(outcomes: list[Outcome]) -> None:
    """No problems, though enough happened that there could have been some."""
    assert problems(outcomes) == []
    runs = len(outcomes)
    assert sum(outcome.crashes for outcome in outcomes) > runs, "they would prove nothing"
    assert sum(outcome.fills for outcome in outcomes) > 5 * runs
    shared = [outcome for outcome in outcomes if outcome.shared]
    assert 0.2 * runs < len(shared) < 0.4 * runs
    assert all(outcome.compared for outcome in shared)
    told = [outcome for outcome in outcomes if outcome.told]
    assert 0.3 * runs < len(told) < 0.7 * runs
    assert sum(outcome.differences for outcome in told) >= 0.5 * len(told)
    assert sum(outcome.adjusted for outcome in told) >= (0.1 * len(told) if runs > 100 else 0)
    assert sum(outcome.taken_over for outcome in shared) >= 0.03 * runs


def test_some_runs_find_nothing() -> None:
    check(list(some(0, 30, None)))


@pytest.mark.parametrize("bug", SOON)
def test_a_mistake_is_found_soon(bug: str) -> None:
    assert found_at(bug, 0, 30) is not None


@pytest.mark.slow
def test_a_planted_mistake_is_taken_out_again() -> None:
    assert found_at("answer_before_commit", 0, 30) is not None
    assert problems(some(0, 3, None)) == []


@pytest.mark.slow
def test_the_same_number_gives_the_same_run_whatever_the_hashes() -> None:
    roots = [outcome.root for outcome in some(200, 3, None)]
    assert len(set(roots)) == 3
    assert [outcome.root for outcome in some(200, 3, None)] == roots
    program = "from tests.simulation.__main__ import some; print(*[o.root for o in some(200, 3, None)])"
    for hashes in ("1",):
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == roots


def test_a_run_that_finds_something_says_how_to_see_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "30", "--bug", "answer_before_commit"]) == 1
    said = capsys.readouterr().out
    again = re.search(r"again: python -m tests\.simulation (.*)", said)
    assert again is not None
    assert main(again[1].split()) == 1
    traced = capsys.readouterr().out
    problem = said.splitlines()[1].strip()
    assert f"WRONG: {problem}" in traced
    assert "on disk" in traced


@pytest.mark.slow
def test_runs_in_several_processes_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = list(all_of(210, 4, 2))
    assert [outcome.root for outcome in outcomes] == [outcome.root for outcome in some(210, 4, None)]
    assert main(["--seeds", "2", "--first", "210", "--jobs", "1"]) == 0
    assert "2 runs, 0 with problems" in capsys.readouterr().out


def test_the_page_names_every_mistake() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+) \| (.*) \|$", PATH.read_text(encoding="utf-8"), re.MULTILINE)
    found = {name: (int(runs) - 1, seen) for name, runs, seen in rows}
    assert list(found) == list(bugs.ALL)
    assert len(found) >= 12
    assert PATH.read_text(encoding="utf-8") == page(found), "python -m tests.simulation --table"


@pytest.mark.slow(minutes=4)
def test_a_thousand_runs_find_nothing() -> None:
    check(list(all_of(0, 1000, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("bug", [bug for bug in bugs.ALL if bug not in SOON])
def test_every_other_mistake_is_found(bug: str) -> None:
    assert found_at(bug, 0, WITHIN) is not None
