"""Is the archive what the journal says?

The archive is read once, in its own order, and of each record a fingerprint is kept; then the journal is read once, and
every record made again and compared with that. An id counts once, however often it came.

What the archive should have by now is what its cursor had passed before it was read. A record can never be newer than
the journal: one beyond its end is of another history.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from ordergate.application.archiving import SMALLER, Archivist, Part, Record, without, written
from ordergate.application.audit.reading import Progress, chunks
from ordergate.application.ports.journal import JournalReader

_WIDTH: Final = 16
"""Bytes of a fingerprint: of a SHA-256."""
_PARTITION: Final = 4
_PLACE: Final = 12
"""Bytes of a partition, and with them of an offset."""
_UNSEEN: Final = 255
_SHOWN: Final = 20


class Lying(Struct, frozen=True, gc=False):
    """A record as it lies in the archive."""

    partition: int
    offset: int
    value: bytes | None


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is not as it should be.

    Attributes:
        log, index: of the entry; left out where the record does not say.
        last: the last of several entries in a row.
        partition, offset: where the record lies.
    """

    why: str
    log: str | None = None
    index: int | None = None
    last: int | None = None
    partition: int | None = None
    offset: int | None = None


class Findings(Struct):
    """Those of one kind: how many, and the first of them."""

    count: int = 0
    first: list[Finding] = msgspec.field(default_factory=list)

    def add(self, finding: Finding, count: int = 1) -> None:
        """Another one."""
        self.count += count
        if len(self.first) < _SHOWN:
            self.first.append(finding)


class Counted(Struct, frozen=True, kw_only=True):
    """Of one log.

    Attributes:
        size: entries of the journal.
        due: how many of them the archive should have.
        archived: how many it has.
        waiting: how many it has not, and need not have yet.
    """

    size: int
    due: int
    archived: int
    waiting: int


class Compared(Struct, kw_only=True):
    """What was found.

    Attributes:
        records: that were read.
        repeated: those of an id that had come before.
        ignored: those of other logs that are known, and were not asked about.
    """

    records: int = 0
    repeated: int = 0
    ignored: int = 0
    logs: dict[str, Counted] = msgspec.field(default_factory=dict)
    missing: Findings = msgspec.field(default_factory=Findings)
    foreign: Findings = msgspec.field(default_factory=Findings)
    different: Findings = msgspec.field(default_factory=Findings)
    out_of_order: Findings = msgspec.field(default_factory=Findings)

    @property
    def wrong(self) -> int:
        """How much is not as it should be."""
        return sum(one.count for one in (self.missing, self.foreign, self.different, self.out_of_order))


class _Said(Struct, frozen=True, gc=False):
    """What a record says that it is."""

    log: str
    index: int
    left_out: tuple[Part, ...] = ()


_DECODE: Final = msgspec.json.Decoder(_Said).decode
_LEFT_OUT: Final[Mapping[tuple[Part, ...], int]] = {
    left: number for number, left in enumerate((*SMALLER, ("order",)))
}
_PARTS: Final = tuple(_LEFT_OUT)


class _Copy(Struct, frozen=True, gc=False):
    """A later copy of a record that is not like the first."""

    fingerprint: bytes
    left_out: int
    lying: Lying


class _Log:
    """What the archive has of one log."""

    def __init__(self, reader: JournalReader, log: str, due: int) -> None:
        self.reader, self.log, self.due = reader, log, due
        self.size = self.archived = 0
        self._fingerprints, self._left_out = bytearray(), bytearray()
        self._places = bytearray()
        self._copies: dict[int, list[_Copy]] = {}
        self._last: dict[int, int] = {}

    async def reaches(self, index: int) -> bool:
        """Whether the journal has that entry."""
        if index >= self.size:
            self.size = (await self.reader.head()).size
            more = self.size - len(self._left_out)
            self._fingerprints.extend(bytes(more * _WIDTH))
            self._left_out.extend(bytes((_UNSEEN,)) * more)
            self._places.extend(bytes(more * _PLACE))
        return 0 <= index < self.size

    def take(self, said: _Said, lying: Lying, value: bytes, compared: Compared) -> None:
        """A record of an entry that there is."""
        index, place = said.index, said.index * _WIDTH
        fingerprint, left_out = sha256(value).digest()[:_WIDTH], _LEFT_OUT.get(said.left_out, _UNSEEN - 1)
        if self._left_out[index] != _UNSEEN:
            compared.repeated += 1
            known = bytes(self._fingerprints[place : place + _WIDTH])
            if (known, self._left_out[index]) != (fingerprint, left_out):
                self._copies.setdefault(index, []).append(_Copy(fingerprint, left_out, lying))
            return
        self.archived += 1
        self._fingerprints[place : place + _WIDTH] = fingerprint
        self._left_out[index] = left_out
        self._places[index * _PLACE : (index + 1) * _PLACE] = lying.partition.to_bytes(
            _PARTITION
        ) + lying.offset.to_bytes(_PLACE - _PARTITION)
        last = self._last.get(lying.partition, -1)
        if index < last:
            why = f"lies behind entry {last}, which came later"
            compared.out_of_order.add(self._finding(why, index, lying))
        self._last[lying.partition] = max(index, last)

    def _finding(self, why: str, index: int, lying: Lying) -> Finding:
        return Finding(why=why, log=self.log, index=index, partition=lying.partition, offset=lying.offset)

    async def compare(self, compared: Compared, progress: Progress | None) -> None:
        """Makes every record again."""
        await self.reaches(max(self.due - 1, self.size))
        archivist, missing = Archivist(self.reader, self.log), _Missing(self.log, compared.missing)
        waiting = 0
        async for first, lines in chunks(self.reader, self.size, progress):
            for index, archived in enumerate(await archivist.archive(first, lines), first):
                if self._left_out[index] != _UNSEEN:
                    self._compare(index, archived.record, compared.different)
                elif index < self.due:
                    missing.add(index)
                else:
                    waiting += 1
        missing.close()
        counted = Counted(size=self.size, due=self.due, archived=self.archived, waiting=waiting)
        compared.logs[self.log] = counted

    def _compare(self, index: int, record: Record, different: Findings) -> None:
        place = index * _WIDTH
        at = self._places[index * _PLACE : (index + 1) * _PLACE]
        lying = Lying(int.from_bytes(at[:_PARTITION]), int.from_bytes(at[_PARTITION:]), None)
        own = _Copy(bytes(self._fingerprints[place : place + _WIDTH]), self._left_out[index], lying)
        for copy in (own, *self._copies.get(index, ())):
            if not _same(copy, record):
                different.add(self._finding("is not what the journal says", index, copy.lying))


def _same(copy: _Copy, record: Record) -> bool:
    if copy.left_out >= len(_PARTS):
        return False
    made = written(without(record, _PARTS[copy.left_out]))
    return sha256(made).digest()[:_WIDTH] == copy.fingerprint


class _Missing:
    """Entries in a row are one finding."""

    def __init__(self, log: str, findings: Findings) -> None:
        self._log, self._findings = log, findings
        self._first = self._next = -1

    def add(self, index: int) -> None:
        if index != self._next:
            self.close()
            self._first = index
        self._next = index + 1

    def close(self) -> None:
        if self._first >= 0:
            count = self._next - self._first
            last = self._next - 1 if count > 1 else None
            finding = Finding(why="is not in the archive", log=self._log, index=self._first, last=last)
            self._findings.add(finding, count)
        self._first = -1


class Comparison:
    """One reading of an archive, against the journals that it is of.

    Args:
        readers: of the journals that are asked about, by their logs.
        due: how many entries of each the archive should have.
        others: logs whose records may be there, too.
    """

    def __init__(
        self, readers: Mapping[str, JournalReader], due: Mapping[str, int], others: Iterable[str] = ()
    ) -> None:
        self._logs = {log: _Log(reader, log, due[log]) for log, reader in readers.items()}
        self._others = frozenset(others)
        self._compared = Compared()

    async def take(self, records: Sequence[Lying]) -> None:
        """The next records, those of one partition in their order.

        Raises:
            StoreError: a journal cannot be read.
        """
        for lying in records:
            self._compared.records += 1
            why = await self._take(lying)
            if why is not None:
                finding = Finding(why=why, partition=lying.partition, offset=lying.offset)
                self._compared.foreign.add(finding)

    async def _take(self, lying: Lying) -> str | None:
        if lying.value is None:
            return "is empty"
        try:
            said = _DECODE(lying.value)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return f"is no record: {error}"
        log = self._logs.get(said.log)
        if log is None:
            if said.log in self._others:
                self._compared.ignored += 1
                return None
            return f"is of the log {said.log!r}"
        if not await log.reaches(said.index):
            return f"is entry {said.index} of {said.log}, which has {log.size}"
        log.take(said, lying, lying.value, self._compared)
        return None

    async def end(self, progress: Progress | None = None) -> Compared:
        """What was found, once everything has been taken.

        Raises:
            StoreError: a journal cannot be read.
            AuditError: an entry cannot be read.
        """
        for log in self._logs.values():
            await log.compare(self._compared, progress)
        return self._compared
