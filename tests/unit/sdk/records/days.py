"""Journals in files, with a day's work in them."""

from ordergate.adapters.journals.stores import open_journal
from ordergate.protocols.tlog import Signer
from tests.journals.busy_day import BusyDay
from tests.journals.desk import Desk


async def work(url: str, size: int, seed: int = 5) -> None:
    """Works until the journal has at least `size` entries."""
    journal = await open_journal(url)
    desk = await Desk.open(journal, Signer("test.example/journal", bytes(32)))
    await BusyDay(seed).run(desk, size)
    await journal.close()
