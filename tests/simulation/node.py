"""A node: a gate that dies and comes back, and the way to it."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from ordergate.application.engine import Command
from ordergate.application.entry import Origin
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.ids import Ids
from ordergate.bootstrap import Gate, assemble
from ordergate.config import Config, FundSection
from ordergate.config.limits import LimitSections
from ordergate.domain.errors import DiskError, OutcomeUnknown, Refused, StoreError
from ordergate.domain.instruments import AssetClass
from ordergate.protocols.tlog import Signer
from tests.services.funds import RICH
from tests.simulation.auditor import Auditor
from tests.simulation.candor import Manner
from tests.simulation.consumer import Consumer
from tests.simulation.dice import Dice
from tests.simulation.exchange import Exchange
from tests.simulation.line import Line
from tests.simulation.loop import Process, SeededLoop
from tests.simulation.outcome import Outcome
from tests.simulation.stores import Store
from tests.simulation.workload import Lost

SIGNER: Final = Signer("simulation.example/journal", bytes(range(32)))
_FUNDS: Final = {
    "alpha": FundSection(),
    "beta": FundSection(asset_classes=(AssetClass.EQUITIES, AssetClass.CRYPTO), unlimited=True),
}
_LIMITS: Final = LimitSections(funds={"alpha": RICH.funds["paper-momentum"]})
_PATIENCE_S: Final = 60.0
_MAY_END_IT: Final = (StoreError, DiskError, OutcomeUnknown)


def config_of(manner: Manner) -> Config:
    """What nodes are configured with at such a venue."""
    funds = {name: _FUNDS[name] for name in sorted(set(manner.funds))}
    return Config(funds=funds, limits=_LIMITS, reconciliation=manner.section)


class Surroundings(Protocol):
    """What a node finds in its world."""

    loop: SeededLoop
    dice: Dice
    ids: Ids
    store: Store
    exchange: Exchange
    consumer: Consumer
    auditor: Auditor
    result: Outcome
    crashes_left: int

    def fail(self, problem: str) -> None: ...

    def say(self, text: str, about: Any = None) -> None: ...

    def stops(self, process: Process, fault: str) -> None: ...

    def died(self, process: Process) -> None: ...


class Node:
    """One of the gates of a run.

    Attributes:
        process: its present life.
        gate: while it is up.
        journal: of its present life.
    """

    def __init__(self, name: str, world: Surroundings, clock: Clock) -> None:
        self.name, self._world, self._clock = name, world, clock
        self._config = self._configured()
        self._mood = world.dice.stream(f"life of {name}")
        self._lives = self._requests = 0
        self._last = False
        self._over: asyncio.Future[None] | None = None
        self._stop: asyncio.Event | None = None
        self._pending: dict[asyncio.Future[Any], None] = {}
        self.process: Process | None = None
        self.gate: Gate | None = None
        self.journal: Any = None

    @property
    def lasts(self) -> bool:
        """Whether it comes back, whatever happens."""
        return not self._last

    def _configured(self) -> Config:
        return config_of(self._world.exchange.manner)

    def _lines(self, process: Process) -> Sequence[Line]:
        """The ways to the venues of its world, for one life."""
        return [Line(self._world.exchange, process)]

    # Its lives.

    async def live_on(self) -> None:
        """One life after the other, until `end`."""
        world, mood = self._world, self._mood
        while not self._last:
            process = self.process = Process(f"{self.name} {self._lives}")
            self._lives += 1
            world.result.lives += 1
            if world.crashes_left and mood.random() < 0.8:
                process.crash_at = int(10 ** (0.7 + mood.random() * 2.8))
            over = self._over = world.loop.create_future()
            stop = self._stop = asyncio.Event()
            world.loop.create_task(self._live(process, stop, over), context=process.context)
            world.say(f"{process.name} starts")
            await over
            process.dead = True
            world.store.gone(process)
            self._hang_up()
            if not self._last:
                await asyncio.sleep(0.01 if world.dice.calm else mood.random() ** 3 * 20)

    async def _live(self, process: Process, stop: asyncio.Event, over: asyncio.Future[None]) -> None:
        why, world = "was stopped", self._world
        try:
            journal, leases = world.store.enter(process, self.crash_and_never_return, world.stops)
            lines = self._lines(process)
            gate_of = assemble(self._config, journal, SIGNER, self._clock, world.ids, lines, leases=leases)
            async with gate_of as gate:
                gate.running.add_done_callback(lambda _done: stop.set())
                await gate.follow(world.consumer)
                self.gate, self.journal = gate, journal
                world.say(f"{process.name} is up")
                await stop.wait()
                self.gate = None
        except _MAY_END_IT as error:
            why = f"ended: {error}"
        except Exception as error:
            world.fail(f"the gate fell over: {type(error).__name__}: {error}")
        world.say(f"{process.name} {why}")
        world.store.gone(process)
        if not over.done():
            over.set_result(None)

    def crash(self, where: str) -> None:
        """As kill -9 does."""
        world, process = self._world, self.process
        if process is None or process.dead:
            return
        world.say(f"{process.name} dies {where}")
        world.crashes_left -= 1
        world.result.crashes += 1
        process.dead = True
        world.store.gone(process)
        world.died(process)
        world.auditor.check_all()
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def crash_and_never_return(self, where: str) -> None:
        """Of a process that dies in the middle of what it does; unless enough have died."""
        if self._world.crashes_left:
            self.crash(where)
            await self._world.loop.create_future()

    def stay_down(self) -> None:
        """This life is the last, however it ends."""
        self._last = True

    def stop(self) -> None:
        """In good order; it comes back."""
        if self._stop is not None:
            self._stop.set()

    def end(self) -> None:
        """In good order, for the last time."""
        self.stay_down()
        self.stop()

    def _hang_up(self) -> None:
        self.gate = None
        pending, self._pending = self._pending, {}
        for reply in pending:
            if not reply.done():
                reply.set_exception(Lost("the gate is gone"))

    # The door.

    async def ask(self, command: Command, *, preview: bool = False, by: str = "local") -> Any:
        """The gate's answer; see `Door`."""
        gate, process, world = self.gate, self.process, self._world
        if gate is None or process is None:
            raise Lost("the gate is down")
        reply: asyncio.Future[Any] = world.loop.create_future()
        self._pending[reply] = None
        serving = world.loop.create_task(
            self._serve(gate, command, reply, by, preview=preview), context=process.context.copy()
        )
        dice = world.dice
        patience = dice.draw("client_gives_up", 3.0) if dice.hits("client_gives_up") else _PATIENCE_S
        try:
            async with asyncio.timeout(patience):
                return await reply
        except TimeoutError:
            if patience == _PATIENCE_S and dice.calm:
                world.fail(f"{type(command).__name__} had no answer within {patience} s")
            if not process.dead:
                serving.cancel()
            raise Lost("the caller hung up") from None
        finally:
            self._pending.pop(reply, None)

    async def _serve(
        self, gate: Gate, command: Command, reply: asyncio.Future[Any], by: str, *, preview: bool
    ) -> None:
        world = self._world
        self._requests += 1
        request = f"{self.name} {self._requests}"
        world.say("asked    to preview" if preview else f"asked    {self.name}", command)
        try:
            if preview:
                answer = await gate.preview(command)
            else:
                answer = await gate.execute(
                    command, Origin(principal=by, source="simulation", request=request)
                )
                world.auditor.answered(answer)
        except Exception as error:
            world.say("answered", error)
            if isinstance(error, (StoreError, Refused)) and not preview:
                world.auditor.denied(request, error)
            if not reply.done():
                reply.set_exception(error)
            return
        world.say("answered", answer)
        if not reply.done():
            reply.set_result(answer)
