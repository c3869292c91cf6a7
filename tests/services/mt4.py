"""The adapter of MetaTrader 4 against the counterpart of its bridge: what the broker suite and other tests share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from ordergate.adapters.brokers.mt4 import Mt4Broker, Mt4Settings
from ordergate.adapters.clock import VirtualClock
from ordergate.application.ports.clock import Clock
from ordergate.domain.instruments import Instrument, built_in
from ordergate.testing.conformance.counterpart import Ability, Counterpart, Fault
from ordergate.testing.metatrader4.account import Symbol
from ordergate.testing.metatrader4.faults import FolderFaults, ServerFaults
from ordergate.testing.metatrader4.simulation import Simulation
from ordergate.testing.metatrader4.terminal import Killed
from ordergate.testing.metatrader4.trading import order_send

CYCLE_S = 0.01
SETTLED = 4
"""Cycles after which the expert has told of all that it sees: files may be held back for some."""
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SLOW_S = 0.6
EURUSD = "EURUSD.r"


def catalogue(symbol: str) -> Instrument | None:
    return built_in(symbol)


def settings_for(folder: Path) -> Mt4Settings:
    return Mt4Settings(folder=str(folder), symbols={"EURUSD": EURUSD}, deadline_ms=400, poll_ms=10, quiet_s=3)


async def until(true: Callable[[], bool], what: str = "it", seconds: float = 5.0) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {seconds} s") from None


class Running:
    """A simulated terminal that runs beside a test.

    Attributes:
        answers: what becomes of results: dropped, cut, garbled or slow.
        blind, half: snapshots are cut; the orders alone.
        searches: the expert finds at once what became of what it was not told of; else later.
        twice: each line of the events is written twice.
        stopped: the expert does nothing.
    """

    made: type[Simulation] = Simulation

    def __init__(self, folder: Path, symbol: Symbol | None = None, clock: Clock | None = None) -> None:
        self.skew_s, self.clock = 0.0, clock or VirtualClock(START)
        symbols = (symbol or Symbol(name=EURUSD),)
        self.sim = self.made(folder, symbols=symbols, clock=self._now)
        self.folder = folder
        self.answers: str | None = None
        self.blind = self.half = self.twice = self.stopped = False
        self._late: list[tuple[float, Path, bytes]] = []
        self.searches, self.kills = True, 0
        self._steer()
        self._move, self._append = self.sim.folder.move, self.sim.folder.append
        self.sim.folder.move = self._moved  # type: ignore[method-assign]
        self.sim.folder.append = self._appended  # type: ignore[method-assign]

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def cycle(self) -> None:
        for due in [one for one in self._late if one[0] <= self._now()]:
            self._late.remove(due)
            due[1].write_bytes(due[2])
        if self.stopped:
            return
        try:
            self.sim.cycle()
        except Killed:
            self.restart()

    def _steer(self) -> None:
        """What is steered of one run of the terminal."""
        self.sim.terminal.gmt = lambda: int(self._now() + self.skew_s)  # type: ignore[method-assign]
        self._search = self.sim.expert._answers.settle_late
        self.sim.expert._answers.settle_late = self._searched  # type: ignore[method-assign]

    def _searched(self, gmt: int) -> None:
        if self.searches:
            self._search(gmt)

    async def prices(self) -> None:
        """Two, one after the other: with the second the expert knows the server's clock."""
        for _ in range(2):
            self.sim.account.quote(EURUSD, Decimal("1.09999"), Decimal("1.10001"))
            self.sim.cycle()
            await asyncio.sleep(1.1)

    async def run(self, cycle_s: float = CYCLE_S) -> None:
        while True:
            self.cycle()
            await asyncio.sleep(cycle_s)

    def restart(self) -> None:
        """The terminal is ended, and started again."""
        self.kills += 1
        self.sim.folder.faults.stale_lists = 0  # a terminal that starts has seen no list before
        self.sim.start()
        self._steer()

    def _appended(self, path: str, data: bytes) -> bool:
        return self._append(path, data * 2 if self.twice and path.startswith("events/") else data)

    def _moved(self, source: str, target: str) -> bool:
        moved = self._move(source, target)
        done = moved and (self.folder / target).exists()  # a defect may hold it back
        if done and target.startswith("out/") and self.answers is not None:
            self._spoil(self.folder / target)
        elif done and target.startswith("state/") and (self.blind or (self.half and "orders" in target)):
            self._cut(self.folder / target)
        return moved

    def _spoil(self, path: Path) -> None:
        whole = path.read_bytes()
        if self.answers == "cut":
            path.write_bytes(whole[: len(whole) // 2])
        elif self.answers == "garbled":
            path.write_bytes(whole.replace(b'"state":"done"', b'"state":"dune"'))
        else:
            path.unlink()
        if self.answers == "slow":
            self._late.append((self._now() + SLOW_S, path, whole))

    def _cut(self, path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-20])

    def go_blind(self, blind: bool, half: bool) -> None:
        self.blind, self.half = blind, half
        self.write_anew()
        self.cycle()

    def write_anew(self) -> None:
        """Snapshots, in the next cycle."""
        self.sim.expert._snapshots._written.clear()

    @property
    def told(self) -> tuple[str, int]:
        """The last event."""
        return self.sim.expert.ledger.stream, self.sim.expert.ledger.n

    @property
    def idle(self) -> bool:
        """Whether no command waits; what a terminal that was killed has left in `work/` may stay there."""
        return not any((self.folder / "in").iterdir())


ANSWERS = {
    Fault.DROP_ANSWERS: "drop",
    Fault.CUT_ANSWERS: "cut",
    Fault.GARBLED_ANSWERS: "garbled",
    Fault.SLOW_ANSWERS: "slow",
}
CODES = {Fault.SERVER_ERRORS: 128, Fault.CLIENT_ERRORS: 9_999}


class Mt4Counterpart(Counterpart):
    symbol = "EURUSD"
    lot = Decimal("0.01")
    price = Decimal("1.10000")
    tick = Decimal("0.00001")
    faults = frozenset(
        {
            *ANSWERS,
            *CODES,
            Fault.REFUSE_ORDERS,
            Fault.CLOCK_SKEW,
            Fault.DUPLICATE_REPORTS,
            Fault.BREAK_STREAM,
            Fault.INCOMPLETE_SNAPSHOT,
            Fault.FAIL_QUERIES,
        }
    )
    abilities = frozenset({Ability.FOREIGN_ORDERS, Ability.INSTRUMENT_CHANGES, Ability.LEVELS})

    """The account.

    Attributes:
        defects: draws what goes wrong with files, and where the terminal is killed; None for nothing.
    """

    def __init__(self, running: Running, kind: type[Mt4Broker] = Mt4Broker) -> None:
        self.running, self.kind = running, kind
        self.defects: Random | None = None
        self.settings = settings_for(running.folder)
        self.broker: Mt4Broker = self._new()
        self.off_steps = {
            "a price off the tick": {"limit_price": Decimal("1.099505")},
            "a quantity off the step": {"quantity": Decimal("0.015")},
            "a quantity below the minimum": {"quantity": Decimal("0.001")},
        }

    def _new(self) -> Mt4Broker:
        return self.kind("terminal", self.settings, self.running.clock, catalogue)

    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        if self.defects is not None:
            self._spoil(self.defects)
        self.running.sim.account.quote(
            EURUSD, bid, ask
        )  # MetaTrader 4 shows no sizes, and fills whole orders

    async def settle(self) -> None:
        session = self.broker.session
        if session is None or not session.granted:
            return
        await until(lambda: self.running.idle, "an empty folder")
        for _ in range(SETTLED):
            self.running.cycle()
        told = self.running.told
        await until(lambda: (session.book.stream, session.book.n) >= told, f"event {told}")

    async def reopen(self) -> None:
        await self.broker.close()
        self.broker = self._new()

    def inject(self, *faults: Fault) -> None:
        running, sim = self.running, self.running.sim
        running.answers = next((ANSWERS[fault] for fault in faults if fault in ANSWERS), None)
        code = next((CODES[fault] for fault in faults if fault in CODES), None)
        sim.account.faults = ServerFaults(
            lose=code,
            refuse=134 if Fault.REFUSE_ORDERS in faults else None,
        )
        running.twice = Fault.DUPLICATE_REPORTS in faults
        running.stopped = Fault.BREAK_STREAM in faults
        running.skew_s = 7_200.0 if Fault.CLOCK_SKEW in faults else 0.0
        running.searches = code is None
        wanted = Fault.FAIL_QUERIES in faults, Fault.INCOMPLETE_SNAPSHOT in faults
        if (running.blind, running.half) != wanted:
            running.go_blind(*wanted)

    async def place_foreign(self) -> Callable[[], Awaitable[bool]]:
        account = self.running.sim.account
        zero = Decimal(0)
        ticket = order_send(
            account, EURUSD, 2, Decimal("0.5"), Decimal("1.05"), 0, zero, zero, "by hand", 0, 0
        )

        async def works() -> bool:
            return ticket in account.books.open

        return works

    async def change_steps(self) -> Decimal:
        symbol = self.running.sim.account.books.symbols[EURUSD]
        symbol.digits = 4
        self.running.write_anew()
        await until(lambda: self._steps_seen("0.0001"), "the new steps")
        return symbol.point

    def _spoil(self, dice: Random) -> None:
        """Lets the folder, or the terminal, do what those do."""
        sim = self.running.sim
        sim.folder.faults = FolderFaults()
        match dice.randrange(7):
            case 0:
                sim.folder.faults.half_reads = dice.randint(1, 3)
            case 1:
                sim.folder.faults.hold_cycles = dice.randint(1, 2)
            case 2:
                sim.folder.faults.half_cycles = dice.randint(1, 2)
            case 3:
                sim.folder.faults.stale_lists = dice.randint(1, 3)
            case 4:
                sim.folder.faults.copies = dice.randint(1, 2)
            case 5:
                sim.terminal.kill_at = sim.terminal.step + dice.randint(1, 12)
            case _:
                pass

    def _steps_seen(self, step: str) -> bool:
        return step in (self.running.folder / "state" / "symbols.json").read_text()


@asynccontextmanager
async def counterpart(
    kind: type[Mt4Broker] = Mt4Broker, clock: Clock | None = None, cycle_s: float = CYCLE_S
) -> AsyncIterator[Mt4Counterpart]:
    with TemporaryDirectory() as place:
        running = Running(Path(place) / "ordergate", clock=clock)
        task = asyncio.get_running_loop().create_task(running.run(cycle_s))
        found = Mt4Counterpart(running, kind)
        try:
            await running.prices()
            yield found
        finally:
            await found.broker.close()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            running.sim.folder.release()
