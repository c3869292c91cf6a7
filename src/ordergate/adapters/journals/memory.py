"""The journal in memory: for tests, and for processes that need no memory of themselves."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from ordergate.adapters.journals.rows import codec
from ordergate.adapters.journals.schema import KEYS
from ordergate.application.ports.journal import Batch, Head, Line, Node
from ordergate.domain.errors import StoreError


class MemoryJournal:
    """The journal port over dictionaries."""

    def __init__(self) -> None:
        self._head = Head()
        self._lines: list[Line] = []
        self._indices: dict[str, list[int]] = {}
        self._nodes: dict[int, list[bytes]] = {}
        self._tables: dict[str, dict[tuple[Any, ...], Struct]] = {name: {} for name in KEYS}
        self._payloads: dict[str, bytes] = {}
        self._cursors: dict[str, int] = {}

    async def head(self) -> Head:
        """The end of the log."""
        return self._head

    async def lines(self, first: int, count: int) -> list[Line]:
        """At most `count` lines from `first` on."""
        return self._lines[first : first + count]

    async def indices(self, order_id: str) -> list[int]:
        """Of an order's lines."""
        return list(self._indices.get(order_id, ()))

    async def nodes(self, level: int, first: int, count: int) -> list[bytes]:
        """Hashes of a level."""
        if level == 0:
            return [line.hash for line in self._lines[first : first + count]]
        return self._nodes.get(level, [])[first : first + count]

    async def get(self, table: str, keys: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Rows by primary key."""
        rows = self._tables[table]
        return [rows[key] for key in keys if key in rows]

    async def select(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        *,
        after: tuple[Any, ...] | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Rows by column values, in the order of the primary key."""
        conditions = (where or {}).items()
        found = [
            row
            for key, row in sorted(self._tables[table].items())
            if (after is None or key > after)
            and all(_is(getattr(row, name), want) for name, want in conditions)
        ]
        return found if limit is None else found[:limit]

    async def dump(self, table: str) -> AsyncIterator[bytes]:
        """Rows as they would be stored."""
        for _key, row in sorted(self._tables[table].items()):
            yield repr(tuple(map(_stored, codec(table).encode(row)))).encode()

    async def payload(self, sha256: str) -> bytes | None:
        """What was too large for an entry."""
        return self._payloads.get(sha256)

    async def cursor(self, name: str) -> int:
        """How far an outlet has come."""
        return self._cursors.get(name, 0)

    async def cursors(self) -> dict[str, int]:
        """How far every outlet has come."""
        return dict(self._cursors)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["MemoryJournal"]:
        """Nobody else writes."""
        yield self

    async def lock(self) -> "MemoryJournal":
        """Nothing to wait for: this is the only writer."""
        return self

    async def release(self) -> None:
        """Nothing was held."""

    def watch(self, news: Callable[[], None]) -> None:
        """Nobody else writes."""

    async def commit(self, batch: Batch) -> None:
        """Takes a batch, or refuses it whole."""
        if batch.first != len(self._lines):
            raise StoreError(f"the log has {len(self._lines)} entries, the batch begins at {batch.first}")
        changed = [(self._tables[table], _keyed(table, rows)) for table, rows in batch.rows.items()]
        nodes = self._with_nodes(batch.nodes)
        for index, line in enumerate(batch.lines, batch.first):
            if line.order_id is not None:
                self._indices.setdefault(line.order_id, []).append(index)
        self._lines.extend(batch.lines)
        for table, rows in changed:
            table.update(rows)
        self._nodes |= nodes
        self._payloads = {**batch.payloads, **self._payloads}
        self._head = Head(len(self._lines), batch.checkpoint)

    def _with_nodes(self, nodes: Sequence[Node]) -> dict[int, list[bytes]]:
        levels: dict[int, list[bytes]] = {}
        for node in nodes:
            level = levels.setdefault(node.level, list(self._nodes.get(node.level, ())))
            if node.number != len(level):
                raise StoreError(f"level {node.level} has {len(level)} nodes, the batch brings {node.number}")
            level.append(node.hash)
        return levels

    async def move_cursor(self, name: str, index: int, epoch: int = 0) -> None:
        """Notes how far an outlet has come."""
        self._cursors[name] = index

    async def close(self) -> None:
        """Nothing to let go of."""


def _keyed(table: str, rows: Sequence[Struct]) -> dict[tuple[Any, ...], Struct]:
    return {tuple(getattr(row, name) for name in KEYS[table]): row for row in rows}


def _stored(value: Any) -> Any:
    """As a column gives it back: members of enumerations as their text, booleans as 0 and 1."""
    return int(value) if isinstance(value, bool) else str(value) if isinstance(value, str) else value


def _is(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, tuple) else value == wanted
