"""One run of a gate whose orders go on from broker to broker: three that fail, clients, halts, and restarts.

Its dice are its own: what is drawn here moves nothing in the runs of `world`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ordergate.adapters.clock import VirtualClock
from ordergate.application.comparison import Policy
from ordergate.application.engine import Command
from ordergate.application.ports.brokers import (
    Answer,
    Change,
    LoginRefused,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.config import Config, FundSection, PaperBroker
from ordergate.domain.delays import WorkerTerms
from ordergate.domain.errors import BrokerAway, Code, OutcomeUnknown, Refused, StoreError
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.commands import LiftHalt, ThrowSwitch
from ordergate.domain.risk.limits import Level
from ordergate.domain.routing import Route
from tests.simulation.candor import Candor, Manner
from tests.simulation.consumer import Consumer
from tests.simulation.dice import Dice, SeededIds
from tests.simulation.ending import proofs
from tests.simulation.exchange import GRACE_S, Exchange
from tests.simulation.line import Line
from tests.simulation.loop import Process, SeededLoop
from tests.simulation.node import SIGNER, Node
from tests.simulation.outcome import Outcome as Result
from tests.simulation.outcome import shown
from tests.simulation.routed_checks import Checks
from tests.simulation.store import lay_out
from tests.simulation.stores import OneDisk
from tests.simulation.workload import Client, Lost, Market

NAMES: Final = ("first", "second", "third")
FUND: Final = "routed"
SETTLED_S: Final = 90 + 2 * GRACE_S
"""Simulated seconds after the last fault in which everything is settled."""
_ORDERS: Final = 8
_MOST: Final = {
    "not_sent": 0.4,
    "request_lost": 0.4,
    "request_late": 0.5,
    "adapter_times_out": 0.4,
    "answer_lost": 0.3,
    "lookup_fails": 0.3,
}
"""More often than elsewhere: of these failover is made."""
_START: Final = datetime(2026, 3, 5, 15, tzinfo=UTC)


class RoutedExchange(Exchange):
    """One of the brokers.

    Attributes:
        away: nothing comes there, and nothing from there.
        refuses: every login, until it does not.
    """

    away = refuses = False

    async def leave(self) -> None:
        """It is away; what it would have reported comes in the next session."""
        self.away = True
        if self.line is not None:
            self.line._broken = True

    async def come_back(self) -> None:
        """It is there, and an adapter that still serves a gate logs on by itself."""
        self.away, line = False, self.line
        if line is not None and line.is_used:
            await line._log_on(line._cursor)


class RoutedLine(Line):
    """The way to a broker that may be away."""

    _exchange: RoutedExchange

    @property
    def connected(self) -> bool:
        """As adapters tell it."""
        return not self._exchange.away

    @property
    def taken_over(self) -> bool:
        """Its session is lost, and has to be opened anew."""
        return self._exchange.away

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """A new session, where there is one to be had."""
        if self._exchange.away:
            raise BrokerAway("no route to the broker (simulated)")
        if self._exchange.refuses:
            raise LoginRefused("wrong password (simulated)")
        await super().connect(sink, cursor)

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What it knows, if it can be asked."""
        if self._exchange.away:
            return Lookup(presence=Presence.UNAVAILABLE, reason="no route to the broker (simulated)")
        return await super().lookup(client_id, broker_order_id)

    async def open_orders(self) -> OpenOrders:
        """The same."""
        self._reach()
        return await super().open_orders()

    async def statement(self, since: datetime) -> Statement:
        """The same."""
        self._reach()
        return await super().statement(since)

    def _reach(self) -> None:
        if self._exchange.away:
            raise ConnectionResetError("simulated")

    async def _ask(self, request: Send | Withdraw | Change, call: Callable[[], Awaitable[Answer]]) -> Answer:
        if self._exchange.away:
            return Answer(outcome=Outcome.NOT_SENT, reason="no route to the broker (simulated)")
        answer = await super()._ask(request, call)
        if self._exchange.away and answer.outcome is not Outcome.NOT_SENT:
            return Answer(outcome=Outcome.UNKNOWN, reason="the connection broke (simulated)")
        return answer


class RoutedNode(Node):
    """A gate with all of them."""

    _world: "Routed"

    def _configured(self) -> Config:
        terms = WorkerTerms(failover_after_s=5)
        fund = FundSection(unlimited=True, broker=NAMES[0], routes=(Route(brokers=NAMES),), workers=terms)
        return Config(
            funds={FUND: fund},
            brokers={name: PaperBroker() for name in NAMES},
            reconciliation=self._world.manner.section,
        )

    def _lines(self, process: Process) -> Sequence[Line]:
        return [RoutedLine(exchange, process) for exchange in self._world.exchanges]


class Routed:
    """Everything of one run.

    Args:
        number: what all dice of the run are thrown from.
        trace: is told what happens, in words.
    """

    def __init__(
        self, number: int, folder: Path, template: Path, trace: Callable[[str], None] | None = None
    ) -> None:
        self._trace, self._ended = trace, False
        self.dice, self.result = Dice(number), Result(number)
        mood = self._mood = self.dice.stream("routed world")
        self._path = folder / f"{number}.db"
        lay_out(template, self._path)
        self.loop = SeededLoop(self.dice.stream("order of steps"), mood.choice((0.2, 1.0)), 0.0, self._dies)
        self.crashes_left = mood.choice((0, 1, 2))
        self.clock, self.ids = VirtualClock(_START), SeededIds(self.dice)
        self.manner = Manner(
            tells=mood.random() < 0.5,
            sums=False,
            candor=Candor.HONEST,
            policy=Policy.ALERT,
            every_s=20,
            strict=False,
            lacks=frozenset(),
        )
        venues = {name: folder / f"{number}.db.{name}" for name in NAMES}
        self._faults = [Dice(number * len(NAMES) + place) for place in range(len(NAMES))]
        for dice in self._faults:
            dice.chances |= {fault: most * mood.random() for fault, most in _MOST.items()}
        self.exchanges = [
            RoutedExchange(dice, self.clock, path, self, name, self.manner)
            for dice, (name, path) in zip(self._faults, venues.items(), strict=True)
        ]
        self.exchange = self.exchanges[0]
        self.checks = self.auditor = Checks(self._path, venues, self.fail, self.say)
        self.store = OneDisk(self._path, self.dice, self.checks.grew)
        self.consumer = Consumer(self.dice, self.fail, lambda: self.checks.size)
        self.node = RoutedNode("gate", self, self.clock)

    # The run.

    def run(self) -> Result:
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

    async def _main(self) -> None:
        market = Market(self.dice.stream("market"))
        for exchange in self.exchanges:
            await exchange.open()
        if self._mood.random() < 0.5:  # then a session that is lost is opened anew by the gate
            await self._leave(self._mood.choice(self.exchanges), self._mood.random() * 20)
        life = self.loop.create_task(self.node.live_on())
        quotes, harm = self.loop.create_task(self._quote(market)), self.loop.create_task(self._harm())
        expected = frozenset({Code.INBOX_FULL, Code.HALTED})
        clients = [
            Client(f"c{n}", self.dice.stream(f"client {n}"), self, market, (FUND,), expected)
            for n in range(2)
        ]
        await asyncio.gather(*(client.trade(_ORDERS // 2) for client in clients))
        await asyncio.sleep(self._mood.random() * 40)
        harm.cancel()
        await self._heal()
        await self._settle()
        self.node.end()
        await life
        quotes.cancel()
        for done in await asyncio.gather(quotes, harm, return_exceptions=True):
            if isinstance(done, Exception):
                self.fail(f"the world itself broke: {done!r}")
        for problem in await proofs(self._path, SIGNER.verifier):
            self.fail(problem)

    async def _heal(self) -> None:
        self.say("no more faults")
        again = self._mood.random() < 0.6 or any(exchange.refuses for exchange in self.exchanges)
        for dice in (self.dice, *self._faults):
            dice.rest()
        for exchange in self.exchanges:
            exchange.refuses = False
            await exchange.come_back()
        if again:
            self.node.stop()

    async def _settle(self) -> None:
        ends, left = self.loop.time() + SETTLED_S, ["no gate came up"]
        while left and self.loop.time() < ends:
            await asyncio.sleep(5)
            if self.node.gate is not None:
                left = self.checks.left()
        for one in left:
            self.fail(f"not settled {SETTLED_S:.0f} s after the last fault: {one}")

    def _tidy(self) -> None:
        self._ended = True
        self.store.close()
        self.result.entries, self.result.seconds = self.checks.size, self.loop.time()
        self.result.root = f"{self.checks.digest} {self.loop.steps} {self.loop.draws}"
        self.checks.close()
        for exchange in self.exchanges:
            exchange.paper._end("the run is over")
        self.loop.bury()
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()

    def _dies(self, process: Process) -> None:
        if self.crashes_left and not self.dice.calm:
            self.node.crash(f"at step {process.steps}")

    # The world around.

    async def _quote(self, market: Market) -> None:
        dice = self.dice.stream("quotes")
        while True:
            quote = market.next(self.clock.now())
            for exchange in self.exchanges:
                exchange.paper.set_quote(quote)
            await asyncio.sleep(dice.random() * 4)

    async def _harm(self) -> None:
        """Brokers that are away or refuse us, halts that are lifted soon, stops in good order."""
        dice = self.dice.stream("harm")
        while True:
            await asyncio.sleep(dice.random() * 8)
            chance, exchange = dice.random(), dice.choice(self.exchanges)
            if chance < 0.5 and not exchange.away:
                await self._leave(exchange, dice.random() * 30)
            elif chance < 0.55:
                exchange.refuses = not exchange.refuses
                self.node.stop()
            elif chance < 0.7:
                await self._halt(exchange.name, dice.random() * 10)
            elif chance < 0.8:
                self.node.stop()

    async def _leave(self, exchange: RoutedExchange, seconds: float) -> None:
        self.say(f"{exchange.name} is away for {seconds:.1f} s")
        await exchange.leave()

        async def back() -> None:
            await asyncio.sleep(seconds)
            await exchange.come_back()

        self.loop.create_task(back())

    async def _halt(self, broker: str, seconds: float) -> None:
        throw = ThrowSwitch(level=Level.BROKER, name=broker, reason="drill")
        for command in (throw, LiftHalt(level=Level.BROKER, name=broker, reason="over")):
            with suppress(Lost, Refused, StoreError, OutcomeUnknown):
                await self.node.ask(command, by="ann" if command is throw else "zoe")
            await asyncio.sleep(seconds)

    async def ask(self, command: Command, *, preview: bool = False) -> Any:
        """The gate's answer; see `Door`."""
        return await self.node.ask(command, preview=preview)

    def now(self) -> datetime:
        """The true time."""
        return self.clock.now()

    # What passes.

    def fail(self, problem: str) -> None:
        """Something is wrong: the run is over."""
        if not self._ended:
            self.say(f"WRONG: {problem}")
            self.result.problems.append(problem)
            self.loop.stop()

    def say(self, text: str, about: Any = None) -> None:
        """For the trace."""
        if self._trace is not None and not self._ended:
            told = "" if about is None else f" {shown(about)}"
            self._trace(f"{self.loop.elapsed_us / 1e6:11.6f}  {text}{told}")

    def leaves(self, request: Any, sender: str, *, held_up: bool) -> None:
        """A request leaves the gate."""
        self.say(f"leaves   {sender}", request)

    def arrives(self, request: Any, count: int) -> None:
        """A request comes to a broker."""
        self.say(f"arrives  {count}", request)

    def hears(self, report: Any) -> None:
        """The gate is told something."""
        self.say("reported", report)

    def stops(self, process: Process, fault: str) -> None:
        """No process stands still here."""

    def died(self, process: Process) -> None:
        """Nobody takes over."""
