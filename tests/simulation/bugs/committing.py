"""Of the runner and the journal."""

from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from ordergate.adapters.journals.sqlite import SqliteJournal, _upsert, codec
from ordergate.application import prefetch
from ordergate.application.engine import Engine
from ordergate.application.entry import decode
from ordergate.application.runner import Runner
from ordergate.application.stepping import Stepping
from ordergate.domain import fold
from ordergate.domain.book import Book
from ordergate.domain.errors import OutcomeUnknown, StoreError
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.events import OrderEntered
from tests.simulation.bugs.registry import bug


@bug
def answer_before_commit() -> Iterator[Any]:
    """Callers are answered when the step is done, before it is on disk."""
    step = Stepping.step

    def hasty(self: Any, item: Any, written: Any) -> Any:
        stepped = step(self, item, written)
        stepped.tell()
        return stepped

    with patch.object(Stepping, "step", hasty):
        yield


@bug
def wake_before_commit() -> Iterator[Any]:
    """Dispatchers and outlets hear of entries before these are on disk."""
    commit = Runner._commit

    async def late(self: Any, batch: Any) -> Any:
        heard, self._listeners = self._listeners, []
        entries = [decode(line.data, index) for index, line in enumerate(batch.lines, batch.first)]
        for listener in heard:
            listener(entries)
        try:
            return await commit(self, batch)
        finally:
            self._listeners = _DeafOnce(heard)

    with patch.object(Runner, "_commit", late):
        yield


class _DeafOnce(list[Any]):
    """Listeners that do not hear the same entries a second time."""

    def __iter__(self) -> Iterator[Any]:
        heard, self.deaf = getattr(self, "deaf", True), False
        return iter(()) if heard else super().__iter__()


@bug
def unknown_commit_is_a_failure() -> Iterator[Any]:
    """A commit whose answer was lost is taken for one that did not happen."""

    async def commit(self: Any, batch: Any) -> StoreError | None:
        try:
            await self._journal.commit(batch)
        except (StoreError, OutcomeUnknown) as error:
            return StoreError(str(error))
        return None

    with patch.object(Runner, "_commit_for_sure", commit):
        yield


@bug
def unknown_commit_is_a_success() -> Iterator[Any]:
    """A commit whose answer was lost is taken for one that happened."""

    async def commit(self: Any, batch: Any) -> StoreError | None:
        try:
            await self._journal.commit(batch)
        except StoreError as error:
            return error
        except OutcomeUnknown:
            return None
        return None

    with patch.object(Runner, "_commit_for_sure", commit):
        yield


@bug
def reports_lost_with_the_batch() -> Iterator[Any]:
    """Reports of a batch that could not be written are forgotten."""
    not_written = Runner._not_written

    async def forget(self: Any, items: Sequence[Any], error: StoreError) -> None:
        await not_written(self, [one for one in items if not isinstance(one.given, r.Report)], error)

    with patch.object(Runner, "_not_written", forget):
        yield


@bug
def lots_not_undone() -> Iterator[Any]:
    """When a batch cannot be written, positions go back to what they were and lots do not."""
    undo = Book.undo

    def partly(self: Book, mark: tuple[int, int] = (0, 0)) -> None:
        lots = dict(self.lots.rows)
        undo(self, mark)
        self.lots.rows.update(lots)

    with patch.object(Book, "undo", partly):
        yield


@bug
def only_the_last_write_of_a_row_counts() -> Iterator[Any]:
    """Of a row that a batch writes twice, the store gets what the second write changed."""

    def last(self: Book) -> dict[Any, Any]:
        touched: dict[Any, Any] = {}
        for table, key, old in self._log:
            touched.setdefault(table, {})[key] = old
        return touched

    with patch.object(Book, "_touched", last):
        yield


@bug
def flat_position_begun_anew() -> Iterator[Any]:
    """A position that is flat and forgotten is not read back for the fill that opens it again."""

    async def nothing(*_given: Any) -> None:
        pass

    with patch.object(prefetch, "_positions", nothing):
        yield


@bug
def preview_leaves_traces() -> Iterator[Any]:
    """What a preview stepped is not undone."""

    def preview(self: Any, command: Any, now: Any, origin: Any) -> Any:
        return self.step(command, now, origin).answer

    with patch.object(Engine, "preview", preview):
        yield


@bug
def tables_in_a_second_transaction() -> Iterator[Any]:
    """Entries are committed first, and what they change in the tables after that."""
    write = SqliteJournal._write

    def twice(self: Any, batch: Any) -> None:
        write(self, replace(batch, rows={}))
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN IMMEDIATE")
        for table, rows in batch.rows.items():
            self._connection.executemany(_upsert(table), [codec(table).encode(row) for row in rows])

    with patch.object(SqliteJournal, "_write", twice):
        yield


@bug
def key_not_kept() -> Iterator[Any]:
    """The row of the idempotency key is not written with the order."""

    def entered(state: Book, event: OrderEntered, _index: int, _time: Any) -> None:
        fold._put_new(state, event, event.order)

    with patch.dict(fold._FOLDS, {OrderEntered: entered}):
        yield
