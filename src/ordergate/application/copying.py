"""Carrying a journal over to another store, and proving that it has arrived.

Entries and rows go in pieces. Until everything has been compared, a mark stands in place of the last checkpoint,
so that a part is never taken for the whole; whoever copies again goes on behind the last piece.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from ordergate.application.audit.reading import Progress
from ordergate.application.audit.replay import compare
from ordergate.application.audit.verify import Verified, verify
from ordergate.application.entry import decode
from ordergate.application.nodes import load_tree
from ordergate.application.ports.journal import (
    UNFINISHED,
    Batch,
    Head,
    Journal,
    JournalReader,
    Line,
    Node,
    RowReader,
)
from ordergate.application.recovery import check_head
from ordergate.domain.book import Book, Table
from ordergate.domain.errors import AuditError, StoreError
from ordergate.protocols.tlog import TreeBuilder, Verifier, leaf_hash

AT_ONCE: Final = 1_000
_NAMED: Final = b'"raw_sha256":'
"""In every entry whose payload stands beside the journal."""


class Copy:
    """A copy under way, from a journal that nobody writes to one that nobody else opens.

    Args:
        source: as it is at one moment.
        head: its end.
    """

    def __init__(self, source: JournalReader, head: Head, target: Journal) -> None:
        self._source, self._head, self._target = source, head, target
        self._tree = TreeBuilder()

    async def begin(self) -> int:
        """Marks an empty target, or finds where an earlier copy was cut off.

        Returns:
            How many entries are there already.

        Raises:
            StoreError: the target holds another journal, or a part of one.
            AuditError: the source's last checkpoint is not over its entries.
        """
        check_head(self._head, (await load_tree(self._source, self._head.size)).root())
        there = await self._target.head()
        if there == Head():
            await self._write(0)
        elif there.checkpoint != UNFINISHED:
            raise StoreError(
                f"the target holds a journal of {there.size} entries already: name an empty or a new database"
            )
        self._tree = await load_tree(self._target, there.size)
        if there.size > self._head.size or self._tree.root() != await self._root_at(there.size):
            raise StoreError("the target holds a part of another journal's copy: name an empty database")
        return there.size

    async def _root_at(self, size: int) -> bytes:
        return (await load_tree(self._source, size)).root()

    async def entries(self, progress: Progress) -> None:
        """Carries over the entries that are missing, each with its payload; proves each against its hash.

        Raises:
            AuditError: one is missing, or is not as it was hashed.
            StoreError: a store has failed; what was carried over stays.
        """
        size = self._head.size
        for first in range(self._tree.size, size, AT_ONCE):
            lines = await self._source.lines(first, min(AT_ONCE, size - first))
            if len(lines) != min(AT_ONCE, size - first):
                raise AuditError(f"entry {first + len(lines)} is missing", first + len(lines))
            nodes = [node for index, line in enumerate(lines, first) for node in self._grow(index, line)]
            payloads = {name: body async for name, body in self._payloads(first, lines)}
            await self._write(first, lines=lines, nodes=nodes, payloads=payloads)
            progress(first + len(lines), size)

    def _grow(self, index: int, line: Line) -> list[Node]:
        if not isinstance(line.data, bytes) or leaf_hash(line.data) != line.hash:
            raise AuditError(f"entry {index} does not have the hash that is stored beside it", index)
        return [Node(*node) for node in self._tree.append(line.hash)]

    async def _payloads(self, first: int, lines: Sequence[Line]) -> AsyncIterator[tuple[str, bytes]]:
        for index, line in enumerate(lines, first):
            name = decode(line.data, index).raw_sha256 if _NAMED in line.data else None
            if name is None:
                continue
            body = await self._source.payload(name)
            if body is None:
                raise AuditError(f"the payload {name} of entry {index} is missing", index)
            yield name, body

    async def rows(self, progress: Progress) -> None:
        """Carries over the rows of all tables, and how far outlets have come.

        Raises:
            StoreError: a store has failed.
        """
        done = 0
        for table in Book().tables:
            async for rows in _pages(self._source, table):
                await self._write(self._head.size, rows={table.name: rows})
                done += len(rows)
                progress(done, done)  # nobody has counted them
        for name, index in (await self._source.cursors()).items():
            await self._target.move_cursor(name, index)

    async def _write(self, first: int, **what: Any) -> None:
        what.setdefault("lines", ())
        what.setdefault("rows", {})
        await self._target.commit(Batch(first=first, checkpoint=UNFINISHED, **what))

    async def compare(self, progress: Progress) -> None:
        """Compares every leaf hash, the root, every row byte for byte, and the cursors.

        Raises:
            AuditError: the first thing that differs.
        """
        await self._compare_leaves(progress)
        for table in Book().tables:
            for found in await compare(self._source, self._target, table.name):
                raise AuditError(f"row {found.number} of {table.name} is not the same in the copy")
        if await self._source.cursors() != await self._target.cursors():
            raise AuditError("the cursors of outlets are not the same in the copy")

    async def _compare_leaves(self, progress: Progress) -> None:
        tree, size = TreeBuilder(), self._head.size
        for first in range(0, size, AT_ONCE):
            count = min(AT_ONCE, size - first)
            leaves = await self._source.nodes(0, first, count)
            if leaves != await self._target.nodes(0, first, count):
                raise AuditError(
                    f"one of the entries {first} to {first + count - 1} differs in the copy", first
                )
            for leaf in leaves:
                tree.append(leaf)
            progress(first + count, size)
        check_head(self._head, tree.root())

    async def verify(self, verifier: Verifier, progress: Progress) -> Verified:
        """Checks the copy as any journal is checked, from the bytes of its entries to the signature.

        Raises:
            AuditError: the first thing that is wrong.
        """
        return await verify(self._target, verifier, expected=self._head, progress=progress)

    async def finish(self) -> None:
        """Puts the last checkpoint into its place: from now on it is a journal.

        Raises:
            StoreError: the store has failed.
        """
        done = Batch(first=self._head.size, lines=(), rows={}, checkpoint=self._head.checkpoint)
        await self._target.commit(done)


async def _pages(reader: RowReader, table: Table[Any]) -> AsyncIterator[list[Any]]:
    after: tuple[Any, ...] | None = None
    while rows := await reader.select(table.name, after=after, limit=AT_ONCE):
        yield rows
        key = table.key(rows[-1])
        after = key if isinstance(key, tuple) else (key,)
