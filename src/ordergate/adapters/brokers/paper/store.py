"""The venue's file: SQLite on a connection of its own, one transaction a batch, one process at a time.

Without a path the database is in memory and lives as long as the object, also over `close` and `open`.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Final

import filelock

from ordergate.adapters.brokers.paper.orders import VenueOrder
from ordergate.adapters.brokers.paper.records import Record, decode
from ordergate.adapters.brokers.paper.rows import (
    ORDER_COLUMNS,
    Batch,
    Contract,
    Execution,
    QuoteRow,
    Request,
    Sent,
    contract_row,
    execution_row,
    order_row,
    quote_row,
    read_contract,
    read_execution,
    read_order,
    read_quote,
    read_request,
    report_row,
    request_row,
    sent_row,
)
from ordergate.adapters.brokers.paper.schema import APPLICATION_ID, TABLES, UPGRADES, VERSION
from ordergate.adapters.brokers.paper.stores import History, Reads
from ordergate.domain.errors import StoreBusy, StoreError

_PUT_ORDER: Final = f"INSERT OR REPLACE INTO orders ({ORDER_COLUMNS}) VALUES ({', '.join('?' * 19)})"
_PUT_REQUEST: Final = "INSERT INTO requests VALUES (?, ?, ?, ?, ?)"
_PUT_EXECUTION: Final = f"INSERT INTO executions VALUES ({', '.join('?' * 14)})"
_PUT_REPORT: Final = "INSERT INTO reports VALUES (?, ?, ?, ?)"
_PUT_QUOTE: Final = f"INSERT OR REPLACE INTO quotes VALUES ({', '.join('?' * 9)})"
_PUT_SENT: Final = "INSERT OR REPLACE INTO sent VALUES (?, ?, ?)"
_PUT_CONTRACT: Final = "INSERT OR REPLACE INTO contracts VALUES (?, ?, ?)"
_CHUNK: Final = 500


class Store:
    """Reads and writes the file of one venue.

    Attributes:
        inline: every call is done when it returns.
    """

    inline: Final = True

    def __init__(self, name: str, path: Path | None) -> None:
        self._name, self._path = name, path
        self._lock = None if path is None else filelock.FileLock(f"{path}.lock", timeout=0)
        self._image: bytes | None = None
        self._connection: sqlite3.Connection | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may be asked."""
        return self._connection is not None

    def open(self) -> None:
        """Opens the file, making it where there is none.

        Raises:
            StoreBusy: another process, or another venue object, has it open.
            StoreError: it cannot be used, or is not this venue's.
        """
        self._acquire()
        try:
            self._connection = self._connect()
            self._check()
        except sqlite3.Error as error:
            self.close()
            raise StoreError(f"the paper venue's file {self._path} cannot be used: {error}") from error
        except StoreError:
            self.close()
            raise

    def resume(self) -> None:
        """As `open`: while a session is broken off, whoever locks the file has it."""
        self.open()

    def close(self) -> None:
        """Closes the file; everything committed stays."""
        if self._connection is not None:
            if self._path is None:
                self._image = self._connection.serialize()
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.release()

    def write(self, batch: Batch) -> None:
        """All of a batch or nothing of it.

        Raises:
            StoreError: it was not written, or nobody can say; the venue must be opened again.
        """
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(_PUT_REQUEST, map(request_row, batch.requests.values()))
            db.executemany(_PUT_ORDER, map(order_row, batch.orders.values()))
            db.executemany(_PUT_EXECUTION, map(execution_row, batch.executions))
            db.executemany(_PUT_REPORT, map(report_row, batch.reports))
            db.executemany(_PUT_QUOTE, map(quote_row, batch.quotes.values()))
            db.executemany(_PUT_CONTRACT, map(contract_row, batch.contracts.values()))
            db.executemany(_PUT_SENT, map(sent_row, batch.sent.items()))
            db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise StoreError(f"the paper venue cannot write {self._path or 'its memory'}: {error}") from error

    async def fetch(self, reads: Sequence[Reads]) -> None:
        """Nothing: a file has everything at hand."""

    def request(self, client_id: str) -> Request | None:
        """The request of that client id."""
        row = self._db.execute("SELECT * FROM requests WHERE client_id = ?", (client_id,)).fetchone()
        return None if row is None else read_request(row)

    def order(self, number: int) -> VenueOrder | None:
        """An order, also one that has ended."""
        sql = f"SELECT {ORDER_COLUMNS} FROM orders WHERE number = ?"
        row = self._db.execute(sql, (number,)).fetchone()
        return None if row is None else read_order(row)

    def working(self) -> list[VenueOrder]:
        """The orders that work, the oldest first."""
        sql = f"SELECT {ORDER_COLUMNS} FROM orders WHERE status = 'working' ORDER BY number"
        return [read_order(row) for row in self._db.execute(sql)]

    def pinned(self) -> list[QuoteRow]:
        """The quotes that were set by hand and not followed by another."""
        return [
            read_quote(row) for row in self._db.execute("SELECT * FROM quotes WHERE pinned ORDER BY symbol")
        ]

    def contracts(self) -> list[Contract]:
        """What is open of perpetual contracts, or was."""
        return [read_contract(row) for row in self._db.execute("SELECT * FROM contracts ORDER BY symbol")]

    def sent(self) -> dict[Sent, Decimal]:
        """What transfers have taken elsewhere."""
        rows = self._db.execute("SELECT target, token, amount FROM sent")
        return {(target, token): Decimal(amount) for target, token, amount in rows}

    def reports_after(self, sequence: int) -> list[Record]:
        """The next reports, not all at once."""
        sql = "SELECT sequence, kind, body FROM reports WHERE sequence > ? ORDER BY sequence LIMIT ?"
        return list(self._records(sql, (sequence, _CHUNK)))

    def executions_after(self, key: tuple[int, int]) -> list[Execution]:
        """The next executions, not all at once."""
        sql = (
            "SELECT e.*, o.client_id FROM executions e JOIN orders o ON o.number = e.order_number"
            " WHERE (e.order_number, e.number) > (?, ?) ORDER BY e.order_number, e.number LIMIT ?"
        )
        return [read_execution(row) for row in self._db.execute(sql, (*key, _CHUNK))]

    def history(self, client_id: str) -> History | None:
        """What is kept of the request of that client id; None where none ever arrived."""
        request = self.request(client_id)
        if request is None or request.order_number is None:
            return None if request is None else History(request, None, [])
        sql = "SELECT sequence, kind, body FROM reports WHERE order_number = ? ORDER BY sequence"
        reports = [record.report for record in self._records(sql, (request.order_number,))]
        return History(request, self.order(request.order_number), reports)

    def last(self) -> tuple[int, int]:
        """The greatest order number and report sequence so far."""
        sql = "SELECT (SELECT ifnull(max(number), 0) FROM orders), (SELECT ifnull(max(sequence), 0) FROM reports)"
        number, sequence = self._db.execute(sql).fetchone()
        return number, sequence

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError("the paper venue's file is closed")
        return self._connection

    def _records(self, sql: str, values: tuple[int, ...]) -> Iterator[Record]:
        for sequence, kind, body in self._db.execute(sql, values):
            yield Record(sequence, decode(kind, body))

    def _acquire(self) -> None:
        if self._lock is None or self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout:
            raise StoreBusy(
                f"the paper venue's file {self._path} is open already: one process has it"
            ) from None
        except OSError as error:
            raise StoreError(f"the paper venue's file {self._path} cannot be locked: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path or ":memory:", isolation_level=None)
        if self._image is not None:
            connection.deserialize(self._image)
            self._image = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _check(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (marked,) = self._db.execute("PRAGMA application_id").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables and not version:
            self._create()
            return
        if marked != APPLICATION_ID or version not in (*UPGRADES, VERSION):
            raise StoreError(
                f"{self._path} is no paper venue's file of version {VERSION} (it says {version})"
            )
        (owner,) = self._db.execute("SELECT value FROM meta WHERE key = 'name'").fetchone()
        if owner != self._name:
            raise StoreError(f"{self._path} is the file of paper venue {owner!r}, not of {self._name!r}")
        for earlier in range(version, VERSION):
            steps = f"{UPGRADES[earlier]} PRAGMA user_version = {earlier + 1};"
            self._db.executescript(f"BEGIN IMMEDIATE; {steps} COMMIT;")

    def _create(self) -> None:
        marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
        name = self._name.replace("'", "''")
        named = f"INSERT INTO meta VALUES ('name', '{name}');"
        # executescript commits what it finds open, so it opens its own transaction: all of it or nothing.
        self._db.executescript(f"BEGIN IMMEDIATE; {TABLES} {named} {marks} COMMIT;")
