"""Which entries touch which rows: whatever changes an order, an execution or a position must be known to."""

import asyncio
from typing import Any

import pytest

from ordergate.application.entry import decode
from ordergate.application.recovery import apply
from ordergate.application.touching import touched, touched_positions
from ordergate.domain.book import Book
from tests.journals.older import busy


def changed(before: dict[Any, Any], after: dict[Any, Any]) -> set[Any]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


@pytest.mark.slow
def test_what_changes_a_row_touches_it() -> None:
    async def main() -> None:
        journal, book = await busy(2_500), Book()
        size = (await journal.head()).size
        of_positions, of_fills, more = set(), set(), 0
        for index, line in enumerate(await journal.lines(0, size)):
            entry = decode(line.data, index)
            tables = (book.orders, book.fills, book.positions)
            before = [dict(table.rows) for table in tables]
            apply(book, entry)
            orders, fills, positions = (
                changed(rows, table.rows) for rows, table in zip(before, tables, strict=True)
            )
            found, kind = touched([entry]), type(entry.event).__name__
            assert orders <= found.orders, entry
            assert all(key in found.fills or key[0] in found.refilled for key in fills), entry
            assert positions <= found.positions == set(touched_positions(entry)), entry
            more += len(fills) > 1
            of_fills |= {kind} if fills else set()
            of_positions |= {kind} if positions else set()
        assert of_fills == {"OrderFilled", "FillCorrected", "FillBusted"}
        assert of_positions == of_fills | {"PositionAdjusted", "FundLeft", "FundArrived"}
        assert more > 10  # one execution took the place of another

    asyncio.run(main())
