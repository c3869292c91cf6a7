"""The pure engine, without a store: from a submit and the report of its fill to the bytes of their entries."""

from collections.abc import Callable, Sequence
from typing import Final

from bench.desk import Desk, fill
from bench.orders import RICH, order
from bench.plan import Plan
from bench.results import Column, Result, Table, check, median
from bench.stopwatch import Spent, stopwatch
from ordergate.application.engine import Input
from ordergate.application.entry import Encoded
from ordergate.config import Config
from ordergate.protocols.tlog import TreeBuilder, leaf_hash

NAME = "engine"
BATCH: Final = 100
_After = Callable[[Desk, list[Encoded]], object]


def measure(plan: Plan) -> Result:
    """Measures each way in turns."""
    batches = 4 if plan.rounds == 1 else 100
    spent: dict[str, list[Spent]] = {name: [] for name in _WAYS}
    proof = {"entries": 0, "of": 0, "left open": 0}
    for number in range(plan.rounds):
        for name, after in _WAYS.items():
            plan.say(f"pure engine, round {number + 1} of {plan.rounds}, {name}")
            desk = Desk.without_store(Config(limits=RICH))
            _run(desk, _inputs(0, 2), after)
            before, inputs = desk.engine.size, _inputs(2, batches)
            with stopwatch() as one:
                _run(desk, inputs, after)
            spent[name].append(one)
            proof["entries"] += desk.engine.size - before
            proof["left open"] += len(desk.engine.state.orders.rows)
            proof["of"] += 2 * batches * BATCH
    orders = batches * BATCH
    table = Table(
        title="Pure engine: submit and fill, without a store",
        columns=[Column("made"), Column("lifecycles/s", ",.0f"), Column("CPU us each", ",.1f")],
        rows=[
            [
                name,
                orders / median([one.wall_s for one in runs]),
                median([one.cpu_s for one in runs]) / orders * 1e6,
            ]
            for name, runs in spent.items()
        ],
        notes=[f"Two steps each, in batches of {BATCH} submits and {BATCH} fills."],
    )
    done = proof["entries"] == proof["of"] and not proof["left open"]
    return check(Result(name=NAME, tables=[table], proof=proof), done=done)


def _inputs(first: int, batches: int) -> list[Sequence[Input]]:
    """Submits and their fills in turns, made beforehand."""
    inputs: list[Sequence[Input]] = []
    for start in range(first * BATCH, (first + batches) * BATCH, BATCH):
        numbers = range(start, start + BATCH)
        inputs += [[order(number) for number in numbers], [fill(number) for number in numbers]]
    return inputs


def _run(desk: Desk, inputs: list[Sequence[Input]], after: _After) -> None:
    settle = desk.engine.state.settle
    for batch in inputs:
        after(desk, desk.step(batch))
        settle()


def _nothing(_desk: Desk, _encoded: list[Encoded]) -> None:
    return None


def _hash(_desk: Desk, encoded: list[Encoded]) -> None:
    tree = TreeBuilder()
    for entry in encoded:
        tree.append(leaf_hash(entry.data))


def _batch(desk: Desk, encoded: list[Encoded]) -> None:
    desk.tail.batch(encoded, desk.engine.state)


_WAYS: Final[dict[str, _After]] = {
    "entries as bytes": _nothing,
    "and their leaf hashes": _hash,
    "and tree, rows and a signed checkpoint": _batch,
}
