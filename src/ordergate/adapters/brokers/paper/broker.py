"""The paper venue behind the broker port."""

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from ordergate.adapters.brokers.paper.checks import check_quote, sequence_of
from ordergate.adapters.brokers.paper.faults import Injector
from ordergate.adapters.brokers.paper.history import look_up
from ordergate.adapters.brokers.paper.rows import Batch, QuoteRow
from ordergate.adapters.brokers.paper.session import Down, Session
from ordergate.adapters.brokers.paper.settings import Faults, PaperSettings
from ordergate.adapters.brokers.paper.store import Store
from ordergate.adapters.brokers.paper.venue import Instruments, Venue
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
from ordergate.application.ports.clock import Clock
from ordergate.domain.errors import StoreError
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import OrderType, TimeInForce

CAPABILITIES: Final = Capabilities(
    order_types=frozenset(OrderType),
    tifs=frozenset(TimeInForce),
    deduplication=Deduplication.FOREVER,
    proves_absence=True,
    grace_s=0,
    replaces=True,
    calls=256,
)
_CLOSED: Final = "no session with the paper venue is open"


class PaperBroker:
    """One account at a paper venue whose file is `path` (memory, if None)."""

    def __init__(
        self, name: str, settings: PaperSettings, path: Path | None, clock: Clock, instruments: Instruments
    ) -> None:
        self._name, self._settings, self._clock, self._instruments = name, settings, clock, instruments
        self._store = Store(name, path)
        self._injector = Injector(settings.faults)
        self._session: Session | None = None
        # Of this run: what streams said before there was a session, and what an earlier session had of them.
        self._early: dict[str, Quote] = {}
        self._carried: dict[str, QuoteRow] = {}

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        return self._name

    @property
    def settings(self) -> PaperSettings:
        """As it was configured."""
        return self._settings

    @property
    def capabilities(self) -> Capabilities:
        """Everything that the port has."""
        return CAPABILITIES

    def inject(self, faults: Faults) -> None:
        """Other faults from now on, drawn from the start of their seed."""
        self._injector = Injector(faults)
        if self._session is not None:
            self._session.venue.injector = self._injector

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Opens the venue's file and a session; what was reported after `cursor` comes first.

        Raises:
            StoreBusy: another process, or another broker object, has the file.
            StoreError: the file cannot be used, or never gave out that cursor.
        """
        self._end("another session was opened")
        venue = self._open()
        try:
            after = sequence_of(cursor, venue.register.last_sequence)
        except StoreError:
            self._store.close()
            raise
        latency = timedelta(milliseconds=self._settings.latency_ms)
        session = self._session = Session(venue, self._store, sink, self._clock, latency)
        await session.start(after)
        early, self._early = self._early, {}
        for quote in early.values():
            self.set_quote(quote)

    async def close(self) -> None:
        """Ends the session and closes the file; requests still on their way never arrive."""
        self._end("the session was closed")

    def set_quote(self, quote: Quote) -> None:
        """The market from now on, matched at once. A pinned one is on disk when this returns.

        Without a session a pinned quote is written to the file, another waits for the session.

        Raises:
            Invalid: a price is not above zero, or a size is below it.
            StoreError: a pinned one could not be written.
        """
        check_quote(quote)
        session = self._open_session()
        if session is not None:
            session.quote(quote)
            if quote.pinned:
                session.commit()
        elif quote.pinned:
            self._pin(quote)
        else:
            self._early[quote.symbol] = quote

    async def submit(self, send: Send) -> Answer:
        """Sends an order."""
        return await self._request(lambda venue, at: venue.submit(send, at))

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks for a cancel."""
        return await self._request(lambda venue, at: venue.cancel(withdraw, at))

    async def replace(self, change: Change) -> Answer:
        """Asks for new terms."""
        return await self._request(lambda venue, at: venue.replace(change, at))

    async def lookup(self, client_id: str) -> Lookup:
        """What the venue knows of a request; it travels behind those sent before it."""
        try:
            session = await self._arrive()
        except Down as error:
            return Lookup(presence=Presence.UNAVAILABLE, reason=str(error))
        try:
            return look_up(self._name, session.venue.register, self._store, client_id)
        except (StoreError, sqlite3.Error) as error:
            return Lookup(
                presence=Presence.UNAVAILABLE, reason=f"the paper venue's file cannot be read: {error}"
            )

    async def open_orders(self) -> OpenOrders:
        """What works at the venue now."""
        try:
            session = await self._arrive()
        except Down:
            return OpenOrders(as_of=self._clock.now(), complete=False)
        working = [order.client_id for order in session.venue.register.working.values()]
        complete = not self._injector.hits("incomplete_snapshot")
        shown = working if complete else working[: len(working) // 2]
        return OpenOrders(as_of=self._clock.now(), complete=complete, client_ids=frozenset(shown))

    async def _request(self, effect: Callable[[Venue, datetime], Answer]) -> Answer:
        session = self._session
        if session is None or not session.live:
            why = _CLOSED if session is None or session.ended is None else session.ended
            return Answer(outcome=Outcome.NOT_SENT, reason=why)
        try:
            answer = await session.call(effect)
        except Down as error:
            return Answer(outcome=Outcome.UNKNOWN, reason=str(error))
        if self._injector.hits("drop_answer"):
            return Answer(outcome=Outcome.UNKNOWN, reason="the answer was lost (injected fault)")
        if self._injector.hits("late_answer"):
            await self._clock.sleep(self._injector.late_answer_s)
        return answer

    async def _arrive(self) -> Session:
        """Travels to the venue; then everything that arrived before is on disk."""
        session = self._open_session()
        if session is None or not session.live:
            raise Down(_CLOSED)
        await session.call(lambda _venue, _at: None)
        session.settle()
        if session.ended is not None:
            raise Down(session.ended)
        return session

    def _open_session(self) -> Session | None:
        session = self._session
        return session if session is not None and session.ended is None else None

    def _open(self) -> Venue:
        self._store.open()
        try:
            venue = Venue(self._name, self._settings, self._store, self._instruments, self._injector)
        except BaseException:
            self._store.close()
            raise
        for row in self._carried.values():
            venue.restore_quote(row)
        return venue

    def _end(self, reason: str) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.settle()
            self._carried = {row.quote.symbol: row for row in session.venue.stream_quotes}
            session.end(reason)

    def _pin(self, quote: Quote) -> None:
        for known in (self._early, self._carried):
            known.pop(quote.symbol, None)
        self._store.open()
        try:
            row = QuoteRow(quote, bid_left=quote.bid_size, ask_left=quote.ask_size)
            self._store.write(Batch(quotes={quote.symbol: row}))
        finally:
            self._store.close()
