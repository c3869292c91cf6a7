"""Which journal it is: two may have one origin, such as a database and the one that was begun in its place."""

from typing import Final

from msgspec import Struct

from ordergate.application.ports.journal import JournalReader

_DIGITS: Final = 8


class LogName(Struct, frozen=True, gc=False):
    """A journal's name, which no other has.

    Attributes:
        log: its origin.
        journal: the first eight hexadecimal digits of its first entry's hash: the same in every copy of it.
    """

    log: str
    journal: str

    def entry(self, index: int) -> str:
        """The name of an entry."""
        return f"{self.log}/{self.journal}/{index}"


class Naming:
    """Names a journal as soon as that has begun.

    Args:
        log: its origin.
    """

    def __init__(self, reader: JournalReader, log: str) -> None:
        self._reader, self._log = reader, log
        self._name: LogName | None = None

    async def name(self) -> LogName:
        """The name of a journal that has an entry.

        Raises:
            StoreError: it cannot be read.
        """
        if self._name is None:
            (first,) = await self._reader.nodes(0, 0, 1)
            self._name = LogName(self._log, first.hex()[:_DIGITS])
        return self._name
