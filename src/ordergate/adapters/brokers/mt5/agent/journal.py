"""The command journal: a file of SQLite's, held by one process. What is committed has reached the disk.

A command is claimed before it is given to the terminal, and its id never leaves that: a second claim fails. The end of
a call that could not be written (the disk is full) is kept in memory; until it is written nothing else is claimed.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import threading
from pathlib import Path
from typing import Any, Final

from .port import BROKEN, CLAIMED, OURS, Record

PAGE: Final = 1_000
KEPT: Final = 1_000
"""The last commands are not forgotten for their age: a clock that was set wrong would make them old."""
_PAGE_BYTES: Final = 8 * 1024 * 1024
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS commands (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    request TEXT NOT NULL,
    at REAL NOT NULL,
    state TEXT NOT NULL,
    result TEXT,
    code INTEGER,
    text TEXT
);
"""
_COLUMNS: Final = "id, position, request, at, state, result, code, text"


class JournalFailed(Exception):
    """It cannot be read or written: the disk is full, another process holds it, or it is damaged."""


class Journal:
    """Blocking; any thread may call, one at a time is served.

    Attributes:
        id: made with the file.
        epoch: the highest of the sessions so far.
    """

    def __init__(self, path: Path) -> None:
        """Opens or makes it, and holds it alone. Raises JournalFailed."""
        self._turn, self._unwritten = threading.Lock(), dict[str, Record]()
        try:
            self._file = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise JournalFailed(f"{path}: {error}") from error
        try:
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
                self._file.execute(f"PRAGMA {pragma}")
            self._file.executescript(_SCHEMA)
            self._file.execute(
                "INSERT OR IGNORE INTO facts VALUES ('id', ?), ('epoch', '0')", [secrets.token_hex(16)]
            )
            facts = dict(self._file.execute("SELECT name, value FROM facts"))
        except sqlite3.Error as error:
            self._file.close()
            held = (
                error.sqlite_errorname.startswith("SQLITE_BUSY")
                if hasattr(error, "sqlite_errorname")
                else False
            )
            said = "another process has it: one agent or service can" if held else str(error)
            raise JournalFailed(f"{path}: {said}") from error
        self.id, self.epoch = str(facts["id"]), int(facts["epoch"])

    def find(self, id: str) -> Record | None:
        """A command's record. Raises JournalFailed."""
        with self._turn:
            return self._find(id)

    def claim(self, id: str, request: dict[str, Any], at: float, state: str, why: str = "") -> Record | None:
        """Writes it down: as claimed, or as never given and why. None: the id is not new.

        Raises JournalFailed: it was not written, as far as is known.
        """
        error = (OURS, why) if why else None
        values = [id, json.dumps(request), at, state, *(error or (None, None))]
        with self._turn:
            self._write_ends()
            done = self._execute(
                "INSERT OR IGNORE INTO commands (id, request, at, state, code, text) VALUES (?,?,?,?,?,?)",
                values,
            )
            if done.rowcount != 1 or done.lastrowid is None:
                return None
            return Record(id, done.lastrowid, request, at, state, None, error)

    def end(self, record: Record) -> None:
        """The end of a call. It counts from now on, also where the file does not take it yet."""
        with self._turn:
            self._unwritten[record.id] = record
            try:
                self._write_ends()
            except JournalFailed:
                return

    def after(self, position: int) -> list[Record]:
        """The next ones, at most PAGE, and of at most 8 MB if they are more than one. Raises JournalFailed."""
        with self._turn:
            rows = self._execute(
                f"SELECT {_COLUMNS} FROM commands WHERE position > ? ORDER BY position LIMIT {PAGE}",
                [position],
            ).fetchall()
            size, page = 0, list[Record]()
            for row in rows:
                size += len(row[2]) + len(row[5] or "") + len(row[7] or "")
                if page and size > _PAGE_BYTES:
                    break
                page.append(self._unwritten.get(row[0], _record(row)))
            return page

    def remember_epoch(self, epoch: int) -> None:
        """The highest session. Raises JournalFailed."""
        if epoch == self.epoch:
            return
        with self._turn:
            self._execute("UPDATE facts SET value = ? WHERE name = 'epoch'", [str(epoch)])
            self.epoch = epoch

    def began(self, now: float) -> float:
        """When it was first asked this, which is before anything is given; what was given since then it has had."""
        with contextlib.suppress(JournalFailed), self._turn:
            self._execute("INSERT OR IGNORE INTO facts VALUES ('began', ?)", [repr(now)])
        with self._turn:
            said = self._execute("SELECT value FROM facts WHERE name = 'began'", []).fetchone()
        return now if said is None else float(said[0])

    def drop(self, before: float) -> None:
        """Forgets what is older and known to the end, but the last ones. Raises JournalFailed."""
        with self._turn:
            self._execute(
                "DELETE FROM commands WHERE at < ? AND state NOT IN (?, ?) "
                "AND position <= (SELECT MAX(position) FROM commands) - ?",
                [before, CLAIMED, BROKEN, KEPT],
            )

    def close(self) -> None:
        """Lets go of the file."""
        with self._turn:
            with contextlib.suppress(JournalFailed):
                self._write_ends()
            self._file.close()

    def _find(self, id: str) -> Record | None:
        if id in self._unwritten:
            return self._unwritten[id]
        row = self._execute(f"SELECT {_COLUMNS} FROM commands WHERE id = ?", [id]).fetchone()
        return None if row is None else _record(row)

    def _write_ends(self) -> None:
        for id, record in list(self._unwritten.items()):
            code, text = (None, None) if record.error is None else record.error
            result = None if record.result is None else json.dumps(record.result)
            self._execute(
                "UPDATE commands SET state = ?, result = ?, code = ?, text = ? WHERE id = ?",
                [record.state, result, code, text, id],
            )
            del self._unwritten[id]

    def _execute(self, sql: str, values: list[Any]) -> sqlite3.Cursor:
        try:
            return self._file.execute(sql, values)
        except sqlite3.Error as error:
            raise JournalFailed(f"the journal: {error}") from error


def _record(row: tuple[Any, ...]) -> Record:
    id, position, request, at, state, result, code, text = row
    error = None if code is None else (code, text)
    return Record(
        id, position, json.loads(request), at, state, None if result is None else json.loads(result), error
    )
