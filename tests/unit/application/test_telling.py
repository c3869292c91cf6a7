"""What outlets tell of orders: as each entry left them, whoever tells, from wherever on."""

import asyncio

import pytest

from ordergate.application.entry import Entry, decode
from ordergate.application.recovery import apply
from ordergate.application.telling import Teller, Told
from ordergate.domain.book import Book
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.events import OrderEvent
from tests.journals.older import busy


async def _entries(journal) -> list[Entry]:
    size = (await journal.head()).size
    return [decode(line.data, index) for index, line in enumerate(await journal.lines(0, size))]


def _as_folded(entries: list[Entry]) -> list[Told]:
    """By the fold of everything, which forgets nothing."""
    book, folded = Book(), []
    for entry in entries:
        known = book.orders.rows.get(entry.order_id)
        apply(book, entry)
        about = isinstance(entry.event, OrderEvent)
        order = book.orders.rows[entry.order_id] if about else None
        folded.append(Told(entry, order, known.state if about and known else None))
    return folded


def test_each_entry_is_told_with_the_order_as_it_left_it() -> None:
    async def run() -> None:
        journal = await busy()
        entries = await _entries(journal)
        told = await Teller(journal).tell(entries)
        assert told == _as_folded(entries)
        assert sum(one.order is not None for one in told) > 100

    asyncio.run(run())


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_whoever_begins_in_the_middle_tells_the_same(part: float) -> None:
    async def run() -> None:
        journal = await busy()
        entries = await _entries(journal)
        first = int(len(entries) * part)
        assert await Teller(journal).tell(entries[first:]) == _as_folded(entries)[first:]

    asyncio.run(run())


def test_memory_that_has_grown_is_begun_anew(monkeypatch) -> None:
    monkeypatch.setattr("ordergate.application.telling._MOST", 3)

    async def run() -> None:
        journal = await busy()
        entries = await _entries(journal)
        assert await Teller(journal).tell(entries) == _as_folded(entries)

    asyncio.run(run())


def test_what_is_told_again_is_told_in_the_same_words() -> None:
    async def run() -> None:
        journal = await busy()
        entries = await _entries(journal)
        teller, folded = Teller(journal), _as_folded(entries)
        assert await teller.tell(entries[:200]) == folded[:200]
        assert await teller.tell(entries[100:300]) == folded[100:300]
        assert await teller.tell(entries[50:]) == folded[50:]

    asyncio.run(run())


def test_a_store_that_fails_in_the_middle_costs_nothing(monkeypatch) -> None:
    async def run() -> None:
        journal = await busy()
        entries = await _entries(journal)
        teller, half = Teller(journal), len(entries) // 2
        read, calls = journal.indices, 0

        async def failing(order_id: str) -> list[int]:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise StoreError("gone")
            return await read(order_id)

        monkeypatch.setattr(journal, "indices", failing)
        with pytest.raises(StoreError):
            await teller.tell(entries[half:])
        assert await teller.tell(entries[half:]) == _as_folded(entries)[half:]

    asyncio.run(run())
