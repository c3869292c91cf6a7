"""Reading in a thread of its own: the same rows, and nothing waits for it."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.unit.application.gates import buy

from ordergate.adapters.journals.aside import ReaderAside
from ordergate.adapters.journals.database import open_journal, open_reader
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.ports.journal import Batch
from ordergate.bootstrap import open_gate, reading_aside
from ordergate.config import Config
from ordergate.domain.errors import Defect, StoreError
from ordergate.testing.conformance.rows import key_of, rows_of


class Slow(MemoryJournal):
    async def select(self, table, where=None, *, after=None, limit=None):
        time.sleep(0.3)  # noqa: ASYNC251 - as a search through a long history
        return []


class Waiting(MemoryJournal):
    async def get(self, table, keys):
        await asyncio.sleep(0)
        return []


def test_it_reads_what_the_writer_has_committed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'orders.db'}"

    async def main() -> None:
        journal = open_journal(url)
        aside = ReaderAside(open_reader(url))
        rows = rows_of("orders")
        await journal.commit(Batch(first=0, lines=(), rows={"orders": rows}))
        assert await aside.select("orders") == await journal.select("orders")
        keys = [key_of("orders", row) for row in rows[:3]]
        assert await aside.get("orders", keys) == await journal.get("orders", keys)
        assert len(await aside.select("orders", {"state": rows[0].state}, limit=1)) == 1
        with pytest.raises(StoreError):
            await aside.get("orders", [("a", "b")])
        await aside.close()
        await journal.close()

    asyncio.run(main())


def test_what_takes_long_holds_up_nothing() -> None:
    async def main() -> int:
        aside, turns = ReaderAside(Slow()), 0
        reading = asyncio.create_task(aside.select("orders"))
        while not reading.done():
            turns += 1
            await asyncio.sleep(0.005)
        await aside.close()
        return turns

    assert asyncio.run(main()) > 10


def test_a_reader_that_waits_is_not_for_a_thread() -> None:
    async def main() -> None:
        aside = ReaderAside(Waiting())
        with pytest.raises(Defect, match="waited"):
            await aside.get("orders", [])
        await aside.close()

    asyncio.run(main())


def test_lists_of_a_service_are_read_aside_and_show_what_was_answered(tmp_path: Path) -> None:
    async def main() -> None:
        for url, apart in ((f"sqlite:///{tmp_path / 'orders.db'}", True), ("sqlite://", False)):
            async with open_gate(Config(), url) as gate:
                async with reading_aside(gate):
                    assert (gate.lists is not gate.queries) == apart
                    for number in range(3):
                        made = await gate.execute(buy(f"key-{number}", fund_id="paper-momentum"))
                        listed = await gate.lists.page("orders", {"fund_id": "paper-momentum"}, None, 10)
                        assert len(listed) == number + 1
                        assert made.order.order_id in {order.order_id for order in listed}
                assert gate.lists is gate.queries

    asyncio.run(main())
