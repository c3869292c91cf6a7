"""Do the tables follow from the journal? They are made again from its entries alone, and compared.

Memory holds what can still change. What has ended is read back from the new store when a later entry names
it: an execution may come long after the end of its order, and a position can open again.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import count
from typing import Any, Final

from msgspec import Struct

from ordergate.application.audit.reading import Progress, chunks, read_entry
from ordergate.application.entry import Entry
from ordergate.application.ports.journal import Batch, Head, Journal, JournalReader
from ordergate.application.recovery import apply
from ordergate.domain.book import Book, Table
from ordergate.domain.errors import AuditError, Defect, StoreBusy, StoreError
from ordergate.domain.orders.events import FillBusted, FillCorrected, OrderEvent, OrderFilled

_MOST: Final = 1_000

Loaded = list[tuple[Table[Any], Any]]


class Difference(Struct, frozen=True, kw_only=True):
    """A row that the tables and the replay do not agree on.

    Attributes:
        number: of the row in the table, in the order of the primary key, from 0.
        ours: as it stands in the table; None where it is missing there.
        replayed: as the journal implies it; None where it implies none.
    """

    table: str
    number: int
    ours: bytes | None
    replayed: bytes | None


async def replay(reader: JournalReader, store: Journal, progress: Progress | None = None) -> list[Difference]:
    """Folds a journal into an empty store of the same kind, and compares all tables byte for byte.

    Returns:
        What differs, at most about a thousand rows a table; empty where the tables are equal.

    Raises:
        AuditError: an entry cannot be read, or cannot have come from ordergate.
        StoreBusy: the journal grew meanwhile, so its tables are ahead of the replay.
        StoreError: the store is not empty, or failed.
    """
    before = await reader.head()
    await fold_into(reader, before.size, store, progress)
    found = [each for table in Book().tables for each in await compare(reader, store, table.name)]
    if await reader.head() != before:
        raise StoreBusy(
            "the journal grew during the comparison: run it on a copy, or when nothing is written"
        )
    return found


async def fold_into(
    reader: JournalReader, size: int, store: Journal, progress: Progress | None = None
) -> None:
    """Makes the tables that the first `size` entries imply, in an empty store.

    Raises:
        AuditError: an entry cannot be read, or cannot have come from ordergate.
        StoreError: the store is not empty, or failed.
    """
    if await store.head() != Head():
        raise StoreError("a journal is replayed into an empty store, and this one is not")
    book = Book()
    async for first, lines in chunks(reader, size, progress):
        entries = [read_entry(line, index) for index, line in enumerate(lines, first)]
        loaded = await _recall(entries, book, store)
        for entry in entries:
            _fold(book, entry)
        rows = {table: changed for table, changed, _before in book.changed()}
        await store.commit(Batch(first=0, lines=(), rows=rows))
        book.settle()
        book.release(loaded)


def _fold(book: Book, entry: Entry) -> None:
    try:
        apply(book, entry)
    except (Defect, ArithmeticError, LookupError, TypeError, ValueError) as error:
        detail = f"entry {entry.index} does not follow from those before it: {type(error).__name__}: {error}"
        raise AuditError(detail, entry.index) from error


async def _recall(entries: Iterable[Entry], book: Book, store: Journal) -> Loaded:
    """Reads back what the entries are about and memory has forgotten."""
    orders, positions = dict[tuple[str], None](), dict[tuple[str, str], None]()
    for event in (entry.event for entry in entries):
        if isinstance(event, OrderEvent) and book.orders.get(event.order_id) is None:
            orders[event.order_id,] = None
        if isinstance(event, OrderFilled | FillCorrected | FillBusted):
            positions[event.fill.fund_id, event.fill.symbol] = None
    loaded: Loaded = []
    found = await store.get("orders", list(orders)) if orders else []
    fills = dict[str, list[Any]]()
    for fill in await store.select("fills", {"order_id": tuple(order.order_id for order in found)}):
        fills.setdefault(fill.order_id, []).append(fill)
    for order in found:
        book.load_order(order, fills.get(order.order_id, []))
        loaded.append((book.orders, order.order_id))
    missing = [key for key in positions if book.positions.get(key) is None]
    for position in await store.get("positions", missing) if missing else []:
        book.positions.load(position)
        loaded.append((book.positions, book.positions.key(position)))
    return loaded


async def compare(reader: JournalReader, store: JournalReader, table: str) -> list[Difference]:
    """The rows of a table that only one of two stores has; a changed row is one where numbers are equal."""
    ours, replayed = dict[bytes, int](), dict[bytes, int]()
    async for number, (mine, other) in _side_by_side(reader.dump(table), store.dump(table)):
        if mine == other:
            continue
        _cancel(mine, number, ours, replayed)
        _cancel(other, number, replayed, ours)
        if len(ours) + len(replayed) > _MOST:
            break
    left = {number: row for row, number in ours.items()}
    right = {number: row for row, number in replayed.items()}
    return [
        Difference(table=table, number=number, ours=left.get(number), replayed=right.get(number))
        for number in sorted(left.keys() | right.keys())
    ]


def _cancel(row: bytes | None, number: int, own: dict[bytes, int], others: dict[bytes, int]) -> None:
    if row is not None and others.pop(row, None) is None:
        own[row] = number


async def _side_by_side(
    *dumps: AsyncIterator[bytes],
) -> AsyncIterator[tuple[int, Sequence[bytes | None]]]:
    """Rows with equal numbers, None where a dump has ended."""
    for number in count():
        rows = [await anext(dump, None) for dump in dumps]
        if all(row is None for row in rows):
            return
        yield number, rows
