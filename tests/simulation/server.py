"""A store that several nodes share, with the semantics of PostgreSQL: what happens at the server.

Whoever holds the log's end writes; the others wait in a queue. A connection that breaks ends its turn at once
where the server learns of it; a client that is paused keeps its turn until one of those who wait for it has lost
patience and ends it. What is kept is kept by the real SQLite journal, as one gate has it.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

from ordergate.adapters.journals.sqlite import SqliteJournal, SqliteReader
from ordergate.adapters.journals.sqlite_file import connect
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import Batch
from ordergate.application.ports.leases import SEND_S
from ordergate.domain.errors import OutcomeUnknown, StoreError
from ordergate.testing.shared_store import SharedStore
from tests.simulation.dice import Dice
from tests.simulation.loop import WORLD, Process

PATIENCE_S: Final = 2.0
"""For how long one and the same turn holds a waiter up before he ends it."""


class Turn:
    """A transaction that holds the log's end, or waits for it.

    Attributes:
        ended: why it can write nothing any more; None while it can.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.ended: str | None = None


class Server(SharedStore):
    """The server's side.

    Attributes:
        away: nobody reaches it.
        cut_off: the names of the processes that do not, while others do.
        troubled_at: when it, or the way to it, last did anything that may delay a node.

    Args:
        grew: is called after every transaction that is on disk.
        fail: is told what is wrong, in words.
    """

    def __init__(
        self, path: Path, clock: Clock, dice: Dice, grew: Callable[[], None], fail: Callable[[str], None]
    ) -> None:
        super().__init__(clock, SqliteJournal(connect(path), path))
        self._path = path
        self._snapshots: list[sqlite3.Connection] = []
        self.size = 0
        self.away = False
        self.cut_off: set[str] = set()
        self.troubled_at = 0.0
        self._dice, self._grew, self._fail = dice, grew, fail
        self._holder: Turn | None = None
        self._waiting: deque[tuple[Turn, asyncio.Future[None]]] = deque()
        self._listening: dict[str, tuple[Process, Callable[[], None]]] = {}
        self._claims: dict[str, tuple[str, float]] = {}
        self._places: dict[str, int] = {}

    def trouble(self) -> None:
        """Something may take longer than it should."""
        self.troubled_at = _now()

    def reach(self, process: Process) -> None:
        """Raises StoreError where that process does not reach the server."""
        if self.away or process.name in self.cut_off:
            raise StoreError("the server cannot be reached (simulated)")

    def snapshot(self) -> SqliteReader:
        """The tables as they are now, whatever is written from now on."""
        connection = connect(self._path, read_only=True)
        self._snapshots.append(connection)
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM head").fetchone()
        return SqliteReader(connection, self._path)

    def close(self) -> None:
        """The run is over."""
        at_once(self.kept.close())
        for connection in self._snapshots:
            connection.close()

    # Turns.

    async def queue(self, turn: Turn) -> None:
        """Waits for the log's end.

        Raises:
            StoreError: the connection broke meanwhile.
        """
        if self._holder is None:
            self._holder = turn
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, granted))
        self._look_again(turn, self._holder)
        await granted

    def _look_again(self, turn: Turn, holder: Turn | None) -> None:
        asyncio.get_running_loop().call_later(
            PATIENCE_S, partial(self._lose_patience, turn, holder), context=WORLD
        )

    def _lose_patience(self, turn: Turn, holder: Turn | None) -> None:
        if turn.ended or all(waiting is not turn for waiting, _granted in self._waiting):
            return
        if holder is not None and holder is self._holder and turn.process.runs:
            self.trouble()
            self.end(holder, "a waiter has ended the connection")
        if all(waiting is not turn for waiting, _granted in self._waiting):
            return
        self._look_again(turn, self._holder)

    def end(self, turn: Turn, why: str) -> None:
        """A turn is over, with nothing written by it from now on."""
        turn.ended = turn.ended or why
        for each in [each for each in self._waiting if each[0] is turn]:
            self._waiting.remove(each)
            if not each[1].done():
                each[1].set_exception(StoreError(f"the connection broke: {why} (simulated)"))
        if self._holder is turn:
            self._holder = None
            if self._waiting:
                self._holder, granted = self._waiting.popleft()
                granted.set_result(None)

    def end_all(self, why: str, process: Process | None = None) -> None:
        """The turns of one process, or every turn, also of those who wait."""
        turns = [turn for turn, _granted in self._waiting]
        turns += [self._holder] if self._holder is not None else []
        for turn in turns:  # the holder last: nobody who is about to end is given the log's end
            if process is None or turn.process is process:
                self.end(turn, why)

    def break_waits(self, process: Process) -> None:
        """A process that waits does so in vain; a turn that it has is not ended, for the server sees nothing."""
        for turn in [turn for turn, _granted in self._waiting if turn.process is process]:
            self.end(turn, "the server cannot be reached")

    def commit(self, turn: Turn, batch: Batch, answer: asyncio.Future[None]) -> None:
        """A COMMIT has come, with everything before it."""
        if turn.ended is not None:
            _fail_with(answer, OutcomeUnknown(f"the connection broke: {turn.ended} (simulated)"))
            return
        try:
            at_once(self.kept.commit(batch))
        except Exception as error:
            _fail_with(answer, error)
            return
        finally:
            self.end(turn, "it has committed")
        self.size = batch.first + len(batch.lines)
        self._grew()
        self._tell_others(turn.process)
        if not answer.done():
            answer.set_result(None)

    # News.

    def watch(self, process: Process, news: Callable[[], None]) -> None:
        """Tells a process from now on."""
        self._listening[process.name] = process, news

    def gone(self, process: Process) -> None:
        """A process is no more: what it has begun is rolled back at once."""
        self._listening.pop(process.name, None)
        self.cut_off.discard(process.name)
        self.end_all("the process is no more", process)

    def _tell_others(self, writer: Process) -> None:
        dice, loop = self._dice, asyncio.get_running_loop()
        for process, news in self._listening.values():
            if process is writer or process.name in self.cut_off or dice.hits("news_lost"):
                continue
            loop.call_later(dice.pause_s("news_late"), news, context=process.context)
            if dice.hits("news_twice"):
                loop.call_later(dice.draw("news_twice", 2.0), news, context=process.context)

    # What is looked at.

    def claimed(self, name: str, node: str, until: float) -> None:
        """A lease was given to a node that will go by it until then."""
        holder, ends = self._claims.get(name, (node, 0.0))
        if holder != node and ends + SEND_S > _now():
            self._fail(
                f"{node} has the lease {name}, which {holder} may send under for {ends - _now():.1f} s"
            )
        self._claims[name] = node, until

    def returned(self, name: str, node: str) -> None:
        """A node goes by a lease no more."""
        if self._claims.get(name, (None,))[0] == node:
            del self._claims[name]

    def moved(self, name: str, index: int) -> None:
        """An outlet has come that far."""
        before = self._places.get(name, 0)
        if index < before:
            self._fail(f"the place of the outlet {name} goes back from {before} to {index}")
        self._places[name] = index

    def owner(self, name: str) -> str | None:
        """Who has a lease, as the server knows it."""
        held = self.leases.get(name)
        return None if held is None else held.node


def _now() -> float:
    return asyncio.get_running_loop().time()


def _fail_with(answer: asyncio.Future[None], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise RuntimeError("what a server does, it does at once")
