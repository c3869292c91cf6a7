"""The venue: takes requests, quotes and the passing of time, and says what came of them.

Synchronous and without a clock: every call gets its time. What a call changes is in memory at once and counts
when `commit` has written it; answers and reports must not leave before. Calls are made within the exact
decimal context.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from ordergate.adapters.brokers.paper.desk import Desk, answer_of
from ordergate.adapters.brokers.paper.expiries import Expiries
from ordergate.adapters.brokers.paper.faults import Injector
from ordergate.adapters.brokers.paper.matching import Book, Kill, Trade
from ordergate.adapters.brokers.paper.openings import Openings
from ordergate.adapters.brokers.paper.operating import Operating
from ordergate.adapters.brokers.paper.orders import Status, VenueOrder
from ordergate.adapters.brokers.paper.rates import pairs_of
from ordergate.adapters.brokers.paper.register import Commit, Register
from ordergate.adapters.brokers.paper.rows import QuoteRow
from ordergate.adapters.brokers.paper.settings import PaperSettings
from ordergate.adapters.brokers.paper.stores import VenueStore
from ordergate.adapters.brokers.paper.teller import Teller
from ordergate.adapters.brokers.paper.terms import refused_change, refused_of_operation, refused_order
from ordergate.adapters.calendars import SessionCalendar
from ordergate.application.ports.brokers import Answer, Change, Send, Withdraw
from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote
from ordergate.domain.orders.expiry import over_at
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import RequestKind, TimeInForce
from ordergate.domain.times import format_time

Instruments = Callable[[str], Instrument | None]


class Venue:
    """The books of one paper venue over its open store."""

    def __init__(
        self,
        name: str,
        settings: PaperSettings,
        store: VenueStore,
        instruments: Instruments,
        injector: Injector,
    ) -> None:
        self._settings, self._instruments = settings, instruments
        self.injector = injector
        self.register = Register(name, store)
        self._desk = Desk(self.register)
        self._teller = Teller(name, settings, self.register)
        self._operating = Operating(name, settings, self._teller)
        self._books: dict[str, Book] = {}
        self._calendar, self._expiries, self._openings = SessionCalendar(), Expiries(), Openings()
        for order in self.register.working.values():
            self._expiries.add(order)
            if order.operation.is_trade and (order.tif is not TimeInForce.OPG or not self._wait(order)):
                self._book(order.symbol).restore(order)
        for row in store.pinned():
            self.restore_quote(row)

    @property
    def next_expiry(self) -> datetime | None:
        """When `expire` should be called next."""
        times = [at for at in (self._expiries.next, self._openings.next) if at is not None]
        return min(times, default=None)

    @property
    def quotes(self) -> list[Quote]:
        """The live quotes."""
        return [book.quote for book in self._books.values() if book.quote is not None]

    @property
    def stream_quotes(self) -> list[QuoteRow]:
        """The live quotes that the file does not restore, with what is left of their sizes."""
        rows = [_row(book) for book in self._books.values()]
        return [row for row in rows if row is not None and not row.quote.pinned]

    def restore_quote(self, row: QuoteRow) -> None:
        """A quote as it stood; nothing happens."""
        self._book(row.quote.symbol).restore_quote(row.quote, row.bid_left, row.ask_left)

    def commit(self) -> Commit:
        """Makes everything so far count.

        Raises:
            StoreError: it was not written, or nobody can say.
        """
        return Commit([]) if self.register.clean else self.register.commit()

    def submit(self, send: Send, at: datetime) -> Answer:
        """A new order."""
        known = self._desk.repeated(send.client_id, RequestKind.SUBMIT)
        if known is not None:
            return known
        instrument = self._instruments(send.symbol)
        refused = refused_order(send, instrument, at)
        if self.injector.hits("reject"):
            refused = refused or "the venue refuses (injected fault)"
        if refused is not None or instrument is None:
            return self._desk.refuse(send.client_id, RequestKind.SUBMIT, None, refused or "", at)
        if not send.operation.is_trade:
            return self._operate(send, instrument, at)
        order = self._new_order(send, instrument, at)
        self._desk.accept(send.client_id, RequestKind.SUBMIT, order.number, at)
        if order.tif is TimeInForce.OPG and self._wait(order):
            self._teller.acknowledged(order)
        else:
            self._enter(self._book(order.symbol), order, instrument, at, new=True)
        if order.status is Status.WORKING:
            self._expiries.add(order)
        return answer_of(send.client_id, Outcome.ACCEPTED, order.number)

    def _operate(self, send: Send, instrument: Instrument, at: datetime) -> Answer:
        """What is no trade, at once."""
        effect = self._operating.effect(send, pairs_of(self._markets()))
        if isinstance(effect, str):
            return self._desk.refuse(send.client_id, RequestKind.SUBMIT, None, effect, at)
        order = self._new_order(send, instrument, at)
        order.expires = None  # it has arrived in time
        self._desk.accept(send.client_id, RequestKind.SUBMIT, order.number, at)
        self._operating.start(order, effect, at)
        self._expiries.add(order)
        return answer_of(send.client_id, Outcome.ACCEPTED, order.number)

    def _markets(self) -> Iterator[tuple[Instrument, Quote]]:
        for symbol, book in sorted(self._books.items()):
            instrument = book.instrument or self._instruments(symbol)
            if book.quote is not None and instrument is not None:
                yield instrument, book.quote

    def cancel(self, withdraw: Withdraw, at: datetime) -> Answer:
        """Ends a working order."""
        order, answer = self._desk.target(withdraw, RequestKind.CANCEL, at)
        if order is None:
            return answer
        if not order.operation.is_trade:
            refused = refused_of_operation(order)
            return self._desk.refuse(withdraw.client_id, RequestKind.CANCEL, order.number, refused, at)
        self._desk.accept(withdraw.client_id, RequestKind.CANCEL, order.number, at)
        self._take_out(order)
        self._teller.ended(order, Status.CANCELED, "canceled on request")
        return answer

    def replace(self, change: Change, at: datetime) -> Answer:
        """New terms for a working order, all or none."""
        order, answer = self._desk.target(change, RequestKind.REPLACE, at)
        if order is None:
            return answer
        instrument = self._instruments(order.symbol)
        refused = refused_change(change, order, instrument)
        if refused is not None or instrument is None:
            return self._desk.refuse(change.client_id, RequestKind.REPLACE, order.number, refused or "", at)
        self._desk.accept(change.client_id, RequestKind.REPLACE, order.number, at)
        self._amend(order, change, instrument, at)
        return answer

    def quote(self, quote: Quote, at: datetime) -> None:
        """A new market."""
        book = self._book(quote.symbol)
        if book.instrument is None:
            book.instrument = self._instruments(quote.symbol)
        steps = book.set_quote(quote)
        if book.instrument is not None:
            self._teller.steps(steps, book.instrument, at)
        self._keep_quote(book)
        self._open(book, quote.symbol, at)

    def expire(self, until: datetime) -> None:
        """Ends what has no time left, finishes what took its time; a pinned market stands at an opening too."""
        for number in self._expiries.due(until):
            order = self.register.working.get(number)
            if order is not None and not order.operation.is_trade:
                self._operating.finish(order, until)
            elif order is not None:
                self._take_out(order)
                what = "time" if order.tif is TimeInForce.GTD else "session"
                self._teller.ended(order, Status.EXPIRED, f"its {what} ended at {format_time(until)}")
        for symbol in self._openings.passed(until):
            book = self._book(symbol)
            if book.quote is not None and book.quote.pinned:
                self._open(book, symbol, until)

    def _open(self, book: Book, symbol: str, at: datetime) -> None:
        """Lets the orders trade that have waited for this market."""
        if book.instrument is not None:
            for order in self._openings.take(symbol, at):
                self._enter(book, order, book.instrument, at, new=False)

    def _wait(self, order: VenueOrder) -> bool:
        """Whether an OPG order waits for its opening; not where nobody knows its symbol any more."""
        instrument = self._instruments(order.symbol)
        if instrument is not None:
            self._openings.add(order, self._calendar.session_opening(instrument, order.entered))
        return instrument is not None

    def _take_out(self, order: VenueOrder) -> None:
        if not self._openings.remove(order):
            self._book(order.symbol).remove(order)

    def _enter(
        self, book: Book, order: VenueOrder, instrument: Instrument, at: datetime, *, new: bool
    ) -> None:
        book.instrument = instrument
        steps = book.enter(order)
        if steps:
            self._keep_quote(book)  # its sizes may have been used
        if new and not any(isinstance(step, (Trade, Kill)) for step in steps):
            self._teller.acknowledged(order)
        self.register.change(order)
        self._teller.steps(steps, instrument, at)

    def _amend(self, order: VenueOrder, change: Change, instrument: Instrument, at: datetime) -> None:
        book = self._book(order.symbol)
        waits = self._openings.remove(order)
        if not waits:
            book.remove(order)
        before = (order.limit_price, order.stop_price)
        quantity = max(change.quantity or order.quantity, order.filled)
        loses_place = quantity > order.quantity
        order.client_id, order.quantity = change.client_id, quantity
        order.limit_price = change.limit_price or order.limit_price
        order.stop_price = change.stop_price or order.stop_price
        loses_place = loses_place or before != (order.limit_price, order.stop_price)
        self._teller.replaced(order)
        if not order.leaves:
            return
        if waits:
            self._wait(order)
        elif loses_place:
            self._enter(book, order, instrument, at, new=False)
        else:
            book.restore(order)

    def _book(self, symbol: str) -> Book:
        book = self._books.get(symbol)
        if book is None:
            book = self._books[symbol] = Book(self._instruments(symbol), self._settings.slippage_bps)
        return book

    def _keep_quote(self, book: Book) -> None:
        row = _row(book)
        if row is not None:
            self.register.set_quote(row)

    def _new_order(self, send: Send, instrument: Instrument, at: datetime) -> VenueOrder:
        return VenueOrder(
            number=self.register.next_number(),
            client_id=send.client_id,
            symbol=send.symbol,
            side=send.side,
            quantity=send.quantity,
            order_type=send.order_type,
            tif=send.tif,
            limit_price=send.limit_price,
            stop_price=send.stop_price,
            entered=at,
            expires=over_at(send.tif, at, send.expires_at, instrument, self._calendar),
            triggered=not send.order_type.has_stop,
            operation=send.operation,
            terms=send.terms,
        )


def _row(book: Book) -> QuoteRow | None:
    return None if book.quote is None else QuoteRow(book.quote, bid_left=book.left[-1], ask_left=book.left[1])
