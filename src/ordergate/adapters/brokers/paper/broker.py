"""The paper venue behind the broker port."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from ordergate.adapters.brokers.paper.capabilities import CAPABILITIES
from ordergate.adapters.brokers.paper.checks import check_quote, sequence_of
from ordergate.adapters.brokers.paper.faults import Injector
from ordergate.adapters.brokers.paper.history import look_up
from ordergate.adapters.brokers.paper.rows import QuoteRow
from ordergate.adapters.brokers.paper.session import Down, Session, arrived
from ordergate.adapters.brokers.paper.settings import Faults, PaperSettings
from ordergate.adapters.brokers.paper.shared import in_postgres
from ordergate.adapters.brokers.paper.store import Store
from ordergate.adapters.brokers.paper.stores import Reads, VenueStore, done, pin, reads_of
from ordergate.adapters.brokers.paper.telling import Telling
from ordergate.adapters.brokers.paper.venue import Instruments, Venue
from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.application.ports.clock import Clock
from ordergate.domain.errors import StoreBusy, StoreError
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.recon.statement import Statement

if TYPE_CHECKING:
    from ordergate.adapters.brokers.paper.postgres import Board

_log = structlog.get_logger("ordergate.brokers.paper")
T = TypeVar("T")
_CLOSED: Final = "no session with the paper venue is open"


class PaperBroker:
    """One account at a paper venue.

    Args:
        place: where the venue is kept: a file, a schema in the PostgreSQL database of a URL, or memory if None.
            A file has one holder; a schema's last opener has the venue, and every node sees its quotes.

    Attributes:
        settings: as configured; others than those before count from the next session on.
        telling: makes its statements; what transfers bring is read of the neighbors that it is given.
    """

    def __init__(
        self,
        name: str,
        settings: PaperSettings,
        place: Path | str | None,
        clock: Clock,
        instruments: Instruments,
    ) -> None:
        self._name, self.settings, self._clock, self._instruments = name, settings, clock, instruments
        self._board: Board | None = None
        self._store: VenueStore
        if isinstance(place, str):
            self._store, self._board = in_postgres(name, place, self._live_session)
        else:
            self._store = Store(name, place)
        self._injector = Injector(settings.faults)
        self.telling = Telling(name, settings, self._store, instruments, self._board)
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._reopening: asyncio.Task[None] | None = None
        # Of this run: what streams said before there was a session, and what an earlier session had of them.
        self._early: dict[str, Quote] = {}
        self._carried: dict[str, QuoteRow] = {}

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """Everything that the port has."""
        return CAPABILITIES

    @property
    def taken_over(self) -> bool:
        """Whether the session is over because another node opened the venue; only `connect` begins another."""
        return self._session is not None and self._session.taken_over

    def inject(self, faults: Faults) -> None:
        """Other faults from now on, drawn from the start of their seed."""
        self._injector = Injector(faults)
        if self._session is not None:
            self._session.venue.injector = self._injector

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Opens the venue and a session; what was reported after `cursor` comes first.

        In PostgreSQL that ends the session of whoever had the venue.

        Raises:
            StoreBusy: another process, or another broker object, has the file.
            StoreError: the file cannot be used, or never gave out that cursor.
        """
        async with self._opening:
            await self._drain()
            await self._connect(self._store.open, sink, cursor)

    async def _connect(
        self, take: Callable[[], Awaitable[None] | None], sink: Sink, cursor: str | None
    ) -> None:
        self._end("another session was opened")
        venue = await self._open(take)
        try:
            after = sequence_of(cursor, venue.register.last_sequence)
        except StoreError:
            self._store.close()
            raise
        latency = timedelta(milliseconds=self.settings.latency_ms)
        session = self._session = Session(venue, self._store, sink, self._clock, latency)
        await session.start(after)
        early, self._early = self._early, {}
        for quote in early.values():
            self.set_quote(quote)
        if self._board is not None:
            self._board.start()
            await self._board.looked()

    async def close(self) -> None:
        """Ends the session and closes the store; requests still on their way never arrive."""
        if self._reopening is not None:
            self._reopening.cancel()
        await self._drain()
        self._end("the session was closed")
        if self._board is not None and not self._board.watched:
            await self._board.stop()

    async def watch(self, sink: Sink) -> None:
        """Tells `sink` the quotes set by hand at any node, those that stand first, also without a session here.

        A venue in a file tells its session alone: nobody else can set one.

        Raises:
            StoreError: the database cannot be used.
        """
        if self._board is not None:
            await self._board.watch(sink)

    async def unwatch(self) -> None:
        """Tells what `watch` has told no more."""
        if self._board is not None:
            await self._board.stop()

    def set_quote(self, quote: Quote) -> None:
        """The market from now on, matched at once. A pinned one is on disk when this returns.

        Without a session a pinned quote is written to the file, another waits for the session. A venue in
        PostgreSQL takes a pinned one by `put_quote` alone.

        Raises:
            Invalid: a price is not above zero, or a size is below it.
            StoreError: a pinned one could not be written.
        """
        check_quote(quote)
        if quote.pinned and self._board is not None:
            raise StoreError(f"the pinned quote of {quote.symbol} was set where none can be durable: put it")
        session = self._open_session()
        if session is not None:
            session.quote(quote)
            if quote.pinned:
                session.commit()
        elif quote.pinned:
            self._pin(quote)
            if self._session is not None:  # it broke off
                self._early[quote.symbol] = quote
                self._begin_anew()
        else:
            self._early[quote.symbol] = quote

    async def put_quote(self, quote: Quote) -> None:
        """As `set_quote`, from any node: one that does not have the venue's session hands a pinned one over.

        Returns once it is on disk and matched.

        Raises:
            Invalid: a price is not above zero, or a size is below it.
            StoreError: it could not be written, or no node has the session now and will take it when it has.
        """
        if self._board is None or not quote.pinned:
            self.set_quote(quote)
            return
        check_quote(quote)
        session = self._live_session()
        if session is not None:
            session.quote(quote)
            try:
                await session.call(arrived)
            except Down as error:
                if not session.taken_over:
                    raise StoreError(str(error)) from error
            else:
                return
        elif self._session is not None:
            self._begin_anew()
        await self._board.hand(quote)

    async def submit(self, send: Send) -> Answer:
        """Sends an order."""
        return await self._request(lambda venue, at: venue.submit(send, at), Reads((send.client_id,)))

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks for a cancel."""
        return await self._request(lambda venue, at: venue.cancel(withdraw, at), reads_of(withdraw))

    async def replace(self, change: Change) -> Answer:
        """Asks for new terms."""
        return await self._request(lambda venue, at: venue.replace(change, at), reads_of(change))

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the venue knows of a request; it travels behind those sent before it."""
        try:
            await self._arrive(arrived)
            return look_up(self._name, client_id, await done(self._store.history(client_id)))
        except Down as error:
            reason = str(error)
        except (StoreError, sqlite3.Error) as error:
            reason = f"the paper venue's record cannot be read: {error}"
        return Lookup(presence=Presence.UNAVAILABLE, reason=reason)

    async def open_orders(self) -> OpenOrders:
        """What works at the venue now."""
        try:
            working = await self._arrive(
                lambda venue, _at: [o.client_id for o in venue.register.working.values()]
            )
        except Down:
            return OpenOrders(as_of=self._clock.now(), complete=False)
        complete = not self._injector.hits("incomplete_snapshot")
        shown = working if complete else working[: len(working) // 2]
        return OpenOrders(as_of=self._clock.now(), complete=complete, client_ids=frozenset(shown))

    async def statement(self, since: datetime) -> Statement:
        """What is in the account now, by the venue's record of executions, and what was executed since then."""
        return await self.telling.tell(self._arrive, since)

    async def _mended(self) -> None:
        """Begins a session that broke off, for want of space or by a mistake of the venue, anew."""
        if self._broken() is not None:
            await asyncio.shield(self._begin_anew())

    def _broken(self) -> Session | None:
        """The session that broke off, unless another node has the venue: that is for whoever gave it away."""
        session = self._session
        return None if session is None or session.ended is None or session.taken_over else session

    def _begin_anew(self) -> asyncio.Task[None]:
        if self._reopening is None or self._reopening.done():
            self._reopening = asyncio.get_running_loop().create_task(self._reopen())
        return self._reopening

    async def _reopen(self) -> None:
        async with self._opening:
            broken = self._broken()
            if broken is not None:
                await self._resume(broken)

    async def _resume(self, broken: Session) -> None:
        try:
            await self._connect(self._store.resume, broken.sink, broken.cursor)
        except StoreError as error:
            self._session = self._session or broken
            if self._board is not None and isinstance(error, StoreBusy):
                broken.taken_over, broken.ended = True, str(error)
            _log.warning("the paper venue cannot be opened again yet", broker=self._name, error=str(error))

    async def _request(self, effect: Callable[[Venue, datetime], Answer], reads: Reads) -> Answer:
        await self._mended()
        session = self._session
        if session is None or not session.live:
            why = _CLOSED if session is None or session.ended is None else session.ended
            return Answer(outcome=Outcome.NOT_SENT, reason=why)
        try:
            answer = await session.call(effect, reads)
        except Down as error:
            return Answer(outcome=Outcome.UNKNOWN, reason=str(error))
        if self._injector.hits("drop_answer"):
            return Answer(outcome=Outcome.UNKNOWN, reason="the answer was lost (injected fault)")
        if self._injector.hits("late_answer"):
            await self._clock.sleep(self._injector.late_answer_s)
        return answer

    async def _arrive(self, look: Callable[[Venue, datetime], T]) -> T:
        """Travels to the venue and looks; what it saw, and everything that arrived before, is on disk then."""
        await self._mended()
        session = self._live_session()
        if session is None:
            raise Down(_CLOSED)
        seen = await session.call(look)
        session.settle()
        if session.ended is not None:
            raise Down(session.ended)
        return seen

    def _open_session(self) -> Session | None:
        session = self._session
        return session if session is not None and session.ended is None else None

    def _live_session(self) -> Session | None:
        session = self._session
        return session if session is not None and session.live else None

    async def _open(self, take: Callable[[], Awaitable[None] | None]) -> Venue:
        await done(take())
        try:
            venue = Venue(self._name, self.settings, self._store, self._instruments, self._injector)
        except BaseException:
            self._store.close()
            raise
        for row in self._carried.values():
            venue.restore_quote(row)
        return venue

    async def _drain(self) -> None:
        if self._session is not None:
            await self._session.drain()

    def _end(self, reason: str) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.settle()
            self._carried = {row.quote.symbol: row for row in session.venue.stream_quotes}
            session.end(reason)

    def _pin(self, quote: Quote) -> None:
        for known in (self._early, self._carried):
            known.pop(quote.symbol, None)
        pin(self._store, quote)
