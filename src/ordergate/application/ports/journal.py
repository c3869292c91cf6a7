"""The journal port: one gap-free log, and the tables that its entries imply, written together or not at all.

Several nodes may share one journal. Each writes in turns: `lock` holds the log's end, and who has it sees
everything that others have written before.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from msgspec import Struct

UNFINISHED: Final = "unfinished copy"
"""Stands in place of a checkpoint while a journal is copied here: there is no journal before the copy is whole."""


class Line(Struct, frozen=True, gc=False):
    """One entry as stored: `data` is hashed as it stands, the rest is for finding it."""

    data: bytes
    hash: bytes
    kind: str
    order_id: str | None


class Node(Struct, frozen=True, gc=False):
    """A completed inner node of the Merkle tree: the root over 256 nodes of the level below."""

    level: int
    number: int
    hash: bytes


class Batch(Struct, frozen=True, gc=False, kw_only=True):
    """What one transaction writes.

    Attributes:
        first: index of the first line; must be the size of the log.
        rows: per table, whole rows to insert or replace.
        before: per table, each of its `rows` as it stands in the store, or None where it may not be there; a
            store may write only what differs. A table that is left out has None for all.
        checkpoint: the signed note over the log with these lines.
        payloads: what was too large for an entry, by SHA-256 (hex).
    """

    first: int
    lines: Sequence[Line]
    rows: Mapping[str, Sequence[Struct]]
    before: Mapping[str, Sequence[Struct | None]] = {}
    nodes: Sequence[Node] = ()
    checkpoint: str = ""
    payloads: Mapping[str, bytes] = {}


class Head(Struct, frozen=True, gc=False):
    """How long the log is, and the last signed checkpoint over it."""

    size: int = 0
    checkpoint: str = ""


class RowReader(Protocol):
    """Reading the tables."""

    async def get(self, table: str, keys: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The rows with those primary keys, as far as they exist."""
        ...

    async def select(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        *,
        after: tuple[Any, ...] | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Rows whose columns equal `where` (a tuple: any of them), in the order of the primary key."""
        ...


class JournalReader(RowReader, Protocol):
    """Reading, beside a writer if there is one."""

    async def head(self) -> Head:
        """The end of the log."""
        ...

    async def lines(self, first: int, count: int) -> list[Line]:
        """At most `count` lines from index `first` on."""
        ...

    async def indices(self, order_id: str) -> list[int]:
        """The indices of an order's lines."""
        ...

    async def nodes(self, level: int, first: int, count: int) -> list[bytes]:
        """Hashes of `count` nodes of a level; level 0 are the lines' own hashes."""
        ...

    def dump(self, table: str) -> AsyncIterator[bytes]:
        """Every row of a projection as stored, in the order of the primary key: for comparing byte for byte."""
        ...

    async def payload(self, sha256: str) -> bytes | None:
        """What was too large for an entry."""
        ...

    async def cursor(self, name: str) -> int:
        """How far an outlet has come: the index of the next entry to deliver."""
        ...

    async def cursors(self) -> dict[str, int]:
        """How far every outlet has come that ever moved."""
        ...

    async def close(self) -> None:
        """Lets go of the store."""
        ...


class Journal(JournalReader, Protocol):
    """Reading and writing; one writer at a time."""

    def snapshot(self) -> AbstractAsyncContextManager[JournalReader]:
        """The journal as it is at one moment, however long it is read, while others go on writing.

        Raises:
            StoreError: the store cannot be reached.
        """
        ...

    async def lock(self) -> JournalReader:
        """Holds the end of the log: until `commit` or `release`, nobody else writes.

        Waits for its turn; whoever holds the end for too long loses it, with what he was about to write.

        Returns:
            What to read with meanwhile; its `head` costs nothing.

        Raises:
            StoreError: the store cannot be reached; nothing is held.
        """
        ...

    async def release(self) -> None:
        """Ends the turn with nothing written; nothing, where there is none."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Writes a batch, all or nothing, and returns when it would survive a loss of power; ends the turn.

        Without `lock` it locks by itself.

        Raises:
            StoreError: nothing was written.
            OutcomeUnknown: it may have been written; `lines` after the next `lock` tells.
        """
        ...

    def watch(self, news: Callable[[], None]) -> None:
        """Calls `news` whenever others may have written, until `close`. Where nobody else writes, never."""
        ...

    async def move_cursor(self, name: str, index: int, epoch: int = 0) -> None:
        """Notes how far an outlet has come.

        Args:
            epoch: of the lease that the outlet is served under.

        Raises:
            StoreError: a later epoch has moved it, or the store cannot be written.
        """
        ...
