"""Is the journal what was signed?

Everything is computed anew from the bytes of the entries and compared with what stands beside them, entry by
entry, so that the first bad one is named. What changes bytes, hash and all nodes together shows in the root,
and what changes the root shows in the signature. Whoever holds the key can sign another history; that shows
against a checkpoint that was kept elsewhere.
"""

from datetime import datetime
from hashlib import sha256
from typing import Final

from msgspec import Struct

from ordergate.application.audit.ending import LEVELS, find_end, open_signed
from ordergate.application.audit.reading import Progress, chunks, read_entry
from ordergate.application.entry import Entry, kind_of
from ordergate.application.ports.journal import Head, JournalReader, Line
from ordergate.domain.errors import AuditError, StoreError
from ordergate.domain.orders.events import OrderEvent
from ordergate.domain.times import format_time
from ordergate.protocols.tlog import EMPTY_ROOT, TILE_WIDTH, Checkpoint, TreeBuilder, Verifier, leaf_hash
from ordergate.protocols.tlog.encoding import encode_base64


class Verified(Struct, frozen=True, kw_only=True):
    """What was found to be true.

    Attributes:
        size: number of entries.
        root: root of the tree over them, in base64 as in the checkpoint.
        signed: whether the checkpoint's signature was checked; False without a key, and for an empty log.
    """

    size: int
    root: str
    signed: bool


async def verify(
    reader: JournalReader,
    verifier: Verifier | None,
    *,
    old_checkpoint: str | None = None,
    expected: Head | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Checks a journal from its first byte to its last signature; a writer may go on beside it.

    Args:
        verifier: the log's public key; None checks all but signatures.
        old_checkpoint: a signed checkpoint that was kept elsewhere, and that the log must still contain.
        expected: where the log must end, instead of where it says that it ends.

    Raises:
        AuditError: the first thing that is wrong, with the index of the entry where that can be told.
    """
    end, beyond = await find_end(reader, verifier, expected)
    size, root = (0, EMPTY_ROOT) if end is None else (end.size, end.root)
    old = None if old_checkpoint is None else _open_older(old_checkpoint, verifier, end)
    tree, last = _Tree(reader), None
    async for first, lines in chunks(reader, size, progress):
        await tree.expect(first, len(lines))
        for index, line in enumerate(lines, first):
            entry = check_line(line, index)
            last = _check_times(entry, last)
            await _check_payload(reader, entry)
            tree.grow(line.hash)
            if old is not None and index + 1 == old.size:
                _check_root(tree, old.size, old.root, "the older checkpoint")
    if beyond is not None:
        raise beyond
    if old is not None and old.size > size:
        raise AuditError(f"the log once had {old.size} entries and now has {size}", size)
    _check_root(tree, size, root, "the last checkpoint")
    return Verified(size=size, root=encode_base64(root), signed=verifier is not None and end is not None)


def check_line(line: Line, index: int) -> Entry:
    """The entry of a line that is in itself as it should be.

    Raises:
        AuditError: bytes, hash, index, kind and order do not belong together.
    """
    if not isinstance(line.data, bytes) or line.hash != leaf_hash(line.data):
        raise AuditError(f"entry {index} does not have the hash that is stored beside it", index)
    entry = read_entry(line, index)
    for name, stored, own in (
        ("kind", line.kind, kind_of(entry.event)),
        ("order_id", line.order_id, entry.order_id),
    ):
        if stored != own:
            raise AuditError(f"entry {index} is stored under {name} {stored!r}, it says {own!r}", index)
    return entry


class _Tree:
    """The tree as it must be, grown beside the stored one."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._stored: dict[tuple[int, int], bytes] = {}
        self._builder: Final = TreeBuilder()

    async def expect(self, first: int, count: int) -> None:
        """Fetches the stored nodes that the next `count` entries complete."""
        self._stored = {}
        for level in LEVELS:
            width = TILE_WIDTH**level
            start, stop = first // width, (first + count) // width
            if start == stop:
                break
            try:
                hashes = await self._reader.nodes(level, start, stop - start)
            except StoreError as error:
                raise AuditError(f"nodes of level {level} cannot be read: {error}", start * width) from error
            self._stored |= {(level, number): each for number, each in enumerate(hashes, start)}

    def grow(self, leaf: bytes) -> None:
        """Adds an entry's hash and compares the nodes that it completes."""
        for level, number, digest in self._builder.append(leaf):
            if self._stored.get((level, number)) != digest:
                width = TILE_WIDTH**level
                first, last = number * width, (number + 1) * width - 1
                detail = f"node {number} of level {level} is not that of entries {first} to {last}"
                raise AuditError(detail, first)

    def root(self) -> bytes:
        """Of the entries so far."""
        return self._builder.root()


def _check_times(entry: Entry, last: datetime | None) -> datetime:
    event, index = entry.event, entry.index
    times = (event.times if isinstance(event, OrderEvent) else ()) or (entry.time,)
    if times[0] != entry.time:
        raise AuditError(f"entry {index} has another time than its first transition", index)
    for at in times:
        if at.tzinfo is None:
            raise AuditError(f"entry {index} has a time without offset: {at}", index)
        if last is not None and at <= last:
            detail = f"entry {index} has the time {format_time(at)}, after {format_time(last)} before it"
            raise AuditError(detail, index)
        last = at
    return times[-1]


async def _check_payload(reader: JournalReader, entry: Entry) -> None:
    if entry.raw_sha256 is None:
        return
    payload = await reader.payload(entry.raw_sha256)
    if payload is None:
        raise AuditError(f"the payload {entry.raw_sha256} of entry {entry.index} is missing", entry.index)
    if not isinstance(payload, bytes) or sha256(payload).hexdigest() != entry.raw_sha256:
        raise AuditError(f"the payload of entry {entry.index} is not {entry.raw_sha256}", entry.index)


def _open_older(note: str, verifier: Verifier | None, end: Checkpoint | None) -> Checkpoint:
    old = open_signed(note, verifier, "the older checkpoint")
    if end is not None and old.origin != end.origin:
        raise AuditError(f"the older checkpoint is of log {old.origin!r}, this one is {end.origin!r}")
    return old


def _check_root(tree: _Tree, size: int, root: bytes, name: str) -> None:
    if tree.root() != root:
        raise AuditError(
            f"{name} is over other entries: one of the {size} that it signs is not what stands here"
        )
