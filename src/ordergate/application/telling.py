"""Entries with the order that they are about, as it stood right after them: for outlets that tell others.

An order is folded from its own entries alone, so an entry that is told again, by another node or years later, is told
in the same words.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ordergate.application.entry import Entry, decode
from ordergate.application.ports.journal import JournalReader
from ordergate.application.recovery import apply
from ordergate.domain.book import Book
from ordergate.domain.orders import events as e
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import State

_MOST: Final = 10_000
_BEGINS: Final = (e.OrderEntered, e.OrderAdopted)


class Told(Struct, frozen=True, gc=False):
    """An entry, and its order.

    Attributes:
        order: as the entry left it; None where the entry is about no order.
        before: the state that the order had; None where the entry brought it into being.
    """

    entry: Entry
    order: Order | None = None
    before: State | None = None


class Teller:
    """Follows one journal's orders; a reader of its own each."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._aside: Book | None = None
        self._next = 0

    async def tell(self, entries: Sequence[Entry]) -> list[Told]:
        """The entries, consecutive, each with its order; also such as were told before.

        Raises:
            StoreError: the journal cannot be read.
            AuditError: an entry cannot be read by this version.
        """
        told = []
        for entry in entries:
            if entry.index != self._next:  # what comes again finds its order as it was then
                self._aside = None
            self._next = -1
            told.append(await self._told(entry))
            self._next = entry.index + 1
        return told

    async def _told(self, entry: Entry) -> Told:
        event = entry.event
        if not isinstance(event, e.OrderEvent):
            return Told(entry)
        book = await self._book(event, entry.index)
        known = book.orders.get(event.order_id)
        apply(book, entry)
        told = Told(entry, book.orders.get(event.order_id), None if known is None else known.state)
        book.settle()  # forgets what has ended
        return told

    async def _book(self, event: e.OrderEvent, index: int) -> Book:
        """What the event's order, at least, had come to before entry `index`."""
        book = self._aside
        if book is None or len(book.orders.rows) + len(book.lots.rows) > _MOST:
            book = self._aside = await self._fresh()
        if event.order_id not in book.orders.rows and not isinstance(event, _BEGINS):
            await self._read(book, event.order_id, index)
        return book

    async def _fresh(self) -> Book:
        """One with what executions need; what positions come to in it is nobody's."""
        book = Book()
        for table in (book.funds, book.instruments):
            for row in await self._reader.select(table.name):
                table.load(row)
        return book

    async def _read(self, book: Book, order_id: str, end: int) -> None:
        for index in await self._reader.indices(order_id):
            if index >= end:
                break
            for line in await self._reader.lines(index, 1):
                entry = decode(line.data, index)
                if isinstance(entry.event, e.OrderEvent):
                    apply(book, entry)
