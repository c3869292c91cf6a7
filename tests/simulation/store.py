"""The disk of a gate that is alone: the real SQLite journal on a real file, that fails and lets die as the dice say.

A crash of the process is a connection that is closed with its transaction open. Losing what SQLite has handed
to the operating system, as a loss of power does, is not simulated.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ordergate.adapters.journals.database import open_journal
from ordergate.adapters.journals.sqlite import SqliteJournal
from ordergate.adapters.journals.sqlite_file import connect
from ordergate.application.ports.journal import Batch, Line
from ordergate.domain.errors import DiskError, OutcomeUnknown, StoreError
from tests.simulation.dice import Dice


@cache
def template(folder: Path) -> Path:
    """A database that is set up and empty, made once for a folder."""
    path = folder / "template.db"
    asyncio.run(open_journal(f"sqlite:///{path}").close())
    return path


def lay_out(template: Path, path: Path) -> None:
    """A new database."""
    shutil.copyfile(template, path)


class SimulatedJournal(SqliteJournal):
    """The journal of one process.

    Args:
        grew: is called after every transaction that is on disk.
        crash: ends the process and never returns, unless it has died often enough.
    """

    def __init__(
        self, path: Path, dice: Dice, grew: Callable[[], None], crash: Callable[[str], Awaitable[None]]
    ) -> None:
        super().__init__(connect(path), path)
        self._dice, self._grew, self._crash = dice, grew, crash

    @property
    def connection(self) -> sqlite3.Connection:
        """To close without a word."""
        return self._connection

    async def commit(self, batch: Batch) -> None:
        """Commits, unless the dice are against it."""
        dice = self._dice
        await dice.pause("commit_slow")
        if dice.hits("crash_before_commit"):
            await self._crash("before the commit")
        if dice.hits("crash_in_commit"):
            self._connection.execute("BEGIN IMMEDIATE")
            self._write(batch)
            await self._crash("within the commit")
            self._connection.execute("ROLLBACK")  # it has died often enough, and lives on
        if dice.disk_is_full or dice.hits("commit_fails"):
            raise StoreError("the disk is full (simulated)")
        if dice.hits("commit_lost"):
            raise OutcomeUnknown("the connection broke before the commit (simulated)")
        if dice.hits("disk_breaks"):
            raise DiskError("the disk failed (simulated)")
        await super().commit(batch)
        self._grew()
        if dice.hits("crash_after_commit"):
            await self._crash("after the commit")
        await dice.pause("commit_slow")
        if dice.hits("commit_unknown"):
            raise OutcomeUnknown("the connection broke after the commit (simulated)")

    async def lines(self, first: int, count: int) -> list[Line]:
        """Lines, unless the disk cannot be read."""
        self._read()
        return await super().lines(first, count)

    async def get(self, table: str, keys: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Rows, unless the disk cannot be read."""
        self._read()
        return await super().get(table, keys)

    async def select(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        *,
        after: tuple[Any, ...] | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Rows, unless the disk cannot be read."""
        self._read()
        return await super().select(table, where, after=after, limit=limit)

    async def move_cursor(self, name: str, index: int, epoch: int = 0) -> None:
        """Notes how far an outlet is, unless the disk is full."""
        if self._dice.disk_is_full or self._dice.hits("commit_fails"):
            raise StoreError("the disk is full (simulated)")
        await super().move_cursor(name, index, epoch)

    def _read(self) -> None:
        if self._dice.hits("read_fails"):
            raise StoreError("the disk cannot be read (simulated)")
