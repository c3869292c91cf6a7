"""The journal port: one gap-free log, and the tables that its entries imply, written together or not at all."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct


class Line(Struct, frozen=True):
    """One entry as stored: `data` is hashed as it stands, the rest is for finding it."""

    data: bytes
    hash: bytes
    kind: str
    order_id: str | None


class Node(Struct, frozen=True):
    """A completed inner node of the Merkle tree: the root over 256 nodes of the level below."""

    level: int
    number: int
    hash: bytes


class Batch(Struct, frozen=True, kw_only=True):
    """What one transaction writes.

    Attributes:
        first: index of the first line; must be the size of the log.
        rows: per table, whole rows to insert or replace.
        checkpoint: the signed note over the log with these lines.
        payloads: what was too large for an entry, by SHA-256 (hex).
    """

    first: int
    lines: Sequence[Line]
    rows: Mapping[str, Sequence[Struct]]
    nodes: Sequence[Node] = ()
    checkpoint: str = ""
    payloads: Mapping[str, bytes] = {}


class Head(Struct, frozen=True):
    """How long the log is, and the last signed checkpoint over it."""

    size: int = 0
    checkpoint: str = ""


class JournalReader(Protocol):
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

    def dump(self, table: str) -> AsyncIterator[bytes]:
        """Every row of a projection as stored, in the order of the primary key: for comparing byte for byte."""
        ...

    async def payload(self, sha256: str) -> bytes | None:
        """What was too large for an entry."""
        ...

    async def cursor(self, name: str) -> int:
        """How far an outlet has come: the index of the next entry to deliver."""
        ...

    async def close(self) -> None:
        """Lets go of the store."""
        ...


class Journal(JournalReader, Protocol):
    """Reading and writing; one writer at a time."""

    async def commit(self, batch: Batch) -> None:
        """Writes a batch, all or nothing, and returns when it would survive a loss of power.

        Raises:
            StoreError: nothing was written.
            OutcomeUnknown: it may have been written; `head` tells.
        """
        ...

    async def move_cursor(self, name: str, index: int) -> None:
        """Notes how far an outlet has come."""
        ...
