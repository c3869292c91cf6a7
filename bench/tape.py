"""Records what is said to SQLite, and says it again with nothing in between: the raw floor.

Whoever opens a connection while `recording` is on gets one that notes every statement with its parameters.
`replay` runs exactly these on a fresh file, in the same transactions. Reads outside of a transaction are left
out: the floor is what must be written.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from msgspec import Struct, field

from bench.stopwatch import Spent, stopwatch


class Said(Struct, frozen=True):
    """One call: `how` is the method, `values` its parameters (rows of them for executemany)."""

    how: str
    sql: str = ""
    values: Any = ()


class Tape(Struct):
    """What one connection was told; `mark` is where the measured stretch begins."""

    said: list[Said] = field(default_factory=list)
    mark: int = 0

    def commits(self) -> int:
        """Transactions behind the mark."""
        return sum(one.sql.strip().upper() == "COMMIT" for one in self.said[self.mark :])

    def rows(self) -> int:
        """Rows written behind the mark."""
        return sum(len(one.values) for one in self.said[self.mark :] if one.how == "executemany")


class Tapes:
    """The tapes of one recording, by the path of the database."""

    def __init__(self) -> None:
        self._tapes: dict[str, list[Tape]] = {}

    def begin(self, database: str) -> Tape:
        """The tape of a new connection."""
        path = unquote(database.removeprefix("file:").partition("?")[0])
        tape = Tape()
        self._tapes.setdefault(path, []).append(tape)
        return tape

    def of(self, path: Path) -> Tape:
        """The tape of the connection to that file which was told most."""
        return max(self._tapes[str(path)], key=lambda tape: len(tape.said))

    def mark(self) -> None:
        """The measured stretch begins now, on all of them."""
        for tapes in self._tapes.values():
            for tape in tapes:
                tape.mark = len(tape.said)


class _Cursor(sqlite3.Cursor):
    """Notes what it is told."""

    def execute(self, sql: str, values: Any = (), /) -> "_Cursor":
        lost = _reads(sql) and not self.connection.in_transaction
        super().execute(sql, values)
        if not lost:
            self.connection.tape.said.append(Said("execute", sql, tuple(values)))  # type: ignore[attr-defined]
        return self

    def executemany(self, sql: str, values: Iterable[Any], /) -> "_Cursor":
        rows = list(values)
        super().executemany(sql, rows)
        self.connection.tape.said.append(Said("executemany", sql, rows))  # type: ignore[attr-defined]
        return self

    def executescript(self, sql: str, /) -> "_Cursor":
        super().executescript(sql)
        self.connection.tape.said.append(Said("executescript", sql))  # type: ignore[attr-defined]
        return self


class _Connection(sqlite3.Connection):
    """Hands everything to a cursor that takes notes."""

    tape: Tape

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(_Cursor)

    def execute(self, sql: str, values: Any = (), /) -> Any:
        return self.cursor().execute(sql, values)

    def executemany(self, sql: str, values: Iterable[Any], /) -> Any:
        return self.cursor().executemany(sql, values)

    def executescript(self, sql: str, /) -> Any:
        return self.cursor().executescript(sql)

    def commit(self) -> None:
        super().commit()
        self.tape.said.append(Said("commit"))

    def rollback(self) -> None:
        super().rollback()
        self.tape.said.append(Said("rollback"))


def _reads(sql: str) -> bool:
    return sql.lstrip()[:6].upper() == "SELECT"


@contextmanager
def recording() -> Iterator[Tapes]:
    """Connections that are opened within are recorded, as long as they live."""
    tapes, connect = Tapes(), sqlite3.connect

    def recorded(database: Any, **options: Any) -> sqlite3.Connection:
        connection: _Connection = connect(database, **{**options, "factory": _Connection})
        connection.tape = tapes.begin(str(database))
        return connection

    sqlite3.connect = recorded  # type: ignore[assignment]
    try:
        yield tapes
    finally:
        sqlite3.connect = connect


def replay(tape: Tape, path: Path) -> Spent:
    """Says all of it to a fresh database at `path`; what comes behind the mark is timed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        _say(connection, tape.said[: tape.mark])
        rest = tape.said[tape.mark :]
        with stopwatch() as spent:
            _say(connection, rest)
    return spent


def _say(connection: sqlite3.Connection, said: Iterable[Said]) -> None:
    execute, executemany = connection.execute, connection.executemany
    for one in said:
        if one.how == "executemany":
            executemany(one.sql, one.values)
        elif one.how == "execute":
            execute(one.sql, one.values).fetchall()
        elif one.how == "executescript":
            connection.executescript(one.sql)
        else:
            getattr(connection, one.how)()
