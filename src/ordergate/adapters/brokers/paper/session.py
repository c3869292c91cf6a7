"""One session with the venue: latency, the order of things in time, and when what becomes durable.

What arrives in one turn of the loop takes effect at once and in order, is committed in one transaction at the
turn's end, and only then are the reports delivered and the callers answered. With a latency, requests wait in
a queue; whatever else happens first lets those take effect whose time has come, so that quotes, requests and
expiries meet in the order of time and not of wake-ups. At equal times an expiry comes first.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import localcontext
from typing import Any, TypeVar

from msgspec import Struct

from ordergate.adapters.brokers.paper.alarm import Alarm
from ordergate.adapters.brokers.paper.delivery import Delivery
from ordergate.adapters.brokers.paper.store import Store
from ordergate.adapters.brokers.paper.venue import Venue
from ordergate.application.ports.brokers import Sink
from ordergate.application.ports.clock import Clock
from ordergate.domain.errors import StoreError
from ordergate.domain.market import Quote
from ordergate.domain.money import EXACT

T = TypeVar("T")


class Down(Exception):
    """The session ended while a call was under way."""


class _Call(Struct, eq=False):
    """A call on its way to the venue, and its result on its way back."""

    due: datetime
    effect: Callable[[Venue, datetime], Any]
    future: asyncio.Future[Any]
    result: Any = None


class Session:
    """From opening the venue's file to closing it.

    Attributes:
        live: whether all older reports have been delivered; requests are taken from then on.
        ended: why the session is over; None while it lasts.
    """

    def __init__(self, venue: Venue, store: Store, sink: Sink, clock: Clock, latency: timedelta) -> None:
        self.venue, self.sink = venue, sink
        self.live = False
        self.ended: str | None = None
        self._store, self._clock, self._latency = store, clock, latency
        self._alarm = Alarm(clock, self._wake)
        self._delivery = Delivery(sink, clock, 0)
        self._queue: deque[_Call] = deque()
        self._done: list[_Call] = []
        self._turn: asyncio.Handle | None = None

    async def start(self, after: int) -> None:
        """Delivers the reports after that place, then goes live."""
        self._delivery = Delivery(self.sink, self._clock, after)
        self._advance(self._clock.now())
        self.settle()
        while self.ended is None and (records := self._store.reports_after(after)):
            self._delivery.deliver(records, self.venue.injector)
            after = records[-1].sequence
            await asyncio.sleep(0)
        if self.ended is not None:
            return
        self.live = True
        for quote in self.venue.quotes:
            self.sink.quote(quote)
        self._set_alarm()

    async def call(self, effect: Callable[[Venue, datetime], T]) -> T:
        """Lets a request take effect at the venue; returns when that is on disk and reported.

        Raises:
            Down: the session ended before that.
        """
        if self.ended is not None:
            raise Down(self.ended)
        now = self._clock.now()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(_Call(now + self._latency, effect, future))
        if self._latency:
            self._set_alarm()
        else:
            self._advance(now)
            self._settle_soon()
        return await future

    def quote(self, quote: Quote) -> None:
        """A new market, after everything whose time came before it."""
        now = self._clock.now()
        self._advance(now)
        if self.ended is not None:
            return
        try:
            with localcontext(EXACT):
                self.venue.quote(quote, now)
        except Exception as error:
            self._break_off(error)
            raise
        self.sink.quote(quote)
        if not self.venue.register.clean:
            self._settle_soon()

    def commit(self) -> None:
        """Makes everything so far durable, then delivers the reports and answers.

        Raises:
            StoreError: it was not written, or nobody can say; the session is over.
        """
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        if self.ended is not None:
            return
        try:
            records = self.venue.commit()
        except StoreError as error:
            self.end(str(error))
            raise
        if self.live:
            self._delivery.deliver(records, self.venue.injector)
        done, self._done = self._done, []
        for call in done:
            if not call.future.done():
                call.future.set_result(call.result)
        self._set_alarm()

    def settle(self) -> None:
        """As `commit`; where that fails, the end of the session says so."""
        try:
            self.commit()
        except StoreError:
            return

    def end(self, reason: str) -> None:
        """Stops the timers and closes the file; calls under way get `Down`."""
        if self.ended is not None:
            return
        self.ended, self.live = reason, False
        self._alarm.stop()
        self._delivery.stop()
        if self._turn is not None:
            self._turn.cancel()
        for call in (*self._done, *self._queue):
            if not call.future.done():
                call.future.set_exception(Down(reason))
        self._store.close()

    def _settle_soon(self) -> None:
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self.settle)

    def _wake(self) -> None:
        self._advance(self._clock.now())
        self.settle()

    def _set_alarm(self) -> None:
        times = [self._queue[0].due] if self._queue else []
        if self.venue.next_expiry is not None:
            times.append(self.venue.next_expiry)
        self._alarm.set(min(times, default=None))

    def _advance(self, now: datetime) -> None:
        """Lets happen what was to happen up to now, in the order of time."""
        try:
            with localcontext(EXACT):
                while self._next(now):
                    pass
        except Exception as error:
            self._break_off(error)

    def _break_off(self, error: Exception) -> None:
        # What happened half must not be committed: the file has the venue as it was before.
        self.end(f"the paper venue broke off: {error!r}")

    def _next(self, now: datetime) -> bool:
        due = self._queue[0].due if self._queue else None
        expiry = self.venue.next_expiry
        if expiry is not None and expiry <= now and (due is None or expiry <= due):
            self.venue.expire(expiry)
            return True
        if due is None or due > now:
            return False
        call = self._queue[0]
        call.result = call.effect(self.venue, due)
        self._done.append(self._queue.popleft())
        return True
