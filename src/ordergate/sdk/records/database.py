"""The database of the records: which it is, opening it, its tables and transactions.

It is the database that `start_engine` or else the variable `ORDERGATE_RECORDS` names, otherwise one in memory that
the whole process shares; opened, and its missing tables made, when it is first needed.
"""

import atexit
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from ordergate.adapters.journals.location import locate
from ordergate.domain.errors import StoreError
from ordergate.sdk.records.base import Base
from ordergate.sdk.records.server import server_engine
from ordergate.sdk.records.shape import check_shape

RECORDS_VARIABLE: Final = "ORDERGATE_RECORDS"
MEMORY: Final = "sqlite://"
_WAIT_S: Final = 30.0
_SET_UP: Final = 0x6F67726563  # "ogrec": PostgreSQL's advisory lock of whoever makes the tables
_JSON: Final = partial(json.dumps, allow_nan=False)
_READS: Final = "ordergate_reads"

_lock = threading.RLock()
_current: sa.Engine | None = None
_left_to_the_parent: Final[list[sa.Engine]] = []


def start_engine(url: str | None = None) -> sa.Engine:
    """Opens a database, makes what tables it lacks, and takes it as the process's; one open before is closed.

    Args:
        url: `sqlite:///PATH`, `sqlite://` (in memory) or `postgresql://USER@HOST/DATABASE`; None as the module says.

    Raises:
        StoreError: it cannot be used; the one open before stays.
    """
    global _current
    made = _engine_at(url or os.environ.get(RECORDS_VARIABLE) or MEMORY)
    try:
        create_schemas(made)
    except BaseException:
        made.dispose()
        raise
    with _lock:
        former, _current = _current, made
    if former is not None:
        former.dispose()
    return made


def engine() -> sa.Engine:
    """The process's engine; opened now where it is not open. Raises StoreError as `start_engine`."""
    with _lock:
        return _current or start_engine()


def close_engine() -> None:
    """Closes the process's engine, if it is open; the next use opens it again. What was in memory is gone."""
    global _current
    with _lock:
        former, _current = _current, None
    if former is not None:
        former.dispose()


def create_schemas(bound: sa.Engine | None = None) -> None:
    """Makes the tables that a database lacks, also those declared since it was opened; others stay as they are.

    Args:
        bound: None takes the process's.

    Raises:
        StoreError: it cannot be reached or written, or a table that is there has another shape.
    """
    made = bound or engine()
    try:
        with made.begin() as connection:
            if made.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SET_UP})
            check_shape(connection, Base.metadata)
            Base.metadata.create_all(connection)
    except SQLAlchemyError as error:
        shown = made.url.set(drivername=made.dialect.name).render_as_string()
        raise StoreError(f"the records at {shown} cannot be set up: {_cause(error)}") from None


@contextmanager
def writing() -> Iterator[Session]:
    """One transaction that may write: committed at the end of the block, undone by an exception in it.

    One that waits for another's lasts at most 30 s on SQLite. Blocks must not be nested: one in memory has one
    connection.

    Raises:
        StoreError: the database cannot be used, or another's transaction takes longer.
        ValueError: what was to be written is nothing that the database keeps.
        sqlalchemy.exc.IntegrityError: it contradicts what is there.
    """
    with _told(), Session(engine(), expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def reading() -> Iterator[Session]:
    """One transaction that only reads, and keeps nobody from writing. Raises as `writing`."""
    bound = engine().execution_options(**{_READS: True})
    with _told(), Session(bound, expire_on_commit=False) as session:
        yield session


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise ValueError(f"the database does not take what was to be written: {error.orig}") from error
    except (DBAPIError, PoolTimeout) as error:
        if isinstance(error, IntegrityError | ProgrammingError) and error.statement is not None:
            raise  # of a statement; of none it is about being let in
        # from None: what it went through has the password at hand
        raise StoreError(f"the records cannot be used: {_cause(error)}") from None
    except ConnectionError as error:  # as the driver lets it through
        raise StoreError(f"the records cannot be used: {error}") from None
    except StatementError as error:
        if isinstance(error.orig, ValueError | TypeError):
            raise error.orig from None
        raise


def _engine_at(url: str) -> sa.Engine:
    found = locate(url)
    if found.kind == "server":
        return server_engine(url, json_serializer=_JSON)
    if found.kind == "memory":
        # One connection, which is the database; threads take turns at it.
        pool: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
        made = sa.create_engine(
            MEMORY, connect_args={"check_same_thread": False}, json_serializer=_JSON, **pool
        )
    else:
        path = sa.URL.create("sqlite", database=str(found.path))
        made = sa.create_engine(
            path, connect_args={"timeout": _WAIT_S}, json_serializer=_JSON, poolclass=QueuePool
        )
    sa.event.listen(made, "connect", _prepare)
    sa.event.listen(made, "begin", _begin)
    return made


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    # SQLite's own knows ASCII alone.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(text: str | None) -> str | None:
    return None if text is None else str(text).lower()


def _begin(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get(_READS)
    # Who writes says so at once: a reader that became a writer would fail where another wrote meanwhile.
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _cause(error: SQLAlchemyError) -> object:
    return getattr(error, "orig", None) or error


def _forget_in_child() -> None:
    global _lock, _current
    _lock = threading.RLock()
    if _current is not None:
        _left_to_the_parent.append(_current)
        _current = None


atexit.register(close_engine)
if hasattr(os, "register_at_fork"):
    # A connection must not be used from two processes.
    os.register_at_fork(after_in_child=_forget_in_child)
