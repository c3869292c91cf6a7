"""SQLite files: opened so that a commit is durable, and what SQLite says of them in plain words."""

import os
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ordergate.domain.errors import StoreError

_BUSY_MS: Final = 5_000
FULL: Final = "database or disk is full"


def connect(path: Path | None, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that is durable when it commits; None is a database in memory.

    Raises:
        StoreError: it cannot be opened.
    """
    try:
        if path is None:
            return _open(":memory:", read_only=read_only)
        uri = f"file:{quote(os.fsencode(path.absolute()))}?mode={'ro' if read_only else 'rwc'}"
        try:
            return _open(uri, read_only=read_only)
        except sqlite3.Error as error:
            if not read_only or not _wants_to_write(error) or _has_log(path):
                raise
            return _open(f"{uri}&immutable=1", read_only=True)
    except sqlite3.Error as error:
        raise store_error(error, path) from error


def _wants_to_write(error: sqlite3.Error) -> bool:
    # Even a reader makes the index of the write-ahead log, which a read-only folder does not let it.
    return any(said in str(error) for said in ("unable to open", "readonly"))


def _has_log(path: Path) -> bool:
    """Whether a write-ahead log holds what the file does not have yet."""
    return os.path.lexists(f"{path}-wal")


def _open(uri: str, *, read_only: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, *, read_only: bool) -> None:
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("PRAGMA mmap_size=0")
    if read_only:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA fullfsync=1")
    connection.execute("PRAGMA checkpoint_fullfsync=1")
    # A file that cannot be written opens all the same: find out before the first commit does.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("PRAGMA user_version=0")
    connection.execute("ROLLBACK")


def store_error(error: sqlite3.Error, path: Path | None) -> StoreError:
    """What SQLite said, with what would help."""
    text, where = str(error), path or "memory"
    if "readonly" in text:
        return StoreError(f"{where} is read-only: give write permission to the file and its folder")
    if "not a database" in text or "malformed" in text:
        return StoreError(f"{where} is not a SQLite database, or is damaged: {text}")
    if FULL in text:
        return StoreError(f"{where}: the disk is full; nothing was written, free some space")
    if "locked" in text:
        return StoreError(f"{where} is locked by another program: end it and try again")
    if "unable to open" in text:
        return StoreError(f"{where} cannot be opened: is the folder there, and may it be written?")
    return StoreError(f"{where}: {text}")
