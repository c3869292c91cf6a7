"""The journal as one reader takes it: from an index on, then as it grows.

A feed pulls from the journal in pages, at the pace at which its reader takes them; a commit only wakes it. So a slow
reader holds nothing back and costs one page of memory.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from ordergate.api.door import Door
from ordergate.api.problems import DoorCode, failure
from ordergate.api.sieve import Found, Sieve
from ordergate.application.ports.journal import JournalReader
from ordergate.domain.errors import quoted

_AT_ONCE: Final = 100
_LONGEST_INDEX: Final = 18


class Feed:
    """One stream, until its reader goes or the door closes.

    Args:
        news: of `Door.listening`.
        every_s: a page without entries, as a sign of life, where there was none with some for that long.

    Attributes:
        gone: its reader; set it, then `news`.
    """

    def __init__(
        self, door: Door, journal: JournalReader, sieve: Sieve, news: asyncio.Event, every_s: float
    ) -> None:
        self._door, self._journal, self._sieve, self._news = door, journal, sieve, news
        self._every_s = every_s
        self.gone = False

    async def pages(self, first: int) -> AsyncGenerator[tuple[int, Found], None]:
        """What is wanted of what stands from `first` on, each time with the index at which it goes on.

        Raises:
            StoreError: the journal cannot be read.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() + self._every_s
        while self._open:
            self._news.clear()
            size = (await self._journal.head()).size
            while first < size and self._open:
                first, found = await self._sieve.page(first, min(first + _AT_ONCE, size), size)
                if found or loop.time() >= due:
                    yield first, found
                    due = loop.time() + self._every_s
                await asyncio.sleep(0)  # reading and sending may both go without waiting: let the gate work
            if not await self._news_until(due):
                yield first, []
                due = loop.time() + self._every_s

    @property
    def _open(self) -> bool:
        return not (self.gone or self._door.closing)

    async def _news_until(self, due: float) -> bool:
        try:
            async with asyncio.timeout_at(due):
                await self._news.wait()
        except TimeoutError:
            return False
        return True


def index_of(given: str, name: str) -> int:
    """The index of an entry as a parameter or header names it; -1 stands before the first.

    Raises:
        Failure: it is none.
    """
    digits = given.removeprefix("-") if given == "-1" else given
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_INDEX):
        detail = f"{quoted(given)} is not the index of an entry, such as 41 (-1 begins with the first entry)"
        raise failure(400, DoorCode.BAD_PARAMETER, detail, parameter=name)
    return int(given)
