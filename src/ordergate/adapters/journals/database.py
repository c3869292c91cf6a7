"""Databases as the command line names them: found, set up, locked, and of the right version."""

import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ordergate.adapters.journals.schema import REVISIONS
from ordergate.adapters.journals.sqlite import SqliteJournal, SqliteReader, connect, store_error
from ordergate.domain.errors import StoreBusy, StoreError

_PREFIX: Final = "sqlite:///"


def path_of(url: str) -> Path | None:
    """The file of a database URL, behind all links; None for `sqlite://`, a database in memory.

    What stands beside a database is found by its name, the lock too: a file must have one name only.

    Raises:
        StoreError: no URL of a database that is known here, or no name that a file can have.
    """
    if url in ("sqlite://", "sqlite:///:memory:"):
        return None
    if not url.startswith(_PREFIX) or not url.removeprefix(_PREFIX):
        raise StoreError(f"{url!r} is no database URL known here: write sqlite:///PATH")
    written = Path(url.removeprefix(_PREFIX))
    try:
        path = written.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a ring are RuntimeError, a NUL ValueError
        raise _unusable(written, error) from error
    if stat.S_ISDIR(_mode(path)):
        raise StoreError(f"{path} is a folder: name a file in it")
    return path


def exists(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        StoreError: that cannot be told, as in a folder that may not be read.
    """
    return bool(_mode(path))


def _mode(path: Path) -> int:
    """The type and rights of what is there; 0 where nothing is."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> StoreError:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return StoreError(f"{str(path)!r} cannot be used: {reason}; name another database with --db")


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


def check_version(version: str | None, path: Path | None) -> None:
    """Raises StoreError unless the database is of this program's version."""
    if version == REVISIONS[-1]:
        return
    if version in REVISIONS:
        raise StoreError(
            f"{path} is of schema {version}, this program needs {REVISIONS[-1]}: ordergate migrate up"
        )
    if version is None:
        raise StoreError(f"{path} has no schema: its set-up was cut off; run: ordergate migrate up")
    raise StoreError(
        f"{path} is of schema {version}, newer than this program's {REVISIONS[-1]}: update ordergate"
    )


def pending(version: str | None) -> Sequence[str]:
    """The migrations that a database of that version still needs."""
    return REVISIONS if version is None else REVISIONS[REVISIONS.index(version) + 1 :]


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
            raise StoreBusy(
                f"{self._path} is in use by another ordergate process: end that one first"
            ) from None
        except OSError as error:
            raise StoreError(f"{self._path} cannot be locked: {error.strerror or error}") from error

    def release(self) -> None:
        """Lets the next process in."""
        self._lock.release()


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
    path = path_of(url)
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


def open_reader(url: str) -> SqliteReader:
    """Opens a database for reading, beside whoever writes it.

    Raises:
        StoreError: there is none, or it is of another version or program.
    """
    path = path_of(url)
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
