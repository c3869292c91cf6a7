"""How long an order waits to be accepted while NATS is followed, slow, or gone; beside a gate without it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.services.nats import Nats

from bench.gates import quote
from bench.orders import order
from bench.plan import Plan
from bench.results import Cell, Column, Result, Table, check, median, percentile
from ordergate.adapters.outlets.nats import Dialect
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, FundSection
from ordergate.config.nats import NatsSection

NAME = "nats"
_PER_S: Final = 100
_FUNDS: Final = {"paper-momentum": FundSection(unlimited=True)}
_HOW: Final = (
    f"{_PER_S} orders a second are submitted, whether or not those before have been answered; each is timed until it "
    "is answered, that is, on disk (fsync). Those of the second half count, before which the server is paused or "
    "killed. All dialects and the positions are published. The ratio is to the p99 without NATS; medians of the rounds."
)


class _State:
    """What happens to the server once half of the orders are in."""

    def __init__(self, name: str, followed: bool, happens: Callable[[Nats], None]) -> None:
        self.name, self.followed, self.happens = name, followed, happens


_STATES: Final = (
    _State("without NATS", followed=False, happens=lambda _server: None),
    _State("followed", followed=True, happens=lambda _server: None),
    _State("stands still", followed=True, happens=Nats.pause),
    _State("killed", followed=True, happens=Nats.kill),
)


def measure(plan: Plan) -> Result:
    """All states in turns."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    proof: dict[str, Any] = {"accepted": 0, "asked": 0}
    for number in range(plan.rounds):
        for state in _STATES:
            plan.say(f"NATS, round {number + 1} of {plan.rounds}, {state.name}")
            with TemporaryDirectory(dir=plan.folder, prefix="bench-") as folder:
                times_s = _round(Path(folder), state, plan.requests)
            found[state.name].append(times_s)
            proof["accepted"] += len(times_s)
            proof["asked"] += plan.requests - plan.requests // 2
    result = Result(name=NAME, tables=[_table(found)], proof=proof)
    return check(result, done=proof["accepted"] == proof["asked"])


def _round(folder: Path, state: _State, count: int) -> list[float]:
    server = Nats(folder / "nats")
    try:
        return asyncio.run(_submit(folder, server, state, count))
    finally:
        server.kill()


async def _submit(folder: Path, server: Nats, state: _State, count: int) -> list[float]:
    section = NatsSection()
    if state.followed:
        section = NatsSection(servers=(server.url,), dialects=tuple(Dialect), positions_bucket="POSITIONS")
    async with open_gate(Config(nats=section, funds=_FUNDS), f"sqlite:///{folder / 'orders.db'}") as gate:
        await gate.set_quote("paper", quote(gate.clock.now()))
        begun, under_way = time.perf_counter(), []
        for number in range(count):
            if number == count // 2:
                state.happens(server)
            await asyncio.sleep(max(0.0, begun + number / _PER_S - time.perf_counter()))
            under_way.append(asyncio.ensure_future(_timed(gate, number)))
        return list(await asyncio.gather(*under_way))[count // 2 :]


async def _timed(gate: Gate, number: int) -> float:
    begun = time.perf_counter()
    await gate.execute(order(number))
    return time.perf_counter() - begun


def _table(found: dict[str, list[list[float]]]) -> Table:
    without = _p99_ms(found["without NATS"])
    rows: list[list[Cell]] = [
        [
            name,
            median([percentile(times_s, 0.5) for times_s in rounds]) * 1_000,
            _p99_ms(rounds),
            _p99_ms(rounds) / without,
        ]
        for name, rounds in found.items()
    ]
    columns = (
        Column("NATS"), Column("p50, ms", ",.2f"), Column("p99, ms", ",.2f"), Column("p99, ratio", ".2f"),
    )  # fmt: skip
    return Table(title="Acceptance beside NATS", columns=columns, rows=rows, notes=[_HOW])


def _p99_ms(rounds: list[list[float]]) -> float:
    return median([percentile(times_s, 0.99) for times_s in rounds]) * 1_000
