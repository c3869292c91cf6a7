"""Database files: set up, locked, and of the right version."""

import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock, Timeout

from ordergate.adapters.journals.door import in_use
from ordergate.adapters.journals.fresh import lay_out
from ordergate.adapters.journals.location import exists, locate
from ordergate.adapters.journals.schema import check_known, check_version
from ordergate.adapters.journals.sqlite import SqliteJournal, SqliteReader
from ordergate.adapters.journals.sqlite_file import connect, store_error
from ordergate.domain.errors import StoreBusy, StoreError


def version_of(connection: sqlite3.Connection, path: Path | None) -> str | None:
    """The schema version of a database; None for an empty one.

    Raises:
        StoreError: it is a database, but not of ordergate.
    """
    try:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        if not {"alembic_version", "journal"} <= tables:
            raise StoreError(f"{path} is a database of another program: name another file")
        versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    return str(versions[0][0]) if versions else None


class Lock:
    """Admits one process to a database. The file beside it stays; what counts is the system's lock on it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(f"{path}.lock", timeout=0)

    def take(self) -> None:
        """Raises StoreBusy where another process has it, StoreError where the folder cannot be written."""
        if not exists(self._path.parent):
            raise StoreError(f"there is no folder {self._path.parent}: make it, or name another database")
        try:
            self._lock.acquire()
        except Timeout:
            raise StoreBusy(in_use(self._path)) from None
        except OSError as error:
            raise StoreError(f"{self._path} cannot be locked: {error.strerror or error}") from error

    def release(self) -> None:
        """Lets the next process in."""
        self._lock.release()


def busy(path: Path) -> bool:
    """Whether a process has the database now.

    Raises:
        StoreError: the folder cannot be written, so nothing there can be locked.
    """
    lock = Lock(path)
    try:
        lock.take()
    except StoreBusy:
        return True
    lock.release()
    return False


class LockedJournal(SqliteJournal):
    """The one writer of a database file."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None, lock: Lock | None) -> None:
        super().__init__(connection, path)
        self._lock = lock

    async def close(self) -> None:
        """Closes the connection, then lets the next process in."""
        try:
            await super().close()
        finally:
            if self._lock is not None:
                self._lock.release()


def open_journal(url: str) -> LockedJournal:
    """Opens a database for writing; sets up an empty one.

    Raises:
        StoreError, StoreBusy: it cannot be used; nothing was changed.
    """
    path = _file_of(url)
    lock = Lock(path) if path is not None else None
    if lock is not None:
        lock.take()
    try:
        empty = _is_empty(path)
        connection = connect(path)
        try:
            if empty:
                set_up(connection, path)
        except BaseException:
            connection.close()
            raise
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return LockedJournal(connection, path, lock)


def _file_of(url: str) -> Path | None:
    found = locate(url)
    if found.kind == "server":
        raise StoreError(f"{found.shown} is no file: only SQLite can be used here, write sqlite:///PATH")
    return found.path


def _is_empty(path: Path | None) -> bool:
    """Whether the database has yet to be set up. Only reads: a file of another program stays as it is."""
    if path is None or not exists(path):
        return True
    with closing(connect(path, read_only=True)) as connection:
        version = version_of(connection, path)
    if version is not None:
        check_version(version, path)
    return version is None


def set_up(connection: sqlite3.Connection, path: Path | None) -> None:
    """Brings a database to this program's schema.

    Raises:
        StoreError: it cannot be written; what was begun is undone.
    """
    try:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            lay_out(connection)
            return
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    _migrate(connection, path)


def _migrate(connection: sqlite3.Connection, path: Path | None) -> None:
    from sqlalchemy.exc import DBAPIError

    from ordergate.adapters.journals.migrate import upgrade

    try:
        upgrade(connection)
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.Error):
            raise
        raise store_error(error.orig, path) from error


def version_at(path: Path) -> str | None:
    """The version of a file that this program can bring up; only reads.

    Raises:
        StoreError: there is none, or it is another program's or a newer one's.
    """
    if not exists(path):
        raise StoreError(f"there is no database at {path}")
    with closing(connect(path, read_only=True)) as connection:
        return check_known(version_of(connection, path), path)


def bring_up(path: Path) -> str | None:
    """Runs the migrations that a file needs; makes it where there is none.

    Returns:
        Its version before.

    Raises:
        StoreError, StoreBusy: it cannot be used; it is as it was.
    """
    lock = Lock(path)
    lock.take()
    try:
        before = version_at(path) if exists(path) else None
        with closing(connect(path)) as connection:
            set_up(connection, path)
    finally:
        lock.release()
    return before


def open_reader(url: str) -> SqliteReader:
    """Opens a database for reading, beside whoever writes it.

    Raises:
        StoreError: there is none, or it is of another version or program.
    """
    path = _file_of(url)
    if path is None or not exists(path):
        raise StoreError(
            f"there is no database at {path or url}: --db names another, `orders submit` makes one"
        )
    connection = connect(path, read_only=True)
    try:
        check_version(version_of(connection, path), path)
    except BaseException:
        connection.close()
        raise
    return SqliteReader(connection, path)
