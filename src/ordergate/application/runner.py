"""The runner: takes what waits, steps it, commits it in one transaction, then answers.

Nobody is answered, and nothing is sent, before the entries are on disk. While a batch commits, the next one
gathers. One bad input never spoils a batch; a broken invariant of ours ends the run.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from msgspec import Struct, field

from ordergate.application.engine import Command, Engine, Step
from ordergate.application.entry import Encoded, Entry, Origin
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import Batch, Journal
from ordergate.application.prefetch import Loaded, prefetch
from ordergate.application.tail import Tail
from ordergate.domain.errors import ClockError, Code, Conflict, Defect, OutcomeUnknown, Refused, StoreError
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder, Release
from ordergate.domain.orders.reports import AnyReport, Report

BATCH_MOST: Final = 512
INBOX_MOST: Final = 20_000
LARGEST_JUMP: Final = timedelta(hours=1)
_RETRY_S: Final = 1.0

Listener = Callable[[Sequence[Entry]], None]
_log = structlog.get_logger("ordergate.runner")


class Barrier(Struct, frozen=True):
    """Nothing to do; answered once everything before it is committed."""


Given = Command | AnyReport | Barrier


class _Item(Struct):
    """An input on its way; `done` is None where nobody waits."""

    given: Given
    origin: Origin
    raw: str | None
    done: asyncio.Future[Any] | None


class _Written(Struct):
    """What a batch adds to the journal."""

    entries: list[Entry] = field(default_factory=list)
    encoded: list[Encoded] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """Adds what a step led to."""
        self.entries += step.entries
        self.encoded += step.encoded


class _Stepped(Struct):
    """What one item led to: an answer, or the error that its caller gets."""

    item: _Item
    answer: Any = None
    error: Exception | None = None


_Step = Callable[[_Written], _Stepped]


class Runner:
    """One writer of one journal, on one event loop."""

    def __init__(self, engine: Engine, journal: Journal, tail: Tail, clock: Clock) -> None:
        self._engine, self._journal, self._tail, self._clock = engine, journal, tail, clock
        self._urgent: deque[_Item] = deque()
        self._normal: deque[_Item] = deque()
        self._arrived = asyncio.Event()
        self._listeners: list[Listener] = []
        self._failure: BaseException | None = None
        self._stopping = False
        self._clock_seen: tuple[datetime, float] | None = None
        self._under_way: list[_Item] = []

    @property
    def engine(self) -> Engine:
        """What it steps."""
        return self._engine

    def listen(self, listener: Listener) -> None:
        """Calls `listener` with the entries of every batch, once they are committed."""
        self._listeners.append(listener)

    async def execute(self, command: Command, origin: Origin, raw: str | None = None) -> Any:
        """Runs a command and returns its answer, once it is committed.

        Raises:
            Refused: it cannot be done, or too much is waiting.
            StoreError: the store could not take it; nothing happened.
            OutcomeUnknown: the node failed while it was under way.
        """
        if len(self._normal) >= INBOX_MOST and not isinstance(command, CancelOrder | Release):
            raise Conflict(Code.INBOX_FULL, f"{INBOX_MOST} requests are waiting: try again shortly")
        return await self._put(command, origin, raw)

    async def deliver(self, report: AnyReport) -> None:
        """Takes a report and returns once what it changed is committed."""
        await self._put(report, Origin(), None)

    def report(self, report: AnyReport) -> None:
        """Takes a report; never refuses one."""
        self._urgent.append(_Item(report, Origin(), None, None))
        self._arrived.set()

    async def settled(self) -> None:
        """Returns once everything that waits now is committed."""
        await self._put(Barrier(), Origin(), None)

    def quote(self, quote: Quote) -> None:
        """Takes a quote: seen by decisions from now on, never journalled."""
        self._engine.view.quotes[quote.symbol] = quote

    def _put(self, given: Given, origin: Origin, raw: str | None) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._failure is not None or self._stopping:
            done.set_exception(StoreError(f"the gate is closed{_because(self._failure)}"))
            return done
        urgent = isinstance(given, Report | CancelOrder)
        (self._urgent if urgent else self._normal).append(_Item(given, origin, raw, done))
        self._arrived.set()
        return done

    async def run(self) -> None:
        """Runs until `stop`, and what waits by then is done; or until the store or an invariant fails."""
        try:
            while True:
                self._under_way = items = self._take()
                if self._failure is not None:
                    raise self._failure
                if items:
                    await self._process(items)
                elif self._stopping:
                    return
                else:
                    self._arrived.clear()
                    await self._arrived.wait()
        except BaseException as failure:
            self._failure = failure
            self._abandon()
            raise

    def fail(self, failure: BaseException) -> None:
        """Ends the run with the failure of a part that it depends on."""
        self._failure = self._failure or failure
        self._arrived.set()

    def stop(self) -> None:
        """Takes nothing more; `run` returns when all that waits is done."""
        self._stopping = True
        self._arrived.set()

    def _take(self) -> list[_Item]:
        items: list[_Item] = []
        for queue in (self._urgent, self._normal):
            while queue and len(items) < BATCH_MOST:
                items.append(queue.popleft())
        return items

    async def _process(self, items: list[_Item]) -> None:
        loaded: Loaded = []
        try:
            await self._prefetch(items, loaded)
        except (StoreError, OutcomeUnknown):
            raise
        except Exception:  # one of them names something that no store can look up
            await self._process_apart(items, loaded)
            return
        await self._write([partial(self._step, item) for item in items], loaded)

    async def _prefetch(self, items: list[_Item], loaded: Loaded) -> None:
        inputs = [item.given for item in items if not isinstance(item.given, Barrier)]
        await prefetch(inputs, self._engine.state, self._engine.view, self._journal, loaded)

    async def _process_apart(self, items: list[_Item], loaded: Loaded) -> None:
        """The same batch, with those set aside that nothing can be fetched for."""
        steps: list[_Step] = []
        for item in items:
            try:
                await self._prefetch([item], loaded)
                steps.append(partial(self._step, item))
            except (StoreError, OutcomeUnknown):
                raise
            except Exception as error:
                steps.append(partial(self._unhandled, item, error))
        await self._write(steps, loaded)

    async def _write(self, steps: list[_Step], loaded: Loaded) -> None:
        engine, written = self._engine, _Written()
        mark, size, last = self._tail.mark(), engine.size, engine.last
        stepped = [step(written) for step in steps]
        if written.entries:
            error = await self._commit(self._tail.batch(written.encoded, engine.state))
            if error is not None:
                engine.state.undo()
                engine.size, engine.last = size, last
                engine.state.release(loaded)
                self._tail.back(mark)
                await self._not_written(stepped, error)
                return
            engine.state.settle()
        engine.state.release(loaded)
        for one in stepped:
            _answer(one)
        if written.entries:
            for listener in self._listeners:
                listener(written.entries)

    def _step(self, item: _Item, written: _Written) -> _Stepped:
        if isinstance(item.given, Barrier):
            return _Stepped(item)
        try:
            step = self._engine.step(item.given, self._now(), item.origin, item.raw)
        except (Defect, ClockError):
            raise
        except Exception as error:
            return self._unhandled(item, error, written)
        written.take(step)
        return _Stepped(item, answer=step.answer)

    def _now(self) -> datetime:
        """The clock's time, unless it has jumped against one that cannot.

        Raises:
            ClockError: it has, by more than an hour.
        """
        now, elapsed = self._clock.now(), asyncio.get_running_loop().time()
        if self._clock_seen is not None:
            jump = now - self._clock_seen[0] - timedelta(seconds=elapsed - self._clock_seen[1])
            if abs(jump) > LARGEST_JUMP:
                raise ClockError(f"the clock has jumped by {jump}: set it right and start again")
        self._clock_seen = now, elapsed
        return now

    def _unhandled(self, item: _Item, error: Exception, written: _Written) -> _Stepped:
        """A command's caller gets the error; a report is quarantined, for nobody else will bring it again."""
        if not isinstance(error, Refused):
            _log.error("an input could not be handled", input=type(item.given).__name__, exc_info=error)
        if not isinstance(item.given, Report):
            return _Stepped(item, error=error)
        step = self._engine.quarantine(item.given, self._now(), error)
        written.take(step)
        return _Stepped(item, answer=step.answer)

    async def _commit(self, batch: Batch) -> StoreError | None:
        """None where the batch is in the journal, the error where it provably is not."""
        commit = asyncio.ensure_future(self._commit_for_sure(batch))
        return await asyncio.shield(commit)

    async def _commit_for_sure(self, batch: Batch) -> StoreError | None:
        try:
            await self._journal.commit(batch)
        except StoreError as error:
            return error
        except OutcomeUnknown as unknown:
            written = await self._journal.lines(batch.first, len(batch.lines))
            if [line.data for line in written] == [line.data for line in batch.lines]:
                return None
            if written:
                raise Defect(f"another writer has written entry {batch.first}") from unknown
            return StoreError(str(unknown))
        return None

    async def _not_written(self, stepped: list[_Stepped], error: StoreError) -> None:
        """Commands learn that nothing happened; reports wait for the store."""
        _log.error("a batch could not be written", error=str(error), inputs=len(stepped))
        reports = [one.item for one in stepped if isinstance(one.item.given, Report)]
        self._urgent.extendleft(reversed(reports))
        for one in stepped:
            if not isinstance(one.item.given, Report):
                one.error = one.error or error
                _answer(one)
        if reports and self._stopping:
            raise error  # brokers deliver them again to the next run
        if reports:
            await self._clock.sleep(_RETRY_S)

    def _abandon(self) -> None:
        unknown = OutcomeUnknown(f"the gate stopped{_because(self._failure)}")
        for item in (*self._under_way, *self._urgent, *self._normal):
            _answer(_Stepped(item, error=unknown))
        self._urgent.clear()
        self._normal.clear()


def _because(failure: BaseException | None) -> str:
    return "" if failure is None else f": {type(failure).__name__}: {failure}"


def _answer(one: _Stepped) -> None:
    done = one.item.done
    if done is None or done.done():
        return
    if one.error is not None:
        done.set_exception(one.error)
    else:
        done.set_result(one.answer)
