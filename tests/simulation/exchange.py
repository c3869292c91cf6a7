"""The venue: the real paper venue, and a back office that takes trades back.

It outlives every gate.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from ordergate.adapters.brokers.paper import Faults, PaperBroker, PaperSettings
from ordergate.adapters.brokers.paper.broker import CAPABILITIES
from ordergate.adapters.brokers.paper.orders import VenueOrder
from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Deduplication,
    Send,
    Withdraw,
)
from ordergate.application.ports.clock import Clock
from ordergate.domain.instruments import built_in
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import AnyReport, Executed, Outcome
from ordergate.domain.orders.states import ExecutionKind
from tests.simulation.account import Account
from tests.simulation.candor import Candor, Manner, manner_of
from tests.simulation.dice import Dice
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.line import Line

NAME: Final = "paper"
GRACE_S: Final = 30.0
_FORGETS: Final = 0.15


class Kind(Struct, frozen=True):
    """A kind of venue, as its capabilities declare it."""

    name: str
    deduplication: Deduplication
    proves_absence: bool
    grace_s: float

    def capabilities(self, manner: Manner) -> Capabilities:
        """What the adapter declares."""
        return replace(
            CAPABILITIES,
            tifs=CAPABILITIES.tifs - manner.lacks,
            statements=manner.tells,
            deduplication=self.deduplication,
            proves_absence=self.proves_absence,
            grace_s=self.grace_s,
            calls=4,
        )


KINDS: Final = (
    Kind("prompt", Deduplication.FOREVER, True, 0),
    Kind("slow", Deduplication.WHILE_OPEN, True, GRACE_S),
    Kind("mute", Deduplication.NONE, False, GRACE_S),
    Kind("patient", Deduplication.FOREVER, False, GRACE_S),
)


class Watch(Protocol):
    """Who looks at what passes."""

    def leaves(self, request: Send | Withdraw | Change, sender: str, *, held_up: bool) -> None:
        """Bytes of a request are about to leave a process, which was paused since it decided that or was not."""
        ...

    def stops(self, process: Process, fault: str) -> None:
        """Everything of a process is to stand still for a while."""
        ...

    def arrives(self, request: Send | Withdraw | Change, count: int) -> None:
        """A request has come to the venue, the `count`-th of its client id."""
        ...

    def fail(self, problem: str) -> None:
        """Something is wrong."""
        ...

    def hears(self, report: AnyReport) -> None:
        """A report comes to the gate."""
        ...


class Exchange:
    """The venue's side.

    Args:
        name: of the broker that it is to a gate.
        manner: its own, where it is not drawn.

    Attributes:
        account: and what its back office has said.
    """

    def __init__(
        self,
        dice: Dice,
        clock: Clock,
        path: Path,
        watch: Watch,
        name: str = NAME,
        manner: Manner | None = None,
    ) -> None:
        mood = dice.stream("venue")
        self._mood = dice.stream("what the venue forgets")
        self.kind = KINDS[int(mood.random() * len(KINDS))]
        self.dice, self.clock, self.watch, self.name = dice, clock, watch, name
        self.manner = manner_of(dice.stream("manner")) if manner is None else manner
        self.line: Line | None = None
        self._executions: dict[tuple[str, str], Executed] = {}
        self._arrived: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        fee = Decimal("2.5") if mood.random() < 0.5 else Decimal(0)
        rejects = Decimal("0.08") if mood.random() < 0.5 else Decimal(0)
        settings = PaperSettings(
            fee_bps=fee,
            latency_ms=40 if self.in_order and mood.random() < 0.6 else 0,
            faults=Faults(reject=rejects, reorder_report=Decimal("0.05"), seed=dice.number),
        )
        self.paper = PaperBroker(name, settings, path, clock, built_in)
        self.account = Account(self.paper, sums_alone=self.manner.sums)

    @property
    def in_order(self) -> bool:
        """Whether requests arrive in the order in which they were sent: nothing else allows a grace of 0."""
        return self.kind.grace_s == 0

    @property
    def broken(self) -> bool:
        """Whether reports were lost that only a new session brings back."""
        return self.line is None or self.line.broken

    async def open(self) -> None:
        """The venue's day begins, before any gate's."""
        await self.paper.connect(_Nobody(), None)

    @property
    def capabilities(self) -> Capabilities:
        """Of this kind of venue, in this run's manner."""
        return self.kind.capabilities(self.manner)

    async def submit(self, send: Send) -> Answer:
        """Takes an order; of a time in force that it does not know, as one of a symbol that it does not know."""
        if send.tif not in self.capabilities.tifs:
            send = replace(send, symbol=f"{send.symbol} {send.tif}")
        return await self.paper.submit(send)

    def forgets(self, send: Send) -> bool:
        """Whether the venue says that it has an order, and has not."""
        lies = (
            self.manner.candor is Candor.LIES
            and not self.manner.sums
            and not self.dice.calm
            and not self._arrived[send.client_id]
        )
        return lies and self._mood.random() < _FORGETS

    async def change(self, change: Change) -> Answer:
        """Where requests overtake each other, a replace must name the order as it is (FIX: OrigClOrdID)."""
        if not self.in_order:
            order = self.order_of(change.order, change.broker_order_id)
            if order is not None and order.client_id not in (change.order, change.client_id):
                return Answer(outcome=Outcome.REJECTED, reason=f"the order is {order.client_id} by now")
        return await self.paper.replace(change)

    def order_of(self, client_id: str, broker_order_id: str | None) -> VenueOrder | None:
        """As the venue has it."""
        session = self.paper._session
        return None if session is None else session.venue.register.order_of(client_id, broker_order_id)

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Runs something on the venue's side."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def arrived(self, request: Send | Withdraw | Change) -> None:
        """Counts a request."""
        self._arrived[request.client_id] += 1
        self.watch.arrives(request, self._arrived[request.client_id])

    def executed(self, report: AnyReport) -> None:
        """Remembers a trade, so that the back office can revise it."""
        if isinstance(report, Executed):
            self._executions.setdefault((report.client_id or "", report.exec_id), report)
            self.account.executed(report)

    @property
    def trades(self) -> list[Executed]:
        """Those that count."""
        revised = {(said.client_id, said.refers_to) for said in self.account.office}
        last = [said for said in self._executions.values() if (said.client_id, said.exec_id) not in revised]
        return [said for said in last if said.execution_kind is not ExecutionKind.BUST]

    def revise(self, choice: float, tick: Callable[[str], Decimal]) -> None:
        """The back office corrects or busts one of the trades so far; a chain of revisions has one end."""
        last = self.trades
        if (
            not last or self.manner.sums
        ):  # where the stream is broken, nobody could tell it from what is hidden
            return
        said = last[int(choice * len(last))]
        bust = choice * 1000 % 1 < 0.4
        revision = replace(
            said,
            exec_id=f"{said.exec_id}{'b' if bust else 'c'}",
            refers_to=said.exec_id,
            execution_kind=ExecutionKind.BUST if bust else ExecutionKind.CORRECT,
            time=self.clock.now(),
            price=said.price + tick(said.symbol or ""),
            completes=False,
            cursor=None,
            raw=None,
        )
        self.say(revision)

    def say(self, said: Executed) -> None:
        """The back office says something, and says it again in every session."""
        self.account.office.append(said)
        self.executed(said)
        if self.line is not None:
            self.line.report(said)


class _Nobody:
    def report(self, report: AnyReport) -> None:
        """Before the first gate there is nothing to report."""

    def quote(self, quote: Quote) -> None:
        """Nor does anybody look at the market."""
