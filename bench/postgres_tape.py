"""Records what a node writes to PostgreSQL, and writes it again with nothing in between: the raw floor.

Recorded are the statements that write, with their parameters, in their transactions. Reads are left out, but for
the lock of each turn, without which nobody may write.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from msgspec import Struct, field

from bench.stopwatch import Spent, stopwatch
from ordergate.adapters.brokers.paper.postgres.store import PostgresStore
from ordergate.adapters.journals.postgres.journal import PostgresJournal
from ordergate.adapters.journals.postgres.writing import Writing
from ordergate.config import DEFAULT_BROKER

_LOCK = "BEGIN; SELECT 1 FROM head WHERE id = 1 FOR UPDATE"


class Tape(Struct):
    """What was written; `mark` is where the measured stretch begins."""

    said: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    mark: int = 0


class Tapes(Struct):
    """Of the journal and of the venue."""

    journal: Tape = field(default_factory=Tape)
    venue: Tape = field(default_factory=Tape)

    def begin(self) -> None:
        """The measured stretch begins now."""
        for tape in (self.journal, self.venue):
            tape.mark = len(tape.said)


@contextmanager
def recording() -> Iterator[Tapes]:
    """Notes what is written meanwhile."""
    tapes = Tapes()
    statement, ask = Writing.statement, PostgresStore._ask

    def written(self: Writing, batch: Any) -> Any:
        made = statement(self, batch)
        tapes.journal.said.append((made.sql, tuple(made.values)))
        return made

    async def asked(self: PostgresStore, failing: str, sql: str, *values: Any) -> Any:
        answer = await ask(self, failing, sql, *values)
        if sql == self._writing:
            tapes.venue.said.append((sql, values))
        return answer

    with patch.object(Writing, "statement", written), patch.object(PostgresStore, "_ask", asked):
        yield tapes


async def replay_journal(url: str, tape: Tape) -> Spent:
    """Writes a journal again, into a database that is set up and empty; what the stretch behind the mark took."""
    journal = PostgresJournal(url)
    await journal.lock()  # a connection with the settings of a writer
    await journal.release()
    connection = journal._writer.connection
    if connection is None:
        raise RuntimeError("the writer has no connection")

    async def write(said: list[tuple[str, tuple[Any, ...]]]) -> None:
        for sql, values in said:
            await connection.execute(_LOCK)
            await connection.fetchrow(sql, *values)
            await connection.execute("COMMIT")

    try:
        await write(tape.said[: tape.mark])
        with stopwatch() as spent:
            await write(tape.said[tape.mark :])
    finally:
        await journal.close()
    return spent


async def replay_venue(url: str, tape: Tape) -> Spent:
    """Writes a venue's record again, into a schema that it makes; what the stretch behind the mark took."""
    store = PostgresStore(DEFAULT_BROKER, url)
    await store.open()
    connection = store._connection
    try:
        for sql, values in tape.said[: tape.mark]:
            await connection.fetch(sql, *values)
        with stopwatch() as spent:
            for sql, values in tape.said[tape.mark :]:
                await connection.fetch(sql, *values)
    finally:
        store.close()
    return spent
