"""The nonce ledger: a file of one wallet, without which nothing is signed.

What was signed is here, on disk, before any node gets it; after a restart the same bytes are sent again, and no others.
What was told is here too, and told again behind the cursor that the journal has come to.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from ordergate.adapters.brokers.evm.records import OLD_COPY, Intent, Life
from ordergate.adapters.notebook import NotebookFile
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.reports import (
    Acknowledged,
    AnyReport,
    Confirmed,
    Ended,
    Executed,
    RequestRefused,
)
from ordergate.domain.orders.states import ExecutionKind

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS wallet (
    one INTEGER PRIMARY KEY CHECK (one = 1), chain_id INTEGER NOT NULL, address TEXT NOT NULL,
    forgets INTEGER NOT NULL, doubts INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS intents (
    client_id TEXT PRIMARY KEY, name TEXT NOT NULL, life TEXT NOT NULL, nonce INTEGER, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS intents_by_name ON intents (name);
CREATE INDEX IF NOT EXISTS intents_by_life ON intents (life);
CREATE TABLE IF NOT EXISTS told (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, kind TEXT NOT NULL, at REAL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS told_by_name ON told (name);
CREATE INDEX IF NOT EXISTS executed_by_time ON told (at) WHERE at IS NOT NULL;
"""
_KINDS: Final[Mapping[str, type[AnyReport]]] = {
    kind.__name__: kind for kind in (Acknowledged, Confirmed, Ended, Executed, RequestRefused)
}
_encode: Final = msgspec.json.encode
_log = structlog.get_logger("ordergate.brokers.evm")


class Ledger(NotebookFile):
    """A file; in memory without a path.

    Attributes:
        forgets: it was made anew where there had been another: it cannot tell what was never sent.
        doubts: when a session began, the wallet had more transactions than are known here. They may be of orders that
            were signed with a file that was lost, or that this is an old copy of. For good: nothing tells it any more.
    """

    schema, what, alone, busy_s = _SCHEMA, "ledger", True, 2.0

    def __init__(self, broker: str, path: Path | None) -> None:
        super().__init__(broker, path)
        self.forgets = False
        self.doubts = False
        self._written: set[str] = set()

    def begin(self, chain_id: int, address: str, cursor: str | None) -> None:
        """Opens the file for a session, making it where there is none; its holder has it alone.

        Raises:
            StoreError: it cannot be used, is another process's, or is another wallet's.
        """
        self._written.clear()
        self.open()
        try:
            self._own(chain_id, address.lower())
            self._reach(cursor)
        except sqlite3.Error as error:
            self.close()
            raise self._error(error) from error
        except StoreError:
            self.close()
            raise

    def _own(self, chain_id: int, address: str) -> None:
        row = self._run("SELECT chain_id, address, forgets, doubts FROM wallet").fetchone()
        if row is None:
            self._run("INSERT INTO wallet VALUES (1, ?, ?, 0, 0)", chain_id, address)
            self.forgets, self.doubts = False, False
            return
        if (row[0], row[1]) != (chain_id, address):
            raise StoreError(
                f"the ledger of broker {self._broker} ({self._path}) is of wallet {row[1]} on chain {row[0]}, not of "
                f"{address} on chain {chain_id}: put the right one there, or give the broker another name"
            )
        self.forgets, self.doubts = bool(row[2]), bool(row[3])

    def _reach(self, cursor: str | None) -> None:
        """One that has told less than the journal has seen is not the one that the orders were sent with."""
        place = int(cursor) if cursor is not None and cursor.isdecimal() else 0
        if place <= self.last:
            return
        self._run("UPDATE wallet SET forgets = 1")
        self.forgets = True
        self._hold()
        with suppress(sqlite3.IntegrityError):
            self._run("INSERT INTO told VALUES (?, '', '', NULL, x'')", place)

    @property
    def last(self) -> int:
        """The place of what was told last."""
        (last,) = self._run("SELECT coalesce(max(sequence), 0) FROM told").fetchone()
        return int(last)

    def doubt(self) -> None:
        """From now on this cannot tell what was never sent. Raises StoreError."""
        self._run("UPDATE wallet SET doubts = 1")
        self.doubts = True
        self._hold()

    def _hold(self) -> None:
        """What is to be signed next of the orders that are open here may have been signed since."""
        for intent in self.open_intents():
            intent.held = True
            self.save(intent)
            if not intent.acted:
                _log.warning(
                    "an order is held: nothing more is signed for it until it is canceled",
                    broker=self._broker,
                    order=intent.client_id,
                    why=OLD_COPY,
                )
        self._written.clear()

    def proves(self, client_id: str) -> bool:
        """Whether nothing was signed for an order but what is here: else only if it was written in this session."""
        return not (self.forgets or self.doubts) or client_id in self._written

    def save(self, intent: Intent, *reports: AnyReport) -> tuple[AnyReport, ...]:
        """Keeps an order as it is now, and what is to be told of it, on disk: all of that, or nothing.

        Returns:
            The reports with their places.

        Raises:
            StoreError: it cannot be written.
        """
        nonce = max((step.nonce for step in intent.steps), default=None)
        row = (intent.client_id, intent.name, intent.life.value, nonce, _encode(intent))
        self._run("BEGIN IMMEDIATE")
        try:
            self._run("INSERT OR REPLACE INTO intents VALUES (?, ?, ?, ?, ?)", *row)
            told = tuple(self.tell(intent.name, report) for report in reports)
            self._run("COMMIT")
        except BaseException:
            with suppress(StoreError):  # where it is full, it is back already
                self._run("ROLLBACK")
            raise
        self._written.add(intent.client_id)
        return told

    def find(self, client_id: str) -> Intent | None:
        """An order by the client id that it was submitted with."""
        return self._one("client_id = ?", client_id)

    def order(self, name: str) -> Intent | None:
        """An order by its id: its latest submit."""
        found = self._some("name = ?", name)
        return max(found, key=lambda intent: (len(intent.client_id), intent.client_id), default=None)

    def open_intents(self) -> list[Intent]:
        """All that are queued or open."""
        return self._some("life IN (?, ?)", Life.QUEUED.value, Life.OPEN.value)

    def next_nonce(self) -> int:
        """The first that nothing was signed for."""
        (last,) = self._run("SELECT coalesce(max(nonce), -1) FROM intents").fetchone()
        return int(last) + 1

    def last_used(self) -> int:
        """The highest nonce of orders at their end: under enough blocks, so the chain has used it; -1 without any."""
        ends = (Life.ENDED.value, Life.ABSENT.value)
        (last,) = self._run(
            "SELECT coalesce(max(nonce), -1) FROM intents WHERE life IN (?, ?)", *ends
        ).fetchone()
        return int(last)

    def tell(self, name: str, report: AnyReport) -> AnyReport:
        """Keeps what is to be told of an order, and gives it its place as a cursor. Raises StoreError."""
        at = report.time.timestamp() if isinstance(report, Executed) else None
        row = (name, type(report).__name__, at, _encode(report))
        place = self._run("INSERT INTO told (name, kind, at, body) VALUES (?, ?, ?, ?)", *row).lastrowid
        return replace(report, cursor=str(place))

    def told(self, name: str) -> list[AnyReport]:
        """What was told of an order."""
        return self._read("name = ?", name)

    def after(self, cursor: str | None) -> list[AnyReport]:
        """What was told behind a cursor."""
        place = int(cursor) if cursor is not None and cursor.isdecimal() else 0
        return self._read("sequence > ?", place)

    def executions(self, since: datetime) -> tuple[Executed, ...]:
        """All that were told and were done since then."""
        told = self._read("at >= ?", since.timestamp())
        return tuple(report for report in told if isinstance(report, Executed))

    def counted(self, name: str) -> list[Executed]:
        """The executions of an order that were not taken back."""
        told = [report for report in self.told(name) if isinstance(report, Executed)]
        gone = {report.refers_to for report in told if report.execution_kind is ExecutionKind.BUST}
        return list(
            {
                report.exec_id: report
                for report in told
                if report.exec_id not in gone and report.execution_kind is ExecutionKind.TRADE
            }.values()
        )

    def _read(self, where: str, value: object) -> list[AnyReport]:
        rows = self._run(f"SELECT sequence, kind, body FROM told WHERE {where} ORDER BY sequence", value)
        return [
            replace(msgspec.json.decode(body, type=_KINDS[kind]), cursor=str(sequence))
            for sequence, kind, body in rows
            if kind in _KINDS
        ]

    def _one(self, where: str, *values: object) -> Intent | None:
        return next(iter(self._some(where, *values)), None)

    def _some(self, where: str, *values: object) -> list[Intent]:
        rows = self._run(f"SELECT body FROM intents WHERE {where} ORDER BY nonce, client_id", *values)
        return [msgspec.json.decode(row[0], type=Intent) for row in rows]
