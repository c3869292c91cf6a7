"""What was given to the expert advisor, and what was told of it, kept: no file of its own says which order was whose.

An order is written here before its command is; what is told, before it is told. So a ticket, a fill and an end keep
their names for good, whatever the terminal makes of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ordergate.adapters.notebook import NotebookFile
from ordergate.domain.errors import StoreError
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.reports import Ended, Executed

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS orders (name TEXT PRIMARY KEY, over INTEGER NOT NULL, kept TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (ticket TEXT PRIMARY KEY, opened INTEGER NOT NULL, kept TEXT NOT NULL)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, key TEXT NOT NULL UNIQUE, kept TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS last_command (number INTEGER NOT NULL);
"""
_IDS: Final = 2**31 - 1
T = TypeVar("T", bound=Struct)
Told = Executed | Ended


class Step(Struct, kw_only=True):
    """One command of an order.

    Attributes:
        lots: that it opens or closes.
        closes: the ticket of the position that it closes; None where it opens.
        state: planned, given (what became of it is open), done (the terminal has it), or refused.
        ticket: of what it opened.
        told: what it traded was told.
    """

    lots: Decimal
    closes: str | None = None
    state: str = "planned"
    ticket: str | None = None
    told: bool = False


class Known(Struct, kw_only=True):
    """An order that was given to the expert advisor, or is about to be.

    Attributes:
        name: ordergate's, without the request's number.
        symbol, theirs: ours, and the terminal's.
        type: as the expert advisor calls it.
        unit: how much of our quantity one lot is.
        acknowledged: that it is at the terminal was told.
        canceled: a command was given that deletes it.
        over: nothing more can come of it.
    """

    name: str
    client_id: str
    symbol: str
    theirs: str
    side: str
    type: str
    quantity: Decimal
    unit: Decimal
    magic: int
    comment: str
    steps: list[Step]
    acknowledged: bool = False
    canceled: bool = False
    over: bool = False

    @property
    def opening(self) -> Step | None:
        """The step that opens, where there is one."""
        return next((step for step in self.steps if step.closes is None), None)

    @property
    def traded(self) -> Decimal:
        """How much was told, in our quantity."""
        return plain(sum((step.lots for step in self.steps if step.told), ZERO) * self.unit)

    @property
    def broker_order_id(self) -> str | None:
        """The first thing by which the terminal can name it."""
        for step in self.steps:
            if step.state in ("given", "done"):
                return step.ticket if step.closes is None else f"{step.closes}-close"
        return None


class Held(Struct, kw_only=True):
    """A position that an order of ours has opened, or what is left of it.

    Attributes:
        ticket: its present one; a part that is closed leaves the rest under another.
        lots: that are left.
        fee: of the opening, that has been told for what is left, in the account's currency.
    """

    ticket: str
    name: str
    client_id: str
    symbol: str
    theirs: str
    sign: int
    lots: Decimal
    unit: Decimal
    magic: int
    fee: Decimal = ZERO


class Notebook(NotebookFile):
    """A file of one broker; in memory without a path."""

    schema = _SCHEMA

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is kept in here is kept, or nothing of it. Raises StoreError."""
        self._run("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._run("ROLLBACK")
            raise
        self._run("COMMIT")

    def next_command(self, now: datetime) -> int:
        """An id that no command had: the expert advisor does nothing for one that it has seen. Raises StoreError."""
        (last,) = self._run("SELECT coalesce(max(number), 0) FROM last_command").fetchone()
        number = max(int(last) + 1, int(now.timestamp())) % _IDS
        with self.together():
            self._run("DELETE FROM last_command")
            self._run("INSERT INTO last_command VALUES (?)", number)
        return number

    def keep(self, known: Known) -> None:
        """Keeps an order. Raises StoreError."""
        kept = msgspec.json.encode(known).decode()
        self._run("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", known.name, known.over, kept)

    def forget(self, known: Known) -> None:
        """Of an order nothing has left, or all was refused. Raises StoreError."""
        self._run("DELETE FROM orders WHERE name = ?", known.name)

    def find(self, name: str) -> Known | None:
        """An order by ordergate's name. Raises StoreError."""
        return next(self._all("SELECT kept FROM orders WHERE name = ?", Known, name), None)

    def alive(self) -> list[Known]:
        """The orders of which something can still come. Raises StoreError."""
        return list(self._all("SELECT kept FROM orders WHERE NOT over", Known))

    def hold(self, held: Held, opened: int | None = None) -> None:
        """Keeps a position. Raises StoreError.

        Args:
            opened: its place among all; None is behind the others.
        """
        kept = msgspec.json.encode(held).decode()
        place = "(SELECT coalesce(max(opened), 0) + 1 FROM positions)" if opened is None else str(int(opened))
        self._run(f"INSERT OR REPLACE INTO positions VALUES (?, {place}, ?)", held.ticket, kept)

    def release(self, ticket: str) -> int:
        """A position is no more under that ticket; gives its place. Raises StoreError."""
        (opened,) = self._run("SELECT opened FROM positions WHERE ticket = ?", ticket).fetchone()
        self._run("DELETE FROM positions WHERE ticket = ?", ticket)
        return int(opened)

    def held(self) -> list[Held]:
        """The positions that we opened and that are not closed, the oldest first. Raises StoreError."""
        return list(self._all("SELECT kept FROM positions ORDER BY opened, ticket", Held))

    def tell(self, name: str, key: str, report: Told) -> Told | None:
        """Keeps a report, and gives it its place as a cursor; None where that was told before. Raises StoreError."""
        kept = msgspec.json.encode(report).decode()
        row = self._run("INSERT OR IGNORE INTO told (name, key, kept) VALUES (?, ?, ?)", name, key, kept)
        return replace(report, cursor=str(row.lastrowid)) if row.rowcount else None

    def told_of(self, name: str) -> tuple[Told, ...]:
        """What was told of an order. Raises StoreError."""
        return tuple(
            self._told("SELECT sequence, key, kept FROM told WHERE name = ? ORDER BY sequence", name)
        )

    def after(self, cursor: str | None) -> Iterator[Told]:
        """What was told behind a cursor.

        Raises:
            StoreError: that place was never reached: this is not the notebook that the journal was written with.
        """
        place = int(cursor) if cursor is not None and cursor.isdecimal() else 0
        (last,) = self._run("SELECT coalesce(max(sequence), 0) FROM told").fetchone()
        if place > last:
            raise StoreError(
                f"the notebook of broker {self._broker} ({self._path}) has told {last} times, the journal has "
                f"seen {place}: put the notebook back that belongs to it"
            )
        yield from self._told(
            "SELECT sequence, key, kept FROM told WHERE sequence > ? ORDER BY sequence", place
        )

    def _told(self, statement: str, value: object) -> Iterator[Told]:
        for sequence, key, kept in self._run(statement, value).fetchall():
            kind: Any = Ended if key.endswith("-end") else Executed
            report: Told = msgspec.json.decode(kept, type=kind)
            yield replace(report, cursor=str(sequence))

    def _all(self, statement: str, kind: type[T], *values: object) -> Iterator[T]:
        for (kept,) in self._run(statement, *values).fetchall():
            yield msgspec.json.decode(kept, type=kind)
