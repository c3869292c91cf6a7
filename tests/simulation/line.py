"""The way to the venue and back: the broker that one gate sees.

It loses, delays, doubles and reorders what passes, within what the broker port allows:

- a request arrives within the grace, or never; where the grace is 0, in order, and not after a new session began;
- bytes leave within `SEND_S` of the call, unless the process is paused just then;
- a report arrives at least once, in any order, or the stream breaks and all later ones are lost with it, until
  the next session replays what came after its cursor.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Deduplication,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import AnyReport, Outcome
from ordergate.domain.recon.statement import Statement
from tests.simulation.exchange import GRACE_S, Exchange
from tests.simulation.loop import WORLD, Process

_LATE_S: Final = GRACE_S - 0.1
_SLOW_S: Final = 0.25
_RECONNECT_S: Final = 1.0
_IMPATIENCE_S: Final = 5.0
_LONGEST_S: Final = 35.0
"""After which the gate must have given up a call that has no answer; it says 30."""


class Line:
    """The broker port as one gate has it, for as long as the gate lives."""

    def __init__(self, exchange: Exchange, process: Process) -> None:
        self._exchange, self._process = exchange, process
        self._dice = exchange.dice
        self._sink: Sink | None = None
        self._sessions = 0
        self._last_arrival = 0.0
        self._begin(None)

    def _begin(self, cursor: str | None) -> None:
        self._broken = False
        self._cursors: list[str | None] = []
        self._ahead: set[int] = set()
        self._upto = 0
        self._cursor = cursor

    @property
    def name(self) -> str:
        """As funds name it."""
        return self._exchange.name

    @property
    def capabilities(self) -> Capabilities:
        """Of the venue that this run has."""
        return self._exchange.capabilities

    @property
    def broken(self) -> bool:
        """Whether reports were lost that only a new session brings back."""
        return self._broken

    # Calls of the gate.

    @property
    def taken_over(self) -> bool:
        """Never: its venue asks nobody who he is."""
        return False

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """A new session."""
        await self._dice.pause("connect_slow")
        if self._dice.hits("pause_in_connect"):
            self._exchange.watch.stops(self._process, "pause_in_connect")
            await asyncio.sleep(0)
        self._sink = sink
        await self._log_on(cursor)

    async def _log_on(self, cursor: str | None) -> None:
        """Ends whoever else is logged on; what the back office has said comes again, for it has no cursor."""
        exchange = self._exchange
        self._sessions += 1
        self._begin(cursor)
        before, exchange.line = exchange.line, self
        if before is not None and before is not self:
            before.logged_off()
        await self._at_venue(lambda: exchange.paper.connect(self, cursor))
        for revision in exchange.account.office:
            self.report(revision)

    def logged_off(self) -> None:
        """Somebody else has logged on. Whoever is still meant to be there logs on again when he has gone."""
        if self._sink is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(_RECONNECT_S, self._maybe_log_on, self._sink, context=self._process.context)

    def _maybe_log_on(self, sink: Sink) -> None:
        line = self._exchange.line
        if self._sink is not sink or line is None or line is self:
            return
        if line.is_used:
            self.logged_off()
        else:
            self._logging_on = asyncio.get_running_loop().create_task(self._log_on(self._cursor))

    @property
    def is_used(self) -> bool:
        """Whether a process has the session."""
        return self._sink is not None and not self._process.dead

    async def submit(self, send: Send) -> Answer:
        """Sends an order."""
        return await self._ask(send, lambda: self._exchange.submit(send))

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks for a cancel."""
        return await self._ask(withdraw, lambda: self._exchange.paper.cancel(withdraw))

    async def replace(self, change: Change) -> Answer:
        """Asks for new terms."""
        return await self._ask(change, lambda: self._exchange.change(change))

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the venue knows, as far as this kind of venue says."""
        dice = self._dice
        if dice.hits("lookup_raises"):
            raise ConnectionResetError("simulated")
        if dice.hits("lookup_hangs"):
            await self._hang("a lookup")
        if dice.line_is_dead or dice.hits("lookup_fails"):
            return Lookup(presence=Presence.UNAVAILABLE, reason="no answer (simulated)")
        found: Lookup = await self._travel(lambda: self._exchange.paper.lookup(client_id, broker_order_id))
        misses = found.presence is Presence.FOUND and dice.hits("lookup_misses")
        if (misses or found.presence is Presence.ABSENT) and not self._exchange.kind.proves_absence:
            return Lookup(presence=Presence.UNPROVEN, reason="not seen (simulated)")
        if found.presence is not Presence.FOUND:
            return found
        orders = {report.broker_order_id for report in found.reports} - {None}
        revisions = [said for said in self._exchange.account.office if said.broker_order_id in orders]
        return replace(found, reports=(*found.reports, *revisions))

    async def open_orders(self) -> OpenOrders:
        """What works at the venue, or some of it."""
        dice = self._dice
        if dice.line_is_dead or dice.hits("snapshot_raises"):
            raise ConnectionResetError("simulated")
        if dice.hits("snapshot_hangs"):
            await self._hang("a list of open orders")
        there: OpenOrders = await self._travel(self._exchange.paper.open_orders)
        if dice.hits("snapshot_incomplete"):
            some = frozenset(sorted(there.client_ids)[::2])
            return replace(there, complete=False, client_ids=some)
        return there

    async def statement(self, since: datetime) -> Statement:
        """The account as it was at some moment between question and answer, or some of it."""
        dice = self._dice
        if dice.line_is_dead or dice.hits("statement_raises"):
            raise ConnectionResetError("simulated")
        if dice.hits("statement_hangs"):
            await self._hang("a statement")
        told: Statement = await self._travel(lambda: self._exchange.account.statement(since))
        await dice.pause("statement_slow")
        return _half(told) if dice.hits("statement_incomplete") else told

    async def close(self) -> None:
        """The gate hears no more; the venue goes on."""
        self._sink = None

    # The way there.

    async def _ask(self, request: Send | Withdraw | Change, call: Callable[[], Awaitable[Answer]]) -> Answer:
        dice = self._dice
        pauses = self._process.pauses
        await self._get_out()
        held_up = self._process.pauses > pauses
        self._exchange.watch.leaves(request, self._process.name, held_up=held_up)
        if dice.hits("not_sent"):
            return Answer(outcome=Outcome.NOT_SENT, reason="no route (simulated)")
        if dice.hits("request_lost"):
            return await self._lost(request, 0.0)
        if isinstance(request, Send) and self._exchange.forgets(request):
            return Answer(outcome=Outcome.ACCEPTED, broker_order_id=f"F-{request.client_id}")
        answer = self._post(request, call)
        if dice.hits("adapter_raises"):
            raise ConnectionResetError("simulated")
        if dice.hits("adapter_times_out"):
            await asyncio.wait({answer}, timeout=dice.draw("adapter_times_out", _IMPATIENCE_S))
            if not answer.done():
                return Answer(outcome=Outcome.UNKNOWN, reason="no answer in time (simulated)")
        result = await answer
        if dice.line_is_dead or dice.hits("answer_lost"):
            return await self._lost(request, dice.draw("answer_lost", 1.0))
        return result

    async def _get_out(self) -> None:
        """Between the gate's last look at its lease and the bytes on the line."""
        dice, process = self._dice, self._process
        await dice.pause("send_slow")
        if dice.hits("pause_before_send"):
            self._exchange.watch.stops(process, "pause_before_send")
            await asyncio.sleep(0)

    async def _lost(self, request: Send | Withdraw | Change, seconds: float) -> Answer:
        """Somebody notices at once, or nobody ever does."""
        await asyncio.sleep(seconds)
        if self._dice.draw("request_lost", 1.0) < 0.3:
            await self._hang(request.client_id)
        return Answer(outcome=Outcome.UNKNOWN, reason="no answer (simulated)")

    async def _hang(self, what: str) -> None:
        """Never answers. A gate that was paused meanwhile gets the time again."""
        pauses = -1
        while pauses != self._process.pauses:
            pauses = self._process.pauses
            await asyncio.sleep(_LONGEST_S)
        self._exchange.watch.fail(
            f"the gate still waits for {what} after {_LONGEST_S:.0f} s without an answer"
        )

    def _post(
        self, request: Send | Withdraw | Change, call: Callable[[], Awaitable[Answer]]
    ) -> asyncio.Future[Any]:
        if self._exchange.kind.deduplication is Deduplication.FOREVER and self._dice.hits("request_twice"):
            call = partial(_twice, call)
        late = not self._exchange.in_order and self._dice.hits("request_late")
        delay = self._dice.draw("request_late", _LATE_S if late else _SLOW_S)
        return self._carry(call, delay, request)

    async def _travel(self, call: Callable[[], Awaitable[Any]]) -> Any:
        return await self._carry(call, self._dice.draw("request_late", _SLOW_S), None)

    async def _at_venue(self, serve: Callable[[], Awaitable[None]]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._world(0.0, lambda: self._exchange.spawn(_answer(serve, done, 0.0)))
        await done

    def _carry(
        self,
        call: Callable[[], Awaitable[Any]],
        delay: float,
        request: Send | Withdraw | Change | None,
    ) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        back = self._dice.pause_s("answer_slow")
        if self._exchange.in_order:
            self._last_arrival = max(loop.time() + delay, self._last_arrival + 0.005)
            delay = self._last_arrival - loop.time()
        self._world(delay, lambda: self._arrive(call, request, answer, back))
        return answer

    def _world(self, delay: float, begin: Callable[[], object]) -> None:
        """Lets something happen at the venue, whatever becomes of the gate."""
        asyncio.get_running_loop().call_later(delay, begin, context=WORLD)

    def _arrive(
        self,
        call: Callable[[], Awaitable[Any]],
        request: Send | Withdraw | Change | None,
        answer: asyncio.Future[Any],
        back: float,
    ) -> None:
        if self._exchange.in_order and self._exchange.line is not self:
            return
        if request is not None:
            self._exchange.arrived(request)
        self._exchange.spawn(_answer(call, answer, back))

    # The way back.

    def report(self, report: AnyReport) -> None:
        """Of the venue, or of its back office."""
        self._exchange.executed(report)
        self.tell(report)

    def tell(self, report: AnyReport) -> None:
        """Sends a report on its way to the gate."""
        if self._exchange.line is not self or self._broken or self._sink is None:
            return
        dice = self._dice
        if dice.line_is_dead or dice.hits("stream_breaks"):
            self._broken = True
            return
        number = len(self._cursors)
        self._cursors.append(report.cursor)
        delay = dice.pause_s("report_slow") + dice.pause_s("report_very_slow")
        self._later(delay, number, report)
        if dice.hits("report_twice"):
            self._later(delay + dice.draw("report_twice", 4.0), number, report)

    def quote(self, quote: Quote) -> None:
        """Of the venue."""
        if self._exchange.line is self and self._sink is not None and self._process.runs:
            self._sink.quote(quote)

    def _later(self, delay: float, number: int, report: AnyReport) -> None:
        loop = asyncio.get_running_loop()
        deliver = partial(self._deliver, self._sessions, number, report)
        loop.call_later(delay, deliver, context=self._process.context)

    def _deliver(self, session: int, number: int, report: AnyReport) -> None:
        """Hands a report over; its cursor says up to where all have been."""
        if self._sink is None or session != self._sessions:
            return
        self._ahead.add(number)
        while self._upto in self._ahead:
            self._ahead.remove(self._upto)
            self._cursor = self._cursors[self._upto] or self._cursor
            self._upto += 1
        report = replace(report, cursor=self._cursor)
        self._exchange.watch.hears(report)
        self._sink.report(report)


async def _answer(call: Callable[[], Awaitable[Any]], answer: asyncio.Future[Any], back: float) -> None:
    try:
        result = await call()
    except Exception as error:
        if not answer.done():
            answer.set_exception(error)
        return
    if back:
        await asyncio.sleep(back)
    if not answer.done():
        answer.set_result(result)


def _half(told: Statement) -> Statement:
    """Every second row of each table, and marked so."""
    return replace(
        told,
        complete=False,
        positions=dict(list((told.positions or {}).items())[::2]),
        balances=dict(list((told.balances or {}).items())[::2]),
        working=frozenset(sorted(told.working or ())[::2]),
        executions=(told.executions or ())[::2],
    )


async def _twice(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Something on the way repeats a request; the answer to the repeat is the one that comes back."""
    await call()
    return await call()
