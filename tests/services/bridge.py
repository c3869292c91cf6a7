"""The MetaTrader 4 bridge as its client sees it, without the adapter: files written and read by hand."""

import os
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ordergate.testing.metatrader4.lines import (
    command_id,
    command_name,
    comment_of,
    dress,
    magic_of,
    undress,
)
from ordergate.testing.metatrader4.simulation import Simulation
from ordergate.testing.metatrader4.terminal import Killed
from tests.services.mql4.build import COMPILER, build
from tests.services.mql4.expert import CompiledSimulation

NOON = 1_764_504_000
BUILT = Path(tempfile.gettempdir()) / f"ordergate-mql4-{os.getuid() if hasattr(os, 'getuid') else 0}"
EXPERTS = [
    pytest.param("python"),
    pytest.param(
        "mql4",
        marks=[
            pytest.mark.slow,
            pytest.mark.skipif(COMPILER is None, reason="g++ makes a program of the MQL4 text"),
        ],
    ),
]


@cache
def simulation(expert: str) -> type[Simulation]:
    """The expert advisor in Python, or the real one."""
    if expert == "python":
        return Simulation
    CompiledSimulation.program = build(BUILT)
    return CompiledSimulation


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = float(NOON)

    def __call__(self) -> float:
        return self.now


class Desk:
    """A simulation, and a client of it."""

    def __init__(self, root: Path, make: type[Simulation] = Simulation, **given: Any) -> None:
        self.clock = Clock()
        self.root = root
        self.sim = make(root, clock=self.clock, **given)
        self.quote("1.10000", "1.10010")
        self.gen, self.seq = 1, 0
        self.own(1, "first")
        self.clock.now += 2
        self.quote("1.10000", "1.10010")
        self.run()

    def close(self) -> None:
        self.sim.close()

    def quote(self, bid: str, ask: str, size: str | None = None) -> None:
        self.sim.account.quote("EURUSD", Decimal(bid), Decimal(ask), Decimal(size) if size else None)

    def own(self, gen: int, session: str) -> None:
        self.put("owner.json", {"v": 1, "kind": "owner", "gen": gen, "session": session, "at": 0})
        self.gen, self.seq = gen, 0
        self.run()

    def put(self, name: str, fields: dict[str, Any]) -> None:
        part = self.root / "tmp-mine"
        part.write_bytes(dress(fields))
        part.replace(self.root / name)

    def run(self, cycles: int = 1, each_s: float = 0.1) -> None:
        for _ in range(cycles):
            self.clock.now += each_s
            self.sim.cycle()

    def command(self, op: str, ref: str, **keys: Any) -> dict[str, Any]:
        self.seq += 1
        now = int(self.clock.now)
        return {
            "v": 1,
            "kind": "command",
            "gen": self.gen,
            "seq": self.seq,
            "id": command_id(ref),
            "ref": ref,
            "sent_at": now,
            "expires_at": now + 10,
            "op": op,
            **keys,
        }

    def open_command(self, ref: str, **keys: Any) -> dict[str, Any]:
        terms = {
            "symbol": "EURUSD",
            "type": "buy",
            "lots": "0.10",
            "magic": magic_of(ref),
            "comment": comment_of(ref),
        }
        return self.command("open", ref, **{**terms, **keys})

    def send(self, command: dict[str, Any]) -> None:
        self.put(f"in/{command_name(command['gen'], command['seq'])}", command)

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        self.send(command)
        self.run()
        return self.result(command["ref"])

    def open(self, ref: str, **keys: Any) -> dict[str, Any]:
        return self.do(self.open_command(ref, **keys))

    def seal(self, target: str, **keys: Any) -> dict[str, Any]:
        ref = f"seal-{self.gen}-{self.seq + 1}"
        return self.do(self.command("seal", ref, target=command_id(target), **keys))

    def result(self, ref: str) -> dict[str, Any]:
        found = self.peek(ref)
        assert found is not None, f"no result of {ref}"
        return found

    def peek(self, ref: str) -> dict[str, Any] | None:
        path = self.root / "out" / f"res-{command_id(ref)}.json"
        return undress(path.read_bytes()) if path.exists() else None

    def state(self, kind: str) -> dict[str, Any]:
        found = undress((self.root / "state" / f"{kind}.json").read_bytes())
        assert found is not None
        return found

    def lines(self) -> Iterator[dict[str, Any]]:
        for path in sorted((self.root / "events").iterdir()):
            for line in path.read_bytes().splitlines(keepends=True):
                found = undress(line)
                if found is not None:
                    yield found

    def events(self) -> list[dict[str, Any]]:
        """Those that say what happened; `n` has no gap in any stream."""
        numbers: list[int] = []
        told = []
        for line in self.lines():
            if line["kind"] == "begin" and line["n"] == 1:
                numbers = []
            numbers.append(line["n"])
            if line["kind"] not in ("begin", "still", "begun", "started"):
                told.append(line)
        assert numbers == list(range(1, len(numbers) + 1))
        return told

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events()]

    def restart(self, **given: Any) -> None:
        self.sim.start(**given)
        self.run()
        self.clock.now += 2

    def kill_at(self, step: int) -> bool:
        """Cycles until the process ends at that call; whether it did."""
        self.sim.terminal.kill_at = step
        try:
            self.run(3)
        except Killed:
            return True
        return False
