"""The workers: look after orders that take too long, and work the parents, one node's at a time.

Orders that never left are ended when their time is over. About those that were sent the broker has the last word: it
is asked for a cancel or other terms, and their end is what it says. Nothing is looked at while nothing is due.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog
from msgspec.structs import replace

from ordergate.application.agenda import Agenda
from ordergate.application.decide.expiring import over_at
from ordergate.application.decide.working import is_worked, look_at
from ordergate.application.entry import Entry, Origin
from ordergate.application.ownership import Tenure
from ordergate.application.ports.clock import Clock
from ordergate.application.runner import Runner
from ordergate.domain.algos.commands import WorkParent
from ordergate.domain.delays import Due, Times, WorkerTerms, next_due, repriced
from ordergate.domain.errors import OutcomeUnknown, Refused, StoreError
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import AttendOrder, ExpireOrder
from ordergate.domain.orders.events import (
    GateAnswered,
    OrderAcknowledged,
    OrderAdopted,
    OrderEntered,
    OrderJudged,
    OrderMarked,
    OrderReplaced,
    OrderRestated,
    OrderSent,
    RequestDropped,
    SendDisproved,
)
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.parent_events import ChildMoved
from ordergate.domain.orders.rerouting import OrderRerouted
from ordergate.domain.orders.states import Delay, Remedy, State, TimeInForce
from ordergate.domain.risk.limits import DEFAULT_QUOTE_AGE_S
from ordergate.domain.routing import RerouteOrder
from ordergate.domain.times import format_time

PAUSE_S: Final = 0.2
"""Between news and a look: most orders have ended by then."""
_AT_ONCE: Final = 500
_RETRY_S: Final = 1.0
_LONGEST_REST_S: Final = 3_600.0
"""Between two looks at a clock that may be set."""
_LOOK_UP_S: Final = 5.0
_QUOTE_AGE: Final = timedelta(seconds=DEFAULT_QUOTE_AGE_S)
_ORIGIN: Final = Origin(source="worker")
_log = structlog.get_logger("ordergate.workers")

LookUp = Callable[[Order], Awaitable[None]]
_BRINGS_FORWARD: Final = frozenset(
    {
        OrderEntered,
        OrderJudged,
        OrderAdopted,
        OrderSent,
        SendDisproved,
        OrderRerouted,
        GateAnswered,
        OrderAcknowledged,
        OrderMarked,
        OrderReplaced,
        OrderRestated,
        RequestDropped,
        GateAnswered,
        ChildMoved,
    }
)
"""Events after which something may be due earlier than before."""


class Workers:
    """The duty of attending to orders.

    Args:
        terms: of a fund.
        emulated: whether a broker, by its name, does not end orders of a time in force by itself.
        look_up: asks an order's broker about it, where this node has the broker's session.
    """

    def __init__(
        self,
        runner: Runner,
        clock: Clock,
        terms: Callable[[str], WorkerTerms],
        emulated: Callable[[str, TimeInForce], bool],
        look_up: LookUp,
    ) -> None:
        self._runner, self._clock = runner, clock
        self._terms, self._emulated, self._look_up = terms, emulated, look_up
        self._agenda = Agenda()
        self._new: dict[str, None] = {}
        self._told: dict[str, None] = {}
        self._news = asyncio.Event()
        self._began = clock.now()
        self._running: asyncio.Task[None] | None = None

    @property
    def lease(self) -> str:
        """Of the workers."""
        return "workers"

    @property
    def broken(self) -> bool:
        """Never: what fails is tried again, or ends the run."""
        return False

    def look_again(self) -> None:
        """Every order that has not ended may be due at another time than before."""
        self._agenda, self._new = Agenda(), dict.fromkeys(self._runner.engine.state.orders.rows)
        self._news.set()

    async def begin(self, tenure: Tenure) -> None:
        """Takes up every order that has not ended."""
        self._told, self._began = {}, self._clock.now()
        self.look_again()
        self._runner.listen(self._committed)
        self._running = asyncio.get_running_loop().create_task(self._run())
        self._running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        failure = None if running.cancelled() else running.exception()
        if failure is not None:
            self._runner.fail(failure)

    async def end(self) -> None:
        """Looks no more."""
        self._runner.unlisten(self._committed)
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    def _committed(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if type(entry.event) in _BRINGS_FORWARD and entry.order_id is not None:
                self._new[entry.order_id] = None
                self._news.set()

    async def _run(self) -> None:
        while True:
            await self._rest()
            await self._clock.sleep(PAUSE_S)
            self._news.clear()
            new, self._new = self._new, {}
            for count, order_id in enumerate(new, 1):
                self._plan(order_id)
                if not count % _AT_ONCE:
                    await asyncio.sleep(
                        0
                    )  # when all that works is taken up, others have to wait for no more than this
            for order_id in self._agenda.due(self._clock.now()):
                await self._turn(order_id)

    async def _rest(self) -> None:
        """Until something is new or due."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._due_in_s()):
                await self._news.wait()

    def _due_in_s(self) -> float | None:
        at = self._agenda.next
        if at is None:
            return None
        return min(max((at - self._clock.now()).total_seconds(), 0.0), _LONGEST_REST_S)

    async def _turn(self, order_id: str) -> None:
        not_before = None
        try:
            not_before = await self._attend(order_id)
        except (Refused, StoreError, OutcomeUnknown) as error:
            _log.warning("an order is looked at again", order=order_id, error=str(error))
            await self._clock.sleep(_RETRY_S)
        self._plan(order_id, not_before)

    def _plan(self, order_id: str, not_before: datetime | None = None) -> None:
        order = self._runner.engine.state.orders.get(order_id)
        at = None if order is None else self._due_at(order)
        if at is None:
            self._told.pop(order_id, None)
            self._agenda.put(order_id, None)
        else:
            self._agenda.put(order_id, at if not_before is None else max(at, not_before))

    def _due_at(self, order: Order) -> datetime | None:
        if is_worked(order):
            return look_at(self._runner.engine.state, self._runner.engine.view, order, self._clock.now())
        due = self._due(order) if order.algo is None or order.state is State.PENDING_RISK else None
        return None if due is None else due.at

    def _due(self, order: Order) -> Due | None:
        state, view = self._runner.engine.state, self._runner.engine.view
        began, terms = order.submitted_at or order.created_at, self._terms(order.fund_id)
        if view.calendar is not None and terms.unfilled_after_s is not None:
            instrument = state.instruments.rows[order.symbol]
            opening = view.calendar.session_opening(instrument, began)
            began = began if view.calendar.session_end(instrument, began) <= opening else opening
        times = Times(
            over_at=over_at(state, view, order),
            emulated=self._emulated(order.broker, order.tif),
            traded_since=began,
            attended_since=self._began,
        )
        return next_due(order, times, terms)

    async def _attend(self, order_id: str) -> datetime | None:
        """Does what is due; where there is nothing but what somebody has been told already, when to look again."""
        order = self._runner.engine.state.orders.get(order_id)
        if order is not None and is_worked(order):
            again: datetime | None = await self._runner.execute(WorkParent(order_id), _ORIGIN)
            return again
        due = None if order is None else self._due(order)
        if order is None or due is None or due.at > self._clock.now():
            return None
        if due.why is None:
            return await self._unsent(order, due)
        if due.why is Delay.PAST_TIME:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_UP_S):
                    await self._look_up(order)
        command = self._command(order, due, due.why)
        if due.remedy is Remedy.REPRICE:
            if command.remedy is Remedy.REPRICE:
                self._told.pop(order_id, None)
            elif order_id in self._told:
                pause = self._terms(order.fund_id).unfilled_after_s or _LONGEST_REST_S
                return self._clock.now() + timedelta(seconds=pause)
            else:
                self._told[order_id] = None
        try:
            await self._runner.execute(command, _ORIGIN)
        except Refused as refused:
            _log.warning("a remedy was refused", order=order_id, remedy=command.remedy, error=str(refused))
            await self._runner.execute(_only_tell(command), _ORIGIN)
        return None

    async def _unsent(self, order: Order, due: Due) -> datetime | None:
        """Ends an order whose time is over, or moves it on; where it cannot go yet, when to look again."""
        now, over = self._clock.now(), over_at(self._runner.engine.state, self._runner.engine.view, order)
        if over is not None and over <= now:
            await self._runner.execute(ExpireOrder(order_id=order.order_id, over_at=over), _ORIGIN)
            return None
        pause = timedelta(seconds=self._terms(order.fund_id).failover_after_s)
        reason = f"{order.broker} takes no orders, and it has waited since {format_time(due.since)}"
        await self._runner.execute(RerouteOrder(order_id=order.order_id, reason=reason), _ORIGIN)
        return now + pause if over is None else min(now + pause, over)

    def _command(self, order: Order, due: Due, why: Delay) -> AttendOrder:
        command = AttendOrder(
            order_id=order.order_id, version=order.version, why=why, remedy=due.remedy, since=due.since
        )
        if due.remedy is not Remedy.REPRICE:
            return command
        quote = self._fresh_quote(order.symbol)
        instrument = self._runner.engine.state.instruments.rows[order.symbol]
        price = None if quote is None else repriced(order, quote, instrument)
        return _only_tell(command) if price is None else replace(command, limit_price=price)

    def _fresh_quote(self, symbol: str) -> Quote | None:
        quote = self._runner.engine.view.quotes.get(symbol)
        if quote is None or quote.bid <= 0 or quote.ask <= 0:
            return None
        return quote if quote.pinned or self._clock.now() - quote.time <= _QUOTE_AGE else None


def _only_tell(command: AttendOrder) -> AttendOrder:
    return replace(command, remedy=Remedy.ALERT, limit_price=None)
