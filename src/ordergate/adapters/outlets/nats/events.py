"""The outlet that publishes what happens to orders, and every entry, in the dialects that are switched on."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from ordergate.adapters.outlets.nats.dialects import Render
from ordergate.adapters.outlets.nats.letters import Letter
from ordergate.adapters.outlets.nats.publishing import Stream
from ordergate.application.entry import Entry
from ordergate.application.naming import Naming
from ordergate.application.ports.journal import JournalReader
from ordergate.application.telling import Teller

_BREATH: Final = 5
"""Entries that are told in one go, before others have their turn."""


class NatsEvents:
    """Publishes each entry's messages: at least once, in order per order and dialect.

    Args:
        log: the origin of the journal.
    """

    def __init__(self, stream: Stream, reader: JournalReader, log: str, dialects: Sequence[Render]) -> None:
        self._stream, self._dialects = stream, dialects
        self._naming = Naming(reader, log)
        self._teller = Teller(reader)
        self._told: deque[list[Letter]] = deque()
        self._end = 0  # index behind the last entry told

    @property
    def name(self) -> str:
        """Of its cursor."""
        return "nats"

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Returns once the server has every message for good.

        Raises:
            NatsError: it has not, or does not say so: all of them come again.
            StoreError, AuditError: the journal cannot be read.
        """
        await self._stream.publish(await self._letters(entries))

    async def _letters(self, entries: Sequence[Entry]) -> list[Letter]:
        """Of the entries; what was told for a delivery that failed is kept for the next try."""
        first = entries[0].index
        if not self._end - len(self._told) <= first <= self._end:
            self._told.clear()  # another node has delivered meanwhile, or this is the beginning
            self._end = first
        while self._told and self._end - len(self._told) < first:
            self._told.popleft()
        for start in range(len(self._told), len(entries), _BREATH):
            await self._tell(entries[start : start + _BREATH])
            await asyncio.sleep(0)
        return [letter for letters in self._told for letter in letters]

    async def _tell(self, entries: Sequence[Entry]) -> None:
        name, told = await self._naming.name(), await self._teller.tell(entries)
        self._told += [[letter for render in self._dialects for letter in render(one, name)] for one in told]
        self._end += len(told)
