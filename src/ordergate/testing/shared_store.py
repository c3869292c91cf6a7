"""A store in memory that several nodes share, as several processes share a database: turns, leases, news."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import Batch, Head, Journal, JournalReader, Line
from ordergate.application.ports.leases import LEASE_S, SEND_S, Held, Lease
from ordergate.domain.errors import StoreError


class SharedStore:
    """What all nodes see.

    Args:
        kept: where everything is kept.

    Attributes:
        down: why nobody reaches it; None while all do.
    """

    def __init__(self, clock: Clock, kept: Journal) -> None:
        self.kept, self.clock = kept, clock
        self.down: str | None = None
        self.leases: dict[str, Held] = {}
        self.renewed: dict[str, float] = {}
        self._turn = asyncio.Lock()
        self._news: dict[str, Callable[[], None]] = {}

    def journal(self, node: str) -> "NodeJournal":
        """The journal, as that node reaches it."""
        return NodeJournal(self, node)

    def node_leases(self, node: str) -> "NodeLeases":
        """The leases, as that node reaches them."""
        return NodeLeases(self, node)

    def check(self) -> None:
        """Raises StoreError while the store is down."""
        if self.down is not None:
            raise StoreError(self.down)

    async def begin_turn(self) -> None:
        """Waits for the journal's end."""
        await self._turn.acquire()

    def end_turn(self) -> None:
        """Lets the next one have it."""
        self._turn.release()

    def tell(self, writer: str) -> None:
        """Tells the other nodes that there is something new."""
        for node, news in self._news.items():
            if node != writer:
                asyncio.get_running_loop().call_soon(news)

    def listen(self, node: str, news: Callable[[], None]) -> None:
        """Tells a node from now on."""
        self._news[node] = news

    def forget(self, node: str) -> None:
        """Tells a node no more."""
        self._news.pop(node, None)


class NodeJournal:
    """One node's way to the journal."""

    def __init__(self, store: SharedStore, node: str) -> None:
        self._store, self._node, self._holds = store, node, False

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[JournalReader]:
        """Reading takes no time here, and yet it may wait in between: others stand still meanwhile."""
        await self.lock()
        try:
            yield self
        finally:
            await self.release()

    async def lock(self) -> JournalReader:
        """Waits for a turn."""
        self._store.check()
        await self._store.begin_turn()
        self._holds = True
        return self

    async def release(self) -> None:
        """Ends the turn."""
        if self._holds:
            self._holds = False
            self._store.end_turn()

    async def commit(self, batch: Batch) -> None:
        """Writes a batch, and ends the turn."""
        if not self._holds:
            await self.lock()
        try:
            self._store.check()
            await self._store.kept.commit(batch)
        finally:
            await self.release()
        self._store.tell(self._node)

    def watch(self, news: Callable[[], None]) -> None:
        """Tells when other nodes have written."""
        self._store.listen(self._node, news)

    async def move_cursor(self, name: str, index: int, epoch: int = 0) -> None:
        """Notes how far an outlet has come, unless it is another's by now."""
        self._store.check()
        held = self._store.leases.get(f"outlet:{name}")
        if epoch and held is not None and held.epoch != epoch:
            raise StoreError(f"the outlet {name} is served by {held.node} in epoch {held.epoch}")
        await self._store.kept.move_cursor(name, index)

    async def head(self) -> Head:
        """The end of the log."""
        self._store.check()
        return await self._store.kept.head()

    async def lines(self, first: int, count: int) -> list[Line]:
        """At most `count` lines from `first` on."""
        self._store.check()
        return await self._store.kept.lines(first, count)

    async def indices(self, order_id: str) -> list[int]:
        """Of an order's lines."""
        self._store.check()
        return await self._store.kept.indices(order_id)

    async def nodes(self, level: int, first: int, count: int) -> list[bytes]:
        """Hashes of a level."""
        self._store.check()
        return await self._store.kept.nodes(level, first, count)

    async def get(self, table: str, keys: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Rows by primary key."""
        self._store.check()
        return await self._store.kept.get(table, keys)

    async def select(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        *,
        after: tuple[Any, ...] | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Rows by column values."""
        self._store.check()
        return await self._store.kept.select(table, where, after=after, limit=limit)

    def dump(self, table: str) -> AsyncIterator[bytes]:
        """Rows as they would be stored."""
        return self._store.kept.dump(table)

    async def payload(self, sha256: str) -> bytes | None:
        """What was too large for an entry."""
        return await self._store.kept.payload(sha256)

    async def cursor(self, name: str) -> int:
        """How far an outlet has come."""
        self._store.check()
        return await self._store.kept.cursor(name)

    async def cursors(self) -> dict[str, int]:
        """How far every outlet has come."""
        self._store.check()
        return await self._store.kept.cursors()

    async def close(self) -> None:
        """Leaves the store, and a turn that is held."""
        self._store.forget(self._node)
        await self.release()


class NodeLeases:
    """One node's way to the leases. The store's clock is the event loop's."""

    def __init__(self, store: SharedStore, node: str) -> None:
        self._store, self._node = store, node

    @property
    def node(self) -> str | None:
        """This node."""
        return self._node

    async def take(self, name: str) -> Lease | None:
        """The lease, where nobody has it."""
        self._store.check()
        held, now = self._store.leases.get(name), asyncio.get_running_loop().time()
        others = held is not None and held.node not in (None, self._node)  # ours where an answer was lost
        if others and now < self._store.renewed[name] + LEASE_S + SEND_S:
            return None
        epoch = held.epoch + 1 if held is not None else 1
        self._put(name, epoch, self._node)
        return Lease(name=name, epoch=epoch, until=now + LEASE_S)

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """Those that are still this node's."""
        self._store.check()
        now = asyncio.get_running_loop().time()
        ours = [lease for lease in leases if self._is_ours(lease)]
        for lease in ours:
            self._put(lease.name, lease.epoch, self._node)
        return [Lease(name=lease.name, epoch=lease.epoch, until=now + LEASE_S) for lease in ours]

    async def give_back(self, leases: Sequence[Lease]) -> None:
        """They are free."""
        self._store.check()
        for lease in leases:
            if self._is_ours(lease):
                self._put(lease.name, lease.epoch, None)

    async def close(self) -> None:
        """Nothing to let go of."""

    async def clock(self) -> datetime | None:
        """Everybody's."""
        self._store.check()
        return self._store.clock.now()

    async def all(self) -> list[Held]:
        """Every lease."""
        self._store.check()
        return [held for _name, held in sorted(self._store.leases.items())]

    def _is_ours(self, lease: Lease) -> bool:
        held = self._store.leases.get(lease.name)
        return held is not None and (held.node, held.epoch) == (self._node, lease.epoch)

    def _put(self, name: str, epoch: int, node: str | None) -> None:
        now = self._store.clock.now()
        self._store.leases[name] = Held(name=name, epoch=epoch, node=node, detail=self._node, renewed_at=now)
        self._store.renewed[name] = asyncio.get_running_loop().time()
