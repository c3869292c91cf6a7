"""`python -m tests.simulation [--seeds N] [--first S] [--bug NAME] [--trace] [--jobs J] [--table]`."""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path

from tests.simulation import bugs
from tests.simulation.outcome import Outcome
from tests.simulation.runs import folder, quietly, run

ROOT = Path(__file__).parents[2]
_AT_ONCE = 25
"""Runs that a process is given at a time."""
_MISFIT = re.compile("(fell over|could not be handled): (TypeError|AttributeError|NameError)")
"""What a planted bug comes to where the code that it stands for has moved."""


def some(first: int, count: int, bug: str | None) -> list[Outcome]:
    """Those runs, up to the first with a problem where a bug is planted."""
    outcomes = []
    with folder() as place, quietly(), bugs.planted(bug):
        for number in range(first, first + count):
            outcomes.append(run(number, place))
            if bug is not None and outcomes[-1].problems:
                break
    return outcomes


def all_of(first: int, count: int, jobs: int) -> Iterator[Outcome]:
    """Those runs, in their order, spread over processes."""
    ends = first + count
    parts = [(start, min(_AT_ONCE, ends - start)) for start in range(first, ends, _AT_ONCE)]
    with ProcessPoolExecutor(jobs) as pool:
        given = [pool.submit(some, start, size, None) for start, size in parts]
        yield from chain.from_iterable(each.result() for each in given)


def found_at(bug: str, first: int, count: int) -> Outcome | None:
    """The first run that finds a planted bug.

    Raises:
        RuntimeError: the simulation itself broke, or the bug no longer fits the code: that finds nothing.
    """
    outcome = some(first, count, bug)[-1]
    if outcome.broke or any(_MISFIT.search(problem) for problem in outcome.problems):
        raise RuntimeError(outcome.problems[0])
    return outcome if outcome.problems else None


def command(number: int, bug: str | None) -> str:
    """What runs one number again, exactly."""
    planted = "" if bug is None else f" --bug {bug}"
    return f"python -m tests.simulation --first {number} --seeds 1{planted} --trace"


def show(outcome: Outcome, bug: str | None, say: Callable[[str], None] = print) -> None:
    """What a run found, and how to see it."""
    say(f"run {outcome.number} found:")
    for problem in outcome.problems:
        say(f"  {problem}")
    say(f"  again: {command(outcome.number, bug)}")


def main(given: Sequence[str]) -> int:
    """Runs what the command line asks for; 1 where something was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description="The deterministic simulation."
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="the number of the first")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes")
    parser.add_argument(
        "--bug", choices=sorted(bugs.ALL), help="plant this mistake first, and stop when it is found"
    )
    parser.add_argument("--trace", action="store_true", help="show what happens")
    parser.add_argument("--table", action="store_true", help="write the table of planted bugs into the docs")
    options = parser.parse_args(given)
    if options.table:
        from tests.simulation.page import write

        write(options.jobs)
        return 0
    if options.trace or options.bug is not None:
        return _one_by_one(options)
    began, cpu = time.perf_counter(), _cpu()
    outcomes = []
    for outcome in all_of(options.first, options.seeds, options.jobs):
        outcomes.append(outcome)
        if outcome.problems:
            show(outcome, None)
    _sum_up(outcomes, time.perf_counter() - began, _cpu() - cpu)
    return int(any(outcome.problems for outcome in outcomes))


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _one_by_one(options: argparse.Namespace) -> int:
    with folder() as place, quietly(), bugs.planted(options.bug):
        for number in range(options.first, options.first + options.seeds):
            outcome = run(number, place, print if options.trace else None)
            if options.trace:
                print(f"run {number}: {outcome.entries} entries, root {outcome.root}")
            if outcome.problems:
                show(outcome, options.bug)
                return 1
    return 0


def _sum_up(outcomes: Sequence[Outcome], seconds: float, cpu: float) -> None:
    count, bad = len(outcomes), sum(bool(outcome.problems) for outcome in outcomes)
    total = {
        name: sum(getattr(outcome, name) for outcome in outcomes)
        for name in (
            "orders",
            "fills",
            "crashes",
            "lives",
            "entries",
            "steps",
            "differences",
            "adjusted",
            "seconds",
        )
    }
    shared, taken = sum(o.shared for o in outcomes), sum(o.taken_over for o in outcomes)
    hours = total.pop("seconds") / 3600
    print(
        f"{count} runs, {bad} with problems, {shared} of several nodes with {taken} timed take-overs: {', '.join(f'{n} {name}' for name, n in total.items())};"
        f" {hours:.0f} simulated hours in {seconds:.0f} s ({count / seconds:.0f} runs/s, {1000 * cpu / count:.0f} ms"
        " of a core each)"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
