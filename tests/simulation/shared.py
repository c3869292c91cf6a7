"""One node's way to the store that several share: its journal and its leases, as the ports have them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from ordergate.application.ports.journal import Batch, Head, Line
from ordergate.application.ports.leases import LEASE_S, Held, Lease
from ordergate.domain.errors import Defect, OutcomeUnknown, StoreError
from ordergate.testing.shared_store import NodeJournal, NodeLeases
from tests.simulation.dice import Dice
from tests.simulation.loop import WORLD, Process
from tests.simulation.server import Server, Turn, at_once

POLL_S: Final = 0.5
_NO_ANSWER_S: Final = 2.0
Crash = Callable[[str], Awaitable[None]]
Stop = Callable[[Process, str], None]


class Reading:
    """What can be read on one connection."""

    def __init__(
        self,
        server: Server,
        process: Process,
        dice: Dice,
        stop: Stop,
        turn: Turn | None = None,
        source: Any = None,
    ) -> None:
        self._server, self._process, self._dice, self._stop, self._on = server, process, dice, stop, turn
        self._source = source or server.kept

    async def _read(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            await self._dice.pause("read_slow")
            await self._maybe_stopped("pause_in_read")
            self._server.reach(self._process)
            if self._on is not None and self._on.ended is not None:
                raise StoreError(f"the turn is over: {self._on.ended} (simulated)")
            if self._dice.hits("read_fails"):
                self._server.trouble()
                raise StoreError("the server cannot read (simulated)")
        except BaseException:
            work.close()
            raise
        return at_once(work)

    async def _maybe_stopped(self, fault: str) -> None:
        if self._dice.hits(fault):
            self._stop(self._process, fault)
            await asyncio.sleep(0)

    async def head(self) -> Head:
        return await self._read(self._source.head())

    async def lines(self, first: int, count: int) -> list[Line]:
        return await self._read(self._source.lines(first, count))

    async def indices(self, order_id: str) -> list[int]:
        return await self._read(self._source.indices(order_id))

    async def nodes(self, level: int, first: int, count: int) -> list[bytes]:
        return await self._read(self._source.nodes(level, first, count))

    async def get(self, table: str, keys: Sequence[tuple[Any, ...]]) -> list[Any]:
        return await self._read(self._source.get(table, keys))

    async def select(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        *,
        after: tuple[Any, ...] | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        return await self._read(self._source.select(table, where, after=after, limit=limit))

    def dump(self, table: str) -> AsyncIterator[bytes]:
        return self._source.dump(table)

    async def payload(self, sha256: str) -> bytes | None:
        return await self._read(self._source.payload(sha256))

    async def cursor(self, name: str) -> int:
        return await self._read(self._source.cursor(name))

    async def close(self) -> None:
        """Nothing is held."""


class SharedJournal(Reading):
    """The journal of one node.

    Args:
        crash: ends the process and never returns, unless it has died often enough.
        stop: lets everything of the process stand still for a while.
    """

    def __init__(
        self,
        server: Server,
        process: Process,
        dice: Dice,
        crash: Crash,
        stop: Stop,
    ) -> None:
        super().__init__(server, process, dice, stop)
        self._crash = crash
        self._seen = 0
        self.turn: Turn | None = None

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Reading]:
        """The journal as it is now, while others go on writing."""
        self._server.reach(self._process)
        source = self._server.snapshot()
        try:
            yield Reading(self._server, self._process, self._dice, self._stop, source=source)
        finally:
            await source.close()

    async def lock(self) -> Reading:
        """Waits for the log's end."""
        if self.turn is not None:
            raise Defect("the log's end is locked twice")
        self._server.reach(self._process)
        turn = Turn(self._process)
        await self._server.queue(turn)
        self.turn = turn
        self._seen = self._server.size
        await self._maybe_stopped("pause_in_turn")
        return Reading(self._server, self._process, self._dice, self._stop, turn)

    async def release(self) -> None:
        """Gives it back, where the server can hear of that."""
        turn, self.turn = self.turn, None
        if turn is not None and self._process.name not in self._server.cut_off:
            self._server.end(turn, "it was released")

    async def commit(self, batch: Batch) -> None:
        """Commits, unless the dice are against it."""
        if self.turn is None:
            await self.lock()
        turn, self.turn = self.turn, None
        if turn is None:
            raise Defect("there is no turn")
        dice, server = self._dice, self._server
        await dice.pause("commit_slow")
        await self._maybe_stopped("pause_in_turn")
        if dice.hits("crash_before_commit"):
            await self._crash("before the commit")
        server.reach(self._process)
        if turn.ended is not None:
            raise StoreError(f"nothing was written: {turn.ended} (simulated)")
        if dice.disk_is_full or dice.hits("commit_fails"):
            server.trouble()
            server.end(turn, "it was rolled back")
            raise StoreError("the server's disk is full (simulated)")
        await self._post(turn, batch)
        self._seen = batch.first + len(batch.lines)

    async def _post(self, turn: Turn, batch: Batch) -> None:
        dice, server, loop = self._dice, self._server, asyncio.get_running_loop()
        if dice.hits("commit_lost"):
            server.trouble()
            if dice.draw("commit_lost", 1.0) < 0.5:
                server.end(turn, "the connection was closed")  # else the server never hears of that
            await asyncio.sleep(dice.draw("commit_lost", 2.0))  # others write meanwhile
            raise OutcomeUnknown("the connection broke before the commit (simulated)")
        answer: asyncio.Future[None] = loop.create_future()
        late = dice.pause_s("commit_late")
        loop.call_later(
            late or dice.pause_s("commit_slow"), server.commit, turn, batch, answer, context=WORLD
        )
        if dice.hits("crash_in_commit"):
            await self._crash("within the commit")
        if late or dice.hits("commit_unknown"):
            server.trouble()
            raise OutcomeUnknown("the connection broke under the commit (simulated)")
        if dice.hits("commit_hangs"):
            server.trouble()
            await asyncio.sleep(dice.draw("commit_hangs", 8.0))
            raise OutcomeUnknown("the commit was not answered (simulated)")
        await answer
        await self._maybe_stopped("pause_in_turn")
        if dice.hits("crash_after_commit"):
            await self._crash("after the commit")
        await dice.pause("commit_slow")

    def watch(self, news: Callable[[], None]) -> None:
        """Listens, and looks by itself in case that it does not hear."""
        self._server.watch(self._process, news)
        self._poll(news)

    def _poll(self, news: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(POLL_S, self._poll, news, context=self._process.context)
        if self._server.size > self._seen and not self._server.away:
            news()

    async def move_cursor(self, name: str, index: int, epoch: int = 0) -> None:
        """Notes how far an outlet is, under the lease with that epoch."""
        self._server.reach(self._process)
        if self._dice.disk_is_full or self._dice.hits("commit_fails"):
            raise StoreError("the server's disk is full (simulated)")
        await NodeJournal(self._server, self._process.name).move_cursor(name, index, epoch)
        self._server.moved(name, index)


class SharedLeases:
    """The leases as one node sees them: by its own clock from before it asked."""

    def __init__(self, server: Server, process: Process, dice: Dice, stop: Stop) -> None:
        self._server, self._process, self._dice, self._stop = server, process, dice, stop
        self._at_server = NodeLeases(server, process.name)

    @property
    def node(self) -> str | None:
        return self._process.name

    async def _ask(self, work: Coroutine[Any, Any, Any], done: Callable[[Any], object]) -> Any:
        """`done` is given what the server did, whether or not the answer comes back."""
        dice, server = self._dice, self._server
        try:
            await self._way()
            server.reach(self._process)
            if dice.hits("lease_fails"):
                server.trouble()
                raise StoreError("the connection broke (simulated)")
        except BaseException:
            work.close()
            raise
        result = at_once(work)
        done(result)
        if dice.hits("pause_in_lease"):
            self._stop(self._process, "pause_in_lease")
            await asyncio.sleep(0)
        await self._way()
        if dice.hits("lease_lost"):
            server.trouble()
            await asyncio.sleep(_NO_ANSWER_S)
            raise StoreError("there was no answer (simulated)")
        return result

    async def _way(self) -> None:
        seconds = self._dice.pause_s("lease_slow")
        if seconds:
            self._server.trouble()
            await asyncio.sleep(seconds)

    async def take(self, name: str) -> Lease | None:
        until = asyncio.get_running_loop().time() + LEASE_S
        lease = await self._ask(
            self._at_server.take(name),
            lambda taken: taken and self._server.claimed(name, self._process.name, until),
        )
        return None if lease is None else replace(lease, until=until)

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        until = asyncio.get_running_loop().time() + LEASE_S

        def renewed(ours: list[Lease]) -> None:
            for lease in ours:
                self._server.claimed(lease.name, self._process.name, until)

        ours = await self._ask(self._at_server.renew(leases), renewed)
        return [replace(lease, until=until) for lease in ours]

    async def give_back(self, leases: Sequence[Lease]) -> None:
        def returned(_none: None) -> None:
            for lease in leases:
                self._server.returned(lease.name, self._process.name)

        await self._ask(self._at_server.give_back(leases), returned)

    async def close(self) -> None:
        """Nothing is held open."""

    async def clock(self) -> datetime | None:
        return await self._ask(self._at_server.clock(), lambda _now: None)

    async def all(self) -> list[Held]:
        return await self._ask(self._at_server.all(), lambda _held: None)
