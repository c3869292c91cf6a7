"""The runner: takes what waits, steps it, commits it in one transaction, then answers.

Nobody is answered, and nothing is sent, before the entries are on disk. While a batch commits, the next one
gathers. One bad input never spoils a batch; a broken invariant of ours ends the run. Where other nodes write to
the same journal, each batch is a turn: the journal's end is held, what others have written is folded, and only
then is anything stepped.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import structlog

from ordergate.application.clock_check import LARGEST_DIFFERENCE, LARGEST_JUMP, ClockCheck
from ordergate.application.clock_halt import halt_for
from ordergate.application.engine import Command, Engine
from ordergate.application.entry import Entry, Origin
from ordergate.application.following import Following, note_others
from ordergate.application.inbox import Barrier, Given, Inbox, Item, Preview, is_urgent, refuse
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import Batch, Journal
from ordergate.application.prefetch import Loaded
from ordergate.application.stepping import Stepping, Written
from ordergate.application.tail import Tail
from ordergate.domain.errors import ClockError, Code, Conflict, OutcomeUnknown, StoreError
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import Release
from ordergate.domain.orders.reports import AnyReport

INBOX_MOST: Final = 20_000
_RETRY_S: Final = 1.0

Listener = Callable[[Sequence[Entry]], None]
Then = Callable[[], None] | None
_log = structlog.get_logger("ordergate.runner")


class Runner:
    """A writer of one journal, on one event loop.

    Args:
        alone: no other node writes to the journal: then a clock that jumps stops nobody else.

    Attributes:
        commit_took: of the last commit.
        unreachable: why the store cannot be used at present; None while it can.
        outage: why it last could not; stirred: set with every quote and outage, of which no entry tells.
    """

    def __init__(
        self, engine: Engine, journal: Journal, tail: Tail, clock: Clock, *, alone: bool = True
    ) -> None:
        self._engine, self._journal, self._tail, self._clock = engine, journal, tail, clock
        self._stepping = Stepping(engine, clock)
        self._following = Following(engine, tail, self._publish)
        self._inbox = Inbox()
        self._news = False
        self._again: asyncio.TimerHandle | None = None
        self._arrived = asyncio.Event()
        self._listeners: list[Listener] = []
        self._failure: BaseException | None = None
        self._stopping = False
        self._alone, self._has_stepped = alone, False
        self._clock_check = ClockCheck(clock, LARGEST_JUMP if alone else LARGEST_DIFFERENCE)
        self._under_way: list[Item] = []
        self.commit_took = timedelta(0)
        self.unreachable: StoreError | None = None
        self.outage: StoreError | None = None
        self.stirred = asyncio.Event()
        journal.watch(self._others_wrote)

    @property
    def engine(self) -> Engine:
        """What it steps."""
        return self._engine

    @property
    def failure(self) -> BaseException | None:
        """Why the run ended, or is about to; None while all is well."""
        return self._failure

    @property
    def waiting(self) -> int:
        """How many inputs wait."""
        return len(self._inbox)

    @property
    def is_complete(self) -> bool:
        """Whether memory has all that the entries read so far moved; it always has when something is stepped."""
        return self._following.is_complete

    def listen(self, listener: Listener) -> None:
        """Calls `listener` with the entries of every batch, ours and others', once they are committed."""
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        """Calls it no more."""
        self._listeners = [known for known in self._listeners if known != listener]

    async def execute(
        self, command: Command, origin: Origin, raw: str | None = None, then: Then = None
    ) -> Any:
        """Runs a command and returns its answer, once it is committed; see `Item` for `then`.

        Raises:
            Refused: it cannot be done, or too much is waiting.
            StoreError: the store could not take it; nothing happened.
            OutcomeUnknown: the node failed while it was under way.
        """
        self._check_room(command)
        return await self._put(command, origin, raw, then)

    async def preview(self, command: Command, origin: Origin) -> Any:
        """The answer that `execute` would give now; nothing is journalled, sent or changed.

        Raises:
            Refused: it cannot be done, or too much is waiting.
        """
        self._check_room(command)
        return await self._put(Preview(command), origin, None)

    def _check_room(self, command: Command) -> None:
        if self._inbox.normal >= INBOX_MOST and not (is_urgent(command) or isinstance(command, Release)):
            raise Conflict(Code.INBOX_FULL, f"{INBOX_MOST} requests are waiting: try again shortly")

    async def deliver(self, report: AnyReport) -> None:
        """Takes a report and returns once what it changed is committed."""
        await self._put(report, Origin(), None)

    def report(self, report: AnyReport) -> None:
        """Takes a report; never refuses one."""
        self._inbox.put(Item(report, Origin(), None, None))
        self._arrived.set()

    async def settled(self) -> None:
        """Returns once everything that waits now is committed."""
        await self._put(Barrier(), Origin(), None)

    def quote(self, quote: Quote) -> None:
        """Takes a quote: seen by decisions from now on, never journalled."""
        self._engine.take_quote(quote)
        self.stirred.set()

    def _put(self, given: Given, origin: Origin, raw: str | None, then: Then = None) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._failure is not None or self._stopping:
            done.set_exception(StoreError(f"the gate is closed{_because(self._failure)}"))
            return done
        self._inbox.put(Item(given, origin, raw, done, then))
        self._arrived.set()
        return done

    async def run(self) -> None:
        """Runs until `stop`, and what waits by then is done; or until the store or an invariant fails."""
        try:
            while True:
                if self._failure is not None:
                    raise self._failure
                if len(self._inbox):
                    await self._turn()
                elif self._stopping:
                    return
                elif self._news:
                    await self._catch_up()
                else:
                    self._arrived.clear()
                    await self._arrived.wait()
                    await asyncio.sleep(0)  # what else this turn of the loop brings belongs to the same batch
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

    def _others_wrote(self) -> None:
        self._news = True
        self._arrived.set()

    async def _turn(self) -> None:
        """One batch, with the journal's end in hand."""
        items: list[Item] = []
        loaded: Loaded = []
        try:
            reader = await self._journal.lock()
            try:
                if await self._following.is_far(reader):
                    await self._journal.release()
                    await self._following.along(self._journal)
                    reader = await self._journal.lock()
                self._news = False
                await self._following.to_the_end(reader)
                self._under_way = items = self._inbox.take()
                bad = await self._stepping.fetch(items, loaded, reader)
                self.unreachable = None
                await self._write(items, bad, loaded)
            finally:
                await self._journal.release()
        except StoreError as error:
            self._look_again()
            self._engine.state.release(loaded)
            await self._not_written(items or self._inbox.take(), error)

    async def _catch_up(self) -> None:
        """Folds what others have written, while nothing waits to be done."""
        self._news = False
        try:
            await self._following.along(self._journal)
            if self._following.is_complete:
                return
            reader = await self._journal.lock()
            try:
                await self._following.to_the_end(reader)
            finally:
                await self._journal.release()
        except StoreError as error:
            self._look_again()
            self._lost_the_store(error)
            _log.warning("the journal cannot be read", error=str(error))

    def _lost_the_store(self, error: StoreError) -> None:
        self.unreachable = self.outage = error
        self.stirred.set()

    def _look_again(self) -> None:
        """What could not be read now will be there later, and no news may come of it any more."""
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(_RETRY_S, self._look_now)

    def _look_now(self) -> None:
        self._again = None
        self._others_wrote()

    def _publish(self, entries: Sequence[Entry]) -> None:
        """What other nodes have written."""
        note_others(self._engine.view, entries)
        for listener in self._listeners:
            listener(entries)

    async def _write(self, items: Sequence[Item], bad: Mapping[int, Exception], loaded: Loaded) -> None:
        engine, written = self._engine, Written()
        mark, size, last = self._tail.mark(), engine.size, engine.last

        def take_back() -> None:
            engine.state.undo()
            engine.size, engine.last = size, last
            engine.state.release(loaded)
            self._tail.back(mark)

        try:
            self._clock_check.check()
            stepped = self._stepping.step_all(items, bad, written)
        except ClockError as jumped:
            take_back()
            if self._alone and self._has_stepped:  # else nothing has left in this run
                await halt_for(jumped, engine, self._journal, self._tail)
            raise
        self._has_stepped = True
        if written.entries:
            error = await self._commit(self._tail.batch(written.encoded, engine.state))
            if error is not None:
                take_back()
                await self._not_written(items, error)
                return
            engine.state.settle()
        engine.state.release(loaded)
        for one in stepped:
            one.tell()
        if written.entries:
            for listener in self._listeners:
                listener(written.entries)

    async def _commit(self, batch: Batch) -> StoreError | None:
        """None where the batch is in the journal, the error where it provably is not."""
        began = self._clock.now()
        commit = asyncio.ensure_future(self._commit_for_sure(batch))
        error = await asyncio.shield(commit)
        self.commit_took = self._clock.now() - began
        return error

    async def _commit_for_sure(self, batch: Batch) -> StoreError | None:
        try:
            await self._journal.commit(batch)
        except StoreError as error:
            return error
        except OutcomeUnknown as unknown:
            _log.warning("it is not known whether a batch was written", error=str(unknown))
            written = await self._found_out(batch)
            return None if written else StoreError(f"{unknown}; it was not written")
        return None

    async def _found_out(self, batch: Batch) -> bool:
        """Whether a batch is in the journal. Nothing is stepped before that is known, however long it takes."""
        while True:
            try:
                reader = await self._journal.lock()
                try:
                    lines = await reader.lines(batch.first, len(batch.lines))
                finally:
                    await self._journal.release()
            except StoreError as error:
                await self._still_unknown(error)
            else:
                return [line.data for line in lines] == [line.data for line in batch.lines]

    async def _still_unknown(self, error: StoreError) -> None:
        """No caller is kept waiting for a store that is gone: what was under way is unknown, the rest never began.

        Reports wait: they will be written yet, if they have not been.
        """
        self._lost_the_store(error)
        if self._stopping:
            raise OutcomeUnknown(f"the gate stops, and cannot find out what was written: {error}")
        refuse(self._under_way, OutcomeUnknown(f"the store is gone: {error}"))
        self._inbox.put_back(refuse(self._inbox.take_all(), error))
        await self._clock.sleep(_RETRY_S)

    async def _not_written(self, items: Sequence[Item], error: StoreError) -> None:
        """Commands learn that nothing happened, also those refused for what stood beside; reports wait."""
        self._lost_the_store(error)
        _log.error("a batch could not be written", error=str(error), inputs=len(items))
        reports = refuse(items, error)
        self._inbox.put_back(reports)
        if reports and self._stopping:
            raise error  # brokers deliver them again to the next run
        if reports:
            await self._clock.sleep(_RETRY_S)

    def _abandon(self) -> None:
        unknown = OutcomeUnknown(f"the gate stopped{_because(self._failure)}")
        for item in (*self._under_way, *self._inbox.take_all()):
            item.answer(None, unknown)


def _because(failure: BaseException | None) -> str:
    return "" if failure is None else f": {type(failure).__name__}: {failure}"
