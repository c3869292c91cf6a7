"""One run: gates that die and come back, their clients, their venue, and an auditor who looks at every step."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ordergate.adapters.clock import VirtualClock
from ordergate.application.comparison import Policy
from ordergate.application.engine import Command
from ordergate.domain.errors import Code
from tests.simulation.auditor import Auditor
from tests.simulation.candor import Candor
from tests.simulation.cluster import Cluster
from tests.simulation.consumer import Consumer
from tests.simulation.dice import Dice, SeededIds
from tests.simulation.ending import VenueRecord, differences, proofs, undelivered
from tests.simulation.exchange import GRACE_S, Exchange
from tests.simulation.levels import Levels
from tests.simulation.loop import Process, SeededLoop
from tests.simulation.misleading import AS_BEFORE, HALTING, LIES, Misleading
from tests.simulation.node import SIGNER, Node
from tests.simulation.outcome import Outcome, shown
from tests.simulation.store import lay_out
from tests.simulation.stores import OneDisk, OneServer
from tests.simulation.workload import MARKETS, Client, Market

LIVENESS_S: Final = 120 + GRACE_S
"""Simulated seconds after the last fault in which everything is settled."""

_LONGEST_S: Final = 3600.0
_ALL_UP_S: Final = 30.0
"""After which every node is up and awake that was stopped by the last fault."""
_STARTS: Final = ((14, 29), (15, 0), (20, 59), (21, 59), (23, 59))
_LOOKS_S: Final = 12.0
"""What the looks of a policy take, and the way to the venue and back."""
HEARD_S: Final = 3.0
_MOST_SKEW_S: Final = 2.0


class World:
    """Everything of one run.

    Args:
        number: what all dice of the run are thrown from.
        trace: is told what happens, in words.
    """

    def __init__(
        self, number: int, folder: Path, template: Path, trace: Callable[[str], None] | None
    ) -> None:
        self._trace = trace
        self.dice = Dice(number)
        self.result = Outcome(number)
        self._path, self._venue_path = folder / f"{number}.db", folder / f"{number}.db.paper"
        lay_out(template, self._path)
        mood = self._mood = self.dice.stream("world")
        chaos, hold = mood.choice((0.2, 0.6, 1.0)), mood.choice((0.0, 0.0, 0.01))
        self.loop = SeededLoop(self.dice.stream("order of steps"), chaos, hold, self._dies)
        self.crashes_left = mood.choice((0, 1, 2, 3, 4))
        self._orders = 8 + int(mood.random() * 12)
        hour, minute = mood.choice(_STARTS)
        start = datetime(2026, 3, 5, hour, minute, tzinfo=UTC)
        self.clock = VirtualClock(start)
        self.exchange = Exchange(self.dice, self.clock, self._venue_path, self)
        self.auditor = Auditor(self._path, self.fail, self.say, self.exchange)
        self.consumer = Consumer(self.dice, self.fail, lambda: self.auditor.model.size)
        self.ids = SeededIds(self.dice)
        self.store: OneDisk | OneServer
        self.cluster: Cluster | None = None
        if self.dice.shared:
            self.store = OneServer(self._path, self.clock, self.dice, self.auditor.grew, self.fail)
            self.nodes = [
                Node(f"node {name}", self, VirtualClock(start + self._skew()))
                for name in "abc"[: mood.choice((2, 2, 3))]
            ]
            self.cluster = Cluster(self, self.store.server, self.nodes)
        else:
            self.store = OneDisk(self._path, self.dice, self.auditor.grew)
            self.nodes = [Node("gate", self, self.clock)]
        self._doors = self.dice.stream("doors")
        self._ended = False

    def _skew(self) -> timedelta:
        return timedelta(seconds=_MOST_SKEW_S * (2 * self._mood.random() - 1))

    # The run.

    def run(self) -> Outcome:
        """From the first order to the last proof."""
        try:
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(self._main())
        except RuntimeError as error:
            if not self.result.problems:
                self.result.problems.append(f"{error}")
        finally:
            self._tidy()
        return self.result

    def fail(self, problem: str) -> None:
        """Something is wrong: the run is over."""
        if self._ended:
            return
        self.say(f"WRONG: {problem}")
        self.result.problems.append(problem)
        self.loop.stop()

    def say(self, text: str, about: Any = None) -> None:
        """For the trace; what it is about is only made into words where there is one."""
        if self._trace is not None and not self._ended:
            told = "" if about is None else f" {shown(about)}"
            self._trace(f"{self.loop.elapsed_us / 1e6:11.6f}  {text}{told}")

    async def _main(self) -> None:
        market = Market(self.dice.stream("market"))
        await self.exchange.open()
        lives = [self.loop.create_task(node.live_on()) for node in self.nodes]
        misleading = Misleading(self.exchange, market, self.say)
        levels = Levels(self.exchange, market, self.say)
        works = (self._trade(market), self._harm(), misleading.go_on(), levels.go_on())
        ever = [self.loop.create_task(work) for work in works]
        if self.cluster is not None:
            ever.append(self.loop.create_task(self.cluster.watch()))
        manner = self.exchange.manner
        halts = manner.tells and manner.policy is Policy.HALT
        expected = frozenset({Code.INBOX_FULL, *((Code.HALTED,) if halts else ())})
        clients = [
            Client(f"c{n}", self.dice.stream(f"client {n}"), self, market, manner.funds, expected)
            for n in range(1 + self._orders // 5)
        ]
        async with asyncio.timeout(_LONGEST_S):
            await asyncio.gather(*(client.trade(self._orders // len(clients)) for client in clients))
        if self._mood.random() < 0.4:  # long enough for every grace to pass under faults
            await asyncio.sleep(self._mood.random() * 90)
        for task in ever[1:4]:
            task.cancel()
        await self._come_to_rest()
        await self._probe(misleading)
        await self._settle()
        for node in self.nodes:
            node.end()
        await asyncio.gather(*lives)
        for task in ever:
            task.cancel()
        await asyncio.gather(*ever, return_exceptions=True)
        for task in ever:
            if not task.cancelled() and task.exception() is not None:
                self.fail(f"the world itself broke: {task.exception()!r}")
        await self._prove()

    async def _come_to_rest(self) -> None:
        """No more faults: everything settles in bounded time, with a new session where reports were lost."""
        self.say("no more faults")
        self.dice.rest()
        if self.cluster is not None:
            self.cluster.rest()
        if not self.exchange.broken and self._mood.random() < 0.4:
            self.say("all goes on as it is")  # nothing may wait for a restart
        else:
            if self.cluster is not None and self._mood.random() < 0.8:
                await asyncio.sleep(_ALL_UP_S)
            self._begin_anew()
        await self._settle()

    async def _settle(self) -> None:
        ends = self.loop.time() + LIVENESS_S + (30 if self.dice.shared else 10)
        left = ["no gate came up"]
        while left and self.loop.time() < ends:
            await asyncio.sleep(3)
            if all(node.gate is not None for node in self.nodes if node.lasts):
                left = self._left()
        for one in left:
            self.fail(f"not settled {LIVENESS_S:.0f} s after the last fault: {one}")

    async def _probe(self, misleading: Misleading) -> None:
        """With nothing wrong but the venue: what it hides is found in one cycle, what it says wrongly is said at once."""
        manner, reckoning = self.exchange.manner, self.auditor.reckoning
        if manner.candor is Candor.HIDES:
            for way in misleading.ways:
                misleading.hide(way)
            await asyncio.sleep(manner.every_s + max(manner.grace_s, self.exchange.kind.grace_s) + _LOOKS_S)
            self.auditor.grew()
            for one in reckoning.unfound(self.auditor.doubtful):
                self.fail(one)
        for what, kind in LIES.items() if manner.candor is Candor.LIES else ():
            if what not in AS_BEFORE:
                reckoning.kinds.discard(kind)
            if misleading.lie(what):
                await asyncio.sleep(HEARD_S)
                self.auditor.grew()
                if kind not in reckoning.kinds:
                    self.fail(f"the venue lied: {what}, and there is no break of kind {kind}")
                if manner.policy is Policy.HALT and kind in HALTING and not reckoning.halted:
                    self.fail(f"the venue lied: {what}, and is not halted")

    def _begin_anew(self) -> None:
        """Nodes die or are stopped: the one with the session at least."""
        dies = self._mood.random() < 0.5
        nodes = self.nodes if self.cluster is None else self.cluster.to_begin_anew(self._mood)
        for node in nodes:
            if len(nodes) < len(self.nodes) and self._mood.random() < 0.5:
                node.stay_down()  # the others must do without
            if dies:
                node.crash("at the end")
            else:
                node.stop()

    def _left(self) -> list[str]:
        venue = VenueRecord(self._venue_path)
        left = self.auditor.unsettled(venue.works)
        left += differences(self.auditor.model, venue, self.exchange.account.office, self.auditor.excused)
        left += self.auditor.reckoning.wrong()
        left += [] if self.cluster is None else self.cluster.left()
        return left + undelivered(self._path, self.consumer.taken)

    async def _prove(self) -> None:
        self.auditor.check_all()
        for problem in await proofs(self._path, SIGNER.verifier):
            self.fail(problem)

    def _tidy(self) -> None:
        result, model = self.result, self.auditor.model
        self._ended = True
        self.store.close()
        digest = hashlib.sha256(f"{self.loop.steps} {self.loop.draws}".encode())
        db = sqlite3.connect(self._path)
        for (entry,) in db.execute("SELECT entry FROM journal ORDER BY idx"):
            digest.update(entry)
        db.close()
        result.root = digest.hexdigest()
        result.entries, result.orders = model.size, len(model.orders)
        result.fills = sum(len(order.executions) for order in model.orders.values())
        result.shared, result.told = self.dice.shared, self.exchange.manner.tells
        reckoning = self.auditor.reckoning
        result.differences, result.adjusted = (
            reckoning.differences,
            len(reckoning.adjusted) + len(reckoning.moved),
        )
        result.steps, result.seconds = self.loop.steps, self.loop.time()
        self.auditor.close()
        self.exchange.paper._end("the run is over")
        self.loop.bury()
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()

    # The lives of the nodes.

    def _dies(self, process: Process) -> None:
        if self.crashes_left and not self.dice.calm:
            node = next(node for node in self.nodes if node.process is process)
            node.crash(f"at step {process.steps}")

    def died(self, process: Process) -> None:
        """A process is no more."""
        if self.cluster is not None:
            self.cluster.died(process)

    def stops(self, process: Process, fault: str) -> None:
        """A process stands still for as long as that fault may last."""
        if self.cluster is not None:
            self.cluster.stop(process, max(0.1, self.dice.draw_pause(fault)))

    # The door.

    async def ask(self, command: Command, *, preview: bool = False) -> Any:
        """The answer of any node; see `Door`."""
        node = self.nodes[int(self._doors.random() * len(self.nodes))]
        return await node.ask(command, preview=preview)

    def leaves(self, request: Any, sender: str, *, held_up: bool) -> None:
        """A request leaves a node."""
        self.say(f"leaves   {sender}{', which was held up' if held_up else ''}", request)
        owns = self.cluster is None or self.cluster.owns(sender)
        if not owns and not held_up:
            self.fail(f"{sender} sends {request.client_id}, and has not got the session")
        self.auditor.leaves(request, stale=not owns)

    def hears(self, report: Any) -> None:
        """A gate is told something."""
        self.say("reported", report)

    def arrives(self, request: Any, count: int) -> None:
        """A request comes to the venue."""
        self.say(f"arrives  {count}", request)
        self.auditor.arrives(request, count)

    def now(self) -> datetime:
        """The true time."""
        return self.clock.now()

    # The rest of the world.

    async def _trade(self, market: Market) -> None:
        dice = self.dice.stream("quotes")
        while True:
            self.exchange.paper.set_quote(market.next(self.clock.now()))
            await asyncio.sleep(dice.random() * 2)

    async def _harm(self) -> None:
        """Full disks, bad lines, stops in good order, and revisions by the venue's back office."""
        dice = self.dice.stream("harm")
        while True:
            await asyncio.sleep(dice.random() * 20)
            chance = dice.random()
            if chance < 0.2:
                await self._for_a_while("disk_is_full", dice.random() * 6)
            elif chance < 0.35:
                await self._for_a_while("line_is_dead", 10 + dice.random() * 50)
            elif chance < 0.45:
                self.nodes[int(dice.random() * len(self.nodes))].stop()
            elif chance < 0.55:
                await self._for_a_while("line_is_bad", 20 + dice.random() * 60)
            elif chance < 0.8:
                self.exchange.revise(dice.random(), lambda symbol: MARKETS[symbol][1])
            elif self.cluster is not None:
                await self.cluster.harm(dice)

    async def _for_a_while(self, what: str, seconds: float) -> None:
        for on in (True, False):
            self.say(f"{what}: {on}")
            setattr(self.dice, what, on)
            await asyncio.sleep(seconds * on)
