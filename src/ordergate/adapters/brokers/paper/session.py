"""One session with the venue: latency, the order of things in time, and when what becomes durable.

What arrives in one turn of the loop takes effect at once and in order, is committed in one transaction at the
turn's end, and only then are the reports delivered and the callers answered. With a latency, requests wait in
a queue; whatever else happens first lets those take effect whose time has come, so that quotes, requests and
expiries meet in the order of time and not of wake-ups. At equal times an expiry comes first.

Where the store takes its time, it is asked one thing after the other: what the requests that have come by now
read is fetched, they take effect, all that happened is written, then the next. A request arrives when what it
reads is there. So memory and what was fetched are never behind a transaction of this session.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import localcontext
from typing import Any, Final, TypeVar

from msgspec import Struct

from ordergate.adapters.brokers.paper.alarm import Alarm
from ordergate.adapters.brokers.paper.delivery import Delivery
from ordergate.adapters.brokers.paper.records import Record
from ordergate.adapters.brokers.paper.register import Commit
from ordergate.adapters.brokers.paper.stores import Reads, VenueStore, done
from ordergate.adapters.brokers.paper.venue import Venue
from ordergate.application.ports.brokers import Sink
from ordergate.application.ports.clock import Clock
from ordergate.domain.errors import StoreBusy, StoreError
from ordergate.domain.market import Quote
from ordergate.domain.money import EXACT

T = TypeVar("T")
NOTHING: Final = Reads()


class Down(Exception):
    """The session ended while a call was under way."""


class _Call(Struct, eq=False):
    """A call on its way to the venue, and its result on its way back."""

    due: datetime
    effect: Callable[[Venue, datetime], Any]
    reads: Reads
    ready: bool  # what it reads is at hand
    future: asyncio.Future[Any]
    result: Any = None


class Session:
    """From opening the venue's file to closing it.

    Attributes:
        live: whether all older reports have been delivered; requests are taken from then on.
        ended: why the session is over; None while it lasts.
        taken_over: it is over because another node has opened the venue.
    """

    def __init__(self, venue: Venue, store: VenueStore, sink: Sink, clock: Clock, latency: timedelta) -> None:
        self.venue, self.sink = venue, sink
        self.live = False
        self.ended: str | None = None
        self.taken_over = False
        self._store, self._clock, self._latency = store, clock, latency
        self._alarm = Alarm(clock, self._wake)
        self._delivery = Delivery(sink, clock, 0)
        self._queue: deque[_Call] = deque()
        self._done: list[_Call] = []
        self._written: list[_Call] = []
        self._handed: set[int] = set()
        self._turn: asyncio.Handle | None = None
        self._step: asyncio.Task[None] | None = None  # what the store is busy with, if it takes its time

    async def start(self, after: int) -> None:
        """Delivers the reports after that place, then goes live."""
        self._delivery = Delivery(self.sink, self._clock, after)
        self._advance(self._clock.now())
        self.settle()
        await self.drain()
        while self.ended is None and (records := await self._older(after)):
            self._delivery.deliver(records, self.venue.injector)
            after = records[-1].sequence
            await asyncio.sleep(0)
        if self.ended is not None:
            return
        self.live = True
        for quote in self.venue.quotes:
            self.sink.quote(quote)
        self._set_alarm()

    @property
    def cursor(self) -> str:
        """Behind which the next session goes on."""
        return self._delivery.cursor

    async def call(self, effect: Callable[[Venue, datetime], T], reads: Reads = NOTHING) -> T:
        """Lets a request take effect at the venue; returns when that is on disk and reported.

        Args:
            reads: what the effect looks at beyond working orders.

        Raises:
            Down: the session ended before that.
        """
        if self.ended is not None:
            raise Down(self.ended)
        now = self._clock.now()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(_Call(now + self._latency, effect, reads, self._store.inline, future))
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

    def take(self, number: int, quote: Quote) -> None:
        """Sets a quote that another node handed over under that number, once."""
        if number not in self._handed:
            self._handed.add(number)
            self.venue.register.take(number)
            self.quote(quote)

    def commit(self) -> None:
        """Makes everything so far durable, then delivers the reports and answers.

        A store that takes its time has then begun with that, or does so when it is free.

        Raises:
            StoreError: it was not written, or nobody can say; the session is over.
        """
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        if self.ended is not None:
            return
        if self._step is None:
            self._commit()
        self._set_alarm()

    async def drain(self) -> None:
        """Returns once the store is busy with nothing."""
        while self._step is not None and not self._step.done():
            await asyncio.wait({self._step})

    def settle(self) -> None:
        """As `commit`; where that fails, the end of the session says so."""
        try:
            self.commit()
        except StoreError:
            return

    def end(self, reason: str) -> None:
        """Stops the timers and closes the store; calls under way get `Down`."""
        if self.ended is not None:
            return
        self.ended, self.live = reason, False
        self._alarm.stop()
        self._delivery.stop()
        if self._turn is not None:
            self._turn.cancel()
        for call in (*self._written, *self._done, *self._queue):
            if not call.future.done():
                call.future.set_exception(Down(reason))
        self._store.close()

    def _commit(self) -> None:
        try:
            commit = self.venue.commit()
        except StoreError as error:
            self._fail(error)
            raise
        self._written, self._done = self._done, []
        if commit.under_way is None:
            self._publish(commit.records)
        else:
            self._step = asyncio.get_running_loop().create_task(self._write(commit, commit.under_way))

    def _publish(self, records: list[Record]) -> None:
        if self.live:
            self._delivery.deliver(records, self.venue.injector)
        written, self._written = self._written, []
        for call in written:
            if not call.future.done():
                call.future.set_result(call.result)

    async def _write(self, commit: Commit, under_way: Awaitable[None]) -> None:
        try:
            await under_way
        except Exception as error:
            self._fail(error)
        self._step = None
        if self.ended is None:
            self._publish(commit.records)
            self._wake()

    async def _fetch(self) -> None:
        now = self._clock.now()
        calls = [call for call in self._queue if call.due <= now]
        try:
            await self._store.fetch([call.reads for call in calls])
        except Exception as error:
            self._fail(error)
        if self.ended is None:
            now = self._clock.now()
            for call in calls:
                call.due, call.ready = now, True
            self._advance(now)
        self._step = None
        self.settle()  # before what has come meanwhile is fetched: else writing would wait for ever
        if self.ended is None:
            self._wake()

    def _fail(self, error: Exception) -> None:
        self.taken_over = self.taken_over or (self.ended is None and isinstance(error, StoreBusy))
        if isinstance(error, StoreError):
            self.end(str(error))
        else:
            self._break_off(error)

    async def _older(self, after: int) -> list[Record]:
        try:
            return await done(self._store.reports_after(after))
        except StoreError as error:
            self._fail(error)
            raise

    def _settle_soon(self) -> None:
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self.settle)

    def _wake(self) -> None:
        self._advance(self._clock.now())
        self.settle()

    def _set_alarm(self) -> None:
        if self._step is not None:
            self._alarm.stop()  # what has come is looked at when the store is free
            return
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
        if not call.ready:
            if self._step is None:
                self._step = asyncio.get_running_loop().create_task(self._fetch())
            return False
        call.result = call.effect(self.venue, due)
        self._done.append(self._queue.popleft())
        return True


def arrived(_venue: Venue, _at: datetime) -> None:
    """What is asked of the venue by one who only wants to have been there."""
