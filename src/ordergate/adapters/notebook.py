"""A file in which an adapter keeps what nobody else remembers: it survives whatever ends the process."""

import sqlite3
from pathlib import Path
from typing import ClassVar

from ordergate.domain.errors import StoreError

_DURABLE = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
PRAGMA fullfsync=ON;
"""


class NotebookFile:
    """A file of one broker; in memory without a path.

    Attributes:
        schema: makes the tables where they are missing.
        what: errors call it.
        alone: its holder has it alone until it is closed.
        busy_s: for how long it is waited for while another process has it.
    """

    schema: ClassVar[str]
    what: ClassVar[str] = "notebook"
    alone: ClassVar[bool] = False
    busy_s: ClassVar[float] = 5.0

    def __init__(self, broker: str, path: Path | None) -> None:
        self._broker, self._path = broker, path
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Opens the file, making it where there is none.

        Raises:
            StoreError: it cannot be used, or is another process's.
        """
        if self._connection is not None:
            return
        try:
            if self._path is not None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self._path or ":memory:", isolation_level=None, timeout=self.busy_s
            )
            if self.alone:
                self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.executescript(_DURABLE + self.schema)
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise self._error(error) from error

    def close(self) -> None:
        """Closes the file; what is only in memory stays for the next session."""
        if self._path is not None and self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        if self._connection is None:
            raise StoreError(f"the {self.what} of broker {self._broker} is closed")
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error | OSError) -> StoreError:
        return StoreError(f"the {self.what} of broker {self._broker} ({self._path}) cannot be used: {error}")
