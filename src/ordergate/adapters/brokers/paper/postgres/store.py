"""The venue's schema as its session uses it: on one connection of its own, one statement at a time.

Opening it raises the epoch in `meta`, and every write is of the epoch it was opened with or does nothing: a
session that was paused while another node opened the venue can wake, but not trade.
"""

import asyncio
import os
from collections.abc import Awaitable, Sequence
from decimal import Decimal
from typing import Any, Final

import asyncpg

from ordergate.adapters.brokers.paper.orders import VenueOrder
from ordergate.adapters.brokers.paper.postgres.link import ANSWER_S, Address, Connection
from ordergate.adapters.brokers.paper.postgres.rows import (
    columns_of,
    read_contract,
    read_execution,
    read_order,
    read_quote_row,
    read_record,
    read_request,
)
from ordergate.adapters.brokers.paper.postgres.tables import reading, writing
from ordergate.adapters.brokers.paper.records import Record
from ordergate.adapters.brokers.paper.rows import Batch, Contract, Execution, QuoteRow, Request, Sent
from ordergate.adapters.brokers.paper.stores import History, Reads
from ordergate.domain.errors import StoreBusy, StoreError
from ordergate.domain.money import without_exponent

_AT_ONCE: Final = 5_000
_CHUNK: Final = 500
_TRIES: Final = 3
_GREATEST: Final = 2**63 - 1
"""Of a BIGINT; no order has a number beyond it."""


class PostgresStore:
    """Reads and writes the record of one venue.

    Attributes:
        inline: calls give awaitables.
        epoch: of the last opening.
    """

    inline: Final = False

    def __init__(self, name: str, url: str) -> None:
        self._at = Address(name, url)
        self._writing, self._reading = writing(self._at.sql), reading(self._at.sql)
        self._me = os.urandom(16).hex()
        self._turn = asyncio.Lock()
        self._connection: Connection = None
        self.epoch = 0
        self._requests: dict[str, Request | None] = {}
        self._orders: dict[int, VenueOrder | None] = {}
        self._working: list[VenueOrder] = []
        self._pinned: list[QuoteRow] = []
        self._contracts: list[Contract] = []
        self._sent: dict[Sent, Decimal] = {}
        self._last = 0, 0

    @property
    def is_open(self) -> bool:
        """Whether it may be asked."""
        return self._connection is not None

    async def open(self) -> None:
        """Takes the venue from whoever has it.

        Raises:
            StoreError: the database cannot be used, or has something else there.
        """
        await self._open(take=True)

    async def resume(self) -> None:
        """Takes the venue if no other has opened it since this store did.

        Raises:
            StoreBusy: another has.
            StoreError: the database cannot be used.
        """
        await self._open(take=False)

    def close(self) -> None:
        """Breaks the connection off; what is being written is written or not."""
        connection, self._connection = self._connection, None
        self._requests, self._orders, self._working = {}, {}, []
        if connection is not None:
            connection.terminate()

    def write(self, batch: Batch) -> Awaitable[None]:
        """All of a batch or nothing of it; what it says is read before this returns.

        Raises:
            StoreBusy: another node has opened the venue since; nothing was written.
            StoreError: it was not written, or nobody can say; the venue must be opened again.
        """
        columns = columns_of(batch)
        return self._write(columns, batch.taken, batch.pinned)

    async def fetch(self, reads: Sequence[Reads]) -> None:
        """Brings what `request` and `order` are asked for next, in one query.

        Raises:
            StoreBusy: another node has opened the venue since.
            StoreError: it cannot be read.
        """
        client_ids = {client_id for read in reads for client_id in read.client_ids}
        numbers = {number for read in reads for number in read.numbers}
        sought = [number for number in numbers if number <= _GREATEST]
        rows = await self._ask("cannot be read", self._reading, list(client_ids), sought)
        if rows[0]["epoch"] != self.epoch:
            raise self._taken_over()
        self._requests = dict.fromkeys(client_ids)
        self._orders = dict.fromkeys(numbers)
        for row in rows:
            if row["request_client_id"] is not None:
                self._requests[row["request_client_id"]] = read_request(row)
            if row["number"] is not None:
                self._orders[row["number"]] = read_order(row)

    def request(self, client_id: str) -> Request | None:
        """A request that was fetched."""
        try:
            return self._requests[client_id]
        except KeyError:
            raise StoreError(f"request {client_id!r} was looked at before it was fetched") from None

    def order(self, number: int) -> VenueOrder | None:
        """An order that was fetched, with or without its request."""
        try:
            return self._orders[number]
        except KeyError:
            raise StoreError(f"order {number} was looked at before it was fetched") from None

    def working(self) -> list[VenueOrder]:
        """The orders that worked when it was opened, once."""
        working, self._working = self._working, []
        return working

    def pinned(self) -> list[QuoteRow]:
        """The quotes set by hand and not followed by another when it was opened."""
        return self._pinned

    def contracts(self) -> list[Contract]:
        """What was open of perpetual contracts when it was opened."""
        return self._contracts

    def sent(self) -> dict[Sent, Decimal]:
        """What transfers had taken elsewhere when it was opened, in all."""
        return self._sent

    def last(self) -> tuple[int, int]:
        """The greatest order number and report sequence when it was opened."""
        return self._last

    async def reports_after(self, sequence: int) -> list[Record]:
        """The next reports, not all at once."""
        sql = f"SELECT sequence, kind, body FROM {self._at.sql}.reports WHERE sequence > $1 ORDER BY sequence LIMIT $2"
        return [read_record(row) for row in await self._ask("cannot be read", sql, sequence, _CHUNK)]

    async def executions_after(self, key: tuple[int, int]) -> list[Execution]:
        """The next executions, not all at once."""
        sql = (
            f"SELECT e.*, o.client_id FROM {self._at.sql}.executions e JOIN {self._at.sql}.orders o"
            " ON o.number = e.order_number WHERE (e.order_number, e.number) > ($1, $2)"
            " ORDER BY e.order_number, e.number LIMIT $3"
        )
        # As in `history`: who asked may give up.
        asking = asyncio.ensure_future(self._ask("cannot be read", sql, *key, _CHUNK))
        return [read_execution(row) for row in await asyncio.shield(asking)]

    async def history(self, client_id: str) -> History | None:
        """What is kept of the request of that client id; None where none ever arrived."""
        # Who asked may give up. The driver then cancels, and that could hit the next statement: a write.
        return await asyncio.shield(asyncio.ensure_future(self._history(client_id)))

    async def _history(self, client_id: str) -> History | None:
        found = await self._ask("cannot be read", self._reading, [client_id], [])
        if found[0]["request_client_id"] is None:
            return None
        request = read_request(found[0])
        order = None if found[0]["number"] is None else read_order(found[0])
        sql = f"SELECT sequence, kind, body FROM {self._at.sql}.reports WHERE order_number = $1 ORDER BY sequence"
        rows = [] if order is None else await self._ask("cannot be read", sql, order.number)
        return History(request, order, [read_record(row).report for row in rows])

    async def _open(self, *, take: bool) -> None:
        self.close()
        connection = await self._at.connect()
        try:
            with self._at.failures("cannot be opened"):
                epoch = await self._raise_epoch(connection, take=take)
                if epoch is None:
                    raise self._taken_over()
                await self._load(connection)
        except BaseException:
            connection.terminate()
            raise
        self._connection, self.epoch = connection, epoch

    async def _raise_epoch(self, connection: Connection, *, take: bool) -> Any:
        """The new epoch; waits for a write that is under way. None where it is another's and not to be taken."""
        sql = f"UPDATE {self._at.sql}.meta SET epoch = epoch + 1, holder = $1 WHERE $2 OR holder = $1 RETURNING epoch"
        for _ in range(_TRIES):
            try:
                return await connection.fetchval(sql, self._me, take)
            except asyncpg.LockNotAvailableError:
                await self._end_holders(connection)
        raise StoreError(f"the paper venue's schema {self._at.schema} stays locked")

    async def _end_holders(self, connection: Connection) -> None:
        """Ends the backends of sessions that hold the row and do not go on: their clients are paused."""
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = $1::text::regclass"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND mode = 'RowShareLock' AND granted AND pid <> pg_backend_pid()",
            f"{self._at.sql}.meta",
        )

    async def _load(self, connection: Connection) -> None:
        sql = self._at.sql
        last = await connection.fetchrow(
            f"SELECT (SELECT coalesce(max(number), 0) FROM {sql}.orders),"
            f" (SELECT coalesce(max(sequence), 0) FROM {sql}.reports)"
        )
        self._last = last[0], last[1]
        rows = await connection.fetch(f"SELECT * FROM {sql}.orders WHERE status = 'working' ORDER BY number")
        self._working = []
        for first in range(0, len(rows), _AT_ONCE):
            self._working += [read_order(row) for row in rows[first : first + _AT_ONCE]]
            await asyncio.sleep(0)  # leases are renewed meanwhile
        rows = await connection.fetch(f"SELECT * FROM {sql}.quotes WHERE pinned ORDER BY symbol")
        self._pinned = [read_quote_row(row) for row in rows]
        rows = await connection.fetch(f"SELECT * FROM {sql}.contracts ORDER BY symbol")
        self._contracts = [read_contract(row) for row in rows]
        rows = await connection.fetch(f"SELECT target, token, amount FROM {sql}.sent")
        self._sent = {(row["target"], row["token"]): without_exponent(row["amount"]) for row in rows}

    async def _write(self, columns: list[Sequence[Any]], taken: list[int], tell: bool) -> None:
        values = (self.epoch, *columns, taken, self._at.schema, tell)
        rows = await self._ask("was not written, or nobody can say", self._writing, *values)
        if rows[0]["early"]:
            raise StoreError(
                "this machine's clock is ahead of the database's: an order would end before its time"
            )
        if not rows[0]["held"]:
            raise self._taken_over()

    async def _ask(self, failing: str, sql: str, *values: Any) -> Any:
        connection = self._connection
        async with self._turn:
            if connection is None or connection is not self._connection:
                raise StoreError("the paper venue's schema is closed")
            with self._at.failures(failing):
                return await connection.fetch(sql, *values, timeout=ANSWER_S)

    def _taken_over(self) -> StoreBusy:
        return StoreBusy(f"another node has opened the paper venue {self._at.venue!r}")
