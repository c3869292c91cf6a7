"""The adapter of MetaTrader 4 passes the broker suite on the real expert advisor, made a program of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ordergate.adapters.brokers.mt4 import Mt4Broker
from ordergate.testing.conformance.counterpart import Counterpart
from ordergate.testing.metatrader4.lines import undress
from tests.conformance.skips import run_or_skip
from tests.conformance.test_mt4_broker import CASES, SKIPPED, Mt4Suite
from tests.services.bridge import simulation
from tests.services.mql4.build import COMPILER
from tests.services.mt4 import Mt4Counterpart, Running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMPILER is None, reason="g++ makes a program of the MQL4 text"),
]


class RealRunning(Running):
    """What a test does to the expert advisor it does from outside: through files, and through the terminal."""

    _heard = True

    def __init__(self, folder: Path) -> None:
        self.made = simulation("mql4")
        self._whole: dict[Path, bytes] = {}
        super().__init__(folder)

    def _steer(self) -> None:
        self.sim.terminal.gmt = lambda: int(self._now() + self.skew_s)  # type: ignore[method-assign]

    @property
    def searches(self) -> bool:
        """Whether the terminal hears at once what the server did."""
        return not self.sim.account.faults.frozen

    @searches.setter
    def searches(self, searches: bool) -> None:
        heard, self.sim.account.faults.frozen = self._heard, not searches
        self._heard = searches
        if searches and not heard:
            self.sim.cycle()

    def _cut(self, path: Path) -> None:
        self._whole[path] = path.read_bytes()
        super()._cut(path)

    def go_blind(self, blind: bool, half: bool) -> None:
        self.blind, self.half = blind, half
        for path in (self.folder / "state").glob("*.json"):
            if blind or (half and path.name == "orders.json"):
                self._cut(path)
            elif path in self._whole:
                path.write_bytes(self._whole.pop(path))

    def write_anew(self) -> None:
        """It does so by itself."""

    @property
    def told(self) -> tuple[str, int]:
        lines = [
            undress(line)
            for path in sorted((self.folder / "events").iterdir())
            for line in path.read_bytes().splitlines(keepends=True)
        ]
        whole = [line for line in lines if line is not None]
        stream = [line["stream"] for line in whole if line["kind"] == "begin"][-1]
        return stream, max(line["n"] for line in whole)


@asynccontextmanager
async def counterpart(kind: type[Mt4Broker]) -> AsyncIterator[Mt4Counterpart]:
    with TemporaryDirectory() as place:
        running = RealRunning(Path(place) / "ordergate")
        task = asyncio.get_running_loop().create_task(running.run())
        found = Mt4Counterpart(running, kind)
        try:
            await running.prices()
            yield found
        finally:
            await found.broker.close()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            running.sim.close()


class ExpertSuite(Mt4Suite):
    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        async with counterpart(self.kind) as found:
            yield found


@pytest.mark.parametrize("case", CASES)
def test_the_expert_advisor(case: str) -> None:
    run_or_skip(case, getattr(ExpertSuite(), case), SKIPPED)
