"""Which entries touch which positions: whatever changes a position's row must be known to."""

import asyncio

from tests.journals.older import busy

from ordergate.adapters.outlets.nats.positions import touched
from ordergate.application.entry import decode
from ordergate.application.recovery import apply
from ordergate.domain.book import Book


def test_what_changes_a_position_touches_it() -> None:
    async def main() -> None:
        journal, book = await busy(2_500), Book()
        size = (await journal.head()).size
        kinds = set()
        for index, line in enumerate(await journal.lines(0, size)):
            entry = decode(line.data, index)
            before = dict(book.positions.rows)
            apply(book, entry)
            after = book.positions.rows
            changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
            assert changed <= set(touched(entry)), entry
            if changed:
                kinds.add(type(entry.event).__name__)
        assert kinds == {
            "OrderFilled", "FillCorrected", "FillBusted", "PositionAdjusted", "FundLeft", "FundArrived",
        }  # fmt: skip

    asyncio.run(main())
