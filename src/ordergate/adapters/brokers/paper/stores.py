"""What keeps a venue's record: a file, memory, or a schema that several nodes share.

A file answers at once, so that its store is done when it returns. A server takes its time: its store's calls give
awaitables, and what requests read is fetched before they take effect.
"""

import inspect
from collections.abc import Awaitable, Sequence
from decimal import Decimal
from typing import Protocol, TypeVar

from msgspec import Struct

from ordergate.adapters.brokers.paper.orders import VenueOrder, number_of
from ordergate.adapters.brokers.paper.records import Record
from ordergate.adapters.brokers.paper.rows import Batch, Contract, Execution, QuoteRow, Request, Sent
from ordergate.application.ports.brokers import Change, Withdraw
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import AnyReport

T = TypeVar("T")


class Reads(Struct, frozen=True, gc=False):
    """What a request looks at: requests by client id, with the orders they belong to, and orders by number."""

    client_ids: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


def reads_of(request: Change | Withdraw) -> Reads:
    """What a request that names an order looks at."""
    number = number_of(request.broker_order_id)
    return Reads((request.client_id, request.order), () if number is None else (number,))


class History(Struct, frozen=True, gc=False):
    """Everything that is kept of a request: itself, its order and what was reported of that."""

    request: Request
    order: VenueOrder | None
    reports: list[AnyReport]


class VenueStore(Protocol):
    """The record of one venue. It may be asked only while it is open."""

    @property
    def inline(self) -> bool:
        """Whether all is done when a call returns; then `fetch` is never called."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it may be asked."""
        ...

    def open(self) -> Awaitable[None] | None:
        """Takes the record, whoever has it where that can be taken.

        Raises:
            StoreBusy: another has it, and cannot be made to let go.
            StoreError: it cannot be used.
        """
        ...

    def resume(self) -> Awaitable[None] | None:
        """As `open`, after the last session broke off.

        Raises:
            StoreBusy: another has opened it since.
            StoreError: it cannot be used.
        """
        ...

    def close(self) -> None:
        """Lets go at once; everything committed stays."""
        ...

    def write(self, batch: Batch) -> Awaitable[None] | None:
        """All of a batch or nothing of it; what it says is read before this returns.

        Raises:
            StoreBusy: another has opened it since; nothing was written.
            StoreError: it was not written, or nobody can say; it must be opened again.
        """
        ...

    def fetch(self, reads: Sequence[Reads]) -> Awaitable[None]:
        """Brings what `request` and `order` are asked for next, until the next fetch.

        Raises:
            StoreBusy: another has opened it since.
            StoreError: it cannot be read.
        """
        ...

    def request(self, client_id: str) -> Request | None:
        """The committed request of that client id."""
        ...

    def order(self, number: int) -> VenueOrder | None:
        """A committed order, also one that has ended."""
        ...

    def working(self) -> list[VenueOrder]:
        """The orders that worked when it was opened, the oldest first."""
        ...

    def pinned(self) -> list[QuoteRow]:
        """The quotes set by hand and not followed by another when it was opened."""
        ...

    def contracts(self) -> list[Contract]:
        """What was open of perpetual contracts when it was opened."""
        ...

    def sent(self) -> dict[Sent, Decimal]:
        """What transfers had taken elsewhere when it was opened, in all."""
        ...

    def last(self) -> tuple[int, int]:
        """The greatest order number and report sequence when it was opened."""
        ...

    def reports_after(self, sequence: int) -> list[Record] | Awaitable[list[Record]]:
        """The next reports, not all at once."""
        ...

    def executions_after(self, key: tuple[int, int]) -> list[Execution] | Awaitable[list[Execution]]:
        """The next executions by the number of their order and their own, not all at once."""
        ...

    def history(self, client_id: str) -> Awaitable[History | None] | History | None:
        """What is kept of the request of that client id; None where none ever arrived."""
        ...


async def done(value: T | Awaitable[T]) -> T:
    """The value; only an awaitable is waited for."""
    return await value if inspect.isawaitable(value) else value


def sent_by(store: VenueStore) -> dict[Sent, Decimal]:
    """What transfers have taken elsewhere, by the record of a venue in a file, whether or not that is open.

    Raises:
        StoreError: it cannot be read.
    """
    if store.is_open:
        return store.sent()
    store.open()  # a file's, and so open when this returns
    try:
        return store.sent()
    finally:
        store.close()


def pin(store: VenueStore, quote: Quote) -> None:
    """Writes a quote that was set by hand into a file that is not open.

    Raises:
        StoreError: it could not be written.
    """
    store.open()  # a file's, and so open when this returns
    try:
        row = QuoteRow(quote, bid_left=quote.bid_size, ask_left=quote.ask_size)
        store.write(Batch(quotes={quote.symbol: row}))
    finally:
        store.close()
