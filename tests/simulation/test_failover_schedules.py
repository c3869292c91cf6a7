"""Failover under random schedules: `routed` says what happens in them, `routed_checks` what must hold through it all.

To see a run again: `runs(number, 1, trace=print)`, with the bug that was planted.
"""

from collections.abc import Callable

import pytest

from tests.simulation import bugs
from tests.simulation.routed import Routed
from tests.simulation.runs import folder, quietly
from tests.simulation.store import template

QUICK, MANY, WITHIN = 12, 300, 60


def runs(
    first: int, count: int, bug: str | None = None, trace: Callable[[str], None] | None = None
) -> list[Routed]:
    """Those runs, up to the first with a problem where a bug is planted."""
    done: list[Routed] = []
    with folder() as place, quietly(), bugs.planted(bug):
        for number in range(first, first + count):
            done.append(Routed(number, place, template(place), trace))
            done[-1].run()
            if bug is not None and done[-1].result.problems:
                break
    return done


def problems(done: list[Routed]) -> list[str]:
    return [f"run {run.result.number}: {problem}" for run in done for problem in run.result.problems]


def check(done: list[Routed]) -> None:
    """No problems, though orders went on, also such as might have been at the broker before."""
    assert problems(done) == []
    assert sum(run.checks.moves for run in done) > len(done), "they would prove nothing"
    assert sum(run.checks.proven for run in done) > len(done) / 10
    assert sum(run.result.crashes for run in done) > len(done) / 3


def test_some_schedules_find_nothing() -> None:
    check(runs(0, QUICK))


def test_the_same_number_is_the_same_schedule() -> None:
    assert len({runs(3, 1)[0].result.root for _ in range(2)}) == 1


@pytest.mark.slow
def test_many_schedules_find_nothing() -> None:
    check(runs(QUICK, MANY))


def test_an_order_that_moves_on_while_its_submit_is_unknown_is_found() -> None:
    """Seen at a broker that was held not to have it, or in the end by the brokers' own records."""
    found = problems(runs(0, WITHIN, "unknown_submit_moves_on"))
    assert any("did not have it" in one or "was taken by" in one or "filled at" in one for one in found), (
        found
    )


def test_a_refused_cancel_of_an_unknown_submit_that_is_dropped_is_found() -> None:
    found = problems(runs(18, WITHIN, "refused_cancel_of_an_unknown_submit_dropped"))
    assert any("after its cancel was asked for" in one for one in found), found
