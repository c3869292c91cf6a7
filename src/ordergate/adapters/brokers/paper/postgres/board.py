"""Quotes set by hand, between the nodes of a venue: those handed to the session's owner, and those that stand.

A node that does not have the session writes a quote into `handed`; the owner sets it, and takes it out in the
transaction that makes it count. NOTIFY wakes whoever waits, and a look every so often does where that is lost.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import structlog

from ordergate.adapters.brokers.paper.postgres.link import ANSWER_S, Address, Connection
from ordergate.adapters.brokers.paper.postgres.rows import read_quote
from ordergate.adapters.brokers.paper.session import Session
from ordergate.application.ports.brokers import Sink
from ordergate.domain.errors import StoreError
from ordergate.domain.market import Quote
from ordergate.domain.money import without_exponent

LOOK_S: Final = 1.0
"""Between two looks where nobody tells of anything."""

TAKEN_S: Final = 5.0
"""So long a quote may take to its owner."""

_AGAIN_S: Final = 0.5
_log = structlog.get_logger("ordergate.brokers.paper")


class Board:
    """One node's view of the board, on a connection of its own.

    Args:
        live: the session of this node, while it has one that goes on.
    """

    def __init__(self, name: str, url: str, live: Callable[[], Session | None]) -> None:
        self._at, self._live = Address(name, url), live
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._seen: dict[str, Quote] = {}
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._watcher: Sink | None = None
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection = None

    def start(self) -> None:
        """Begins to look, if it does not already."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def watched(self) -> bool:
        """Whether somebody is told what it sees."""
        return self._watcher is not None

    async def stop(self) -> None:
        """Looks no more, and tells nobody."""
        self._watcher = None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def looked(self) -> None:
        """Looks now; returns when what was there has been told.

        Raises:
            StoreError: the database cannot be used.
        """
        async with self._turn:
            if self._connection is None:
                async with self._at.connected() as connection:
                    await self._look(connection)
            else:
                await self._look(self._connection)

    async def watch(self, sink: Sink) -> None:
        """Tells `sink` of every quote that stands, and from now on of every other, where no session does it.

        Raises:
            StoreError: the database cannot be used.
        """
        self._watcher = sink
        self._seen.clear()
        self.start()
        await self.looked()

    async def sent_to(self, target: str) -> dict[str, Decimal]:
        """What transfers have taken from the venue to another, by token, whichever node has its session.

        Raises:
            StoreError: the database cannot be used.
        """
        sql = f"SELECT token, amount FROM {self._at.sql}.sent WHERE target = $1"
        async with self._at.connected() as connection:
            with self._at.failures("cannot be read"):
                rows = await connection.fetch(sql, target, timeout=ANSWER_S)
        return {row["token"]: without_exponent(row["amount"]) for row in rows}

    async def hand(self, quote: Quote) -> None:
        """Hands a quote to the owner of the session; returns when it has been taken and counts.

        Raises:
            StoreError: nobody has taken it yet, or the database cannot be used.
        """
        self.start()
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        number = await self._write(quote, taken)
        try:
            async with asyncio.timeout(TAKEN_S):
                await taken
        except TimeoutError:
            raise StoreError(
                f"no node has the session of paper venue {self._at.venue!r} now: the quote of {quote.symbol} stands"
                " and will be used when one has"
            ) from None
        finally:
            del self._waiting[number]

    async def _write(self, quote: Quote, taken: asyncio.Future[None]) -> int:
        sql = (
            f"WITH new AS (INSERT INTO {self._at.sql}.handed (symbol, time, bid, ask, bid_size, ask_size)"
            " VALUES ($1, $2, $3, $4, $5, $6) RETURNING number)"
            " SELECT number, pg_notify($7, '') FROM new"
        )
        values = (quote.symbol, quote.time, quote.bid, quote.ask, quote.bid_size, quote.ask_size)
        async with self._turn, self._at.connected() as connection:
            with self._at.failures(f"may not have the quote of {quote.symbol}"):
                number: int = await connection.fetchval(sql, *values, self._at.schema)
            self._waiting[number] = taken
        return number

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except StoreError as error:
                _log.warning("hand-set quotes cannot be followed", broker=self._at.venue, error=str(error))
            except Exception:  # of a venue that broke off: its session has ended and said so
                _log.exception("a hand-set quote could not be set", broker=self._at.venue)
            await asyncio.sleep(_AGAIN_S)

    async def _follow(self) -> None:
        async with self._at.connected() as connection:
            with self._at.failures("cannot be listened to"):
                await connection.add_listener(self._at.schema, self._told)
            self._connection = connection
            try:
                while True:
                    self._news.clear()
                    await self.looked()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await self._news.wait()
            finally:
                self._connection = None

    def _told(self, *_: Any) -> None:
        self._news.set()

    async def _look(self, connection: Connection) -> None:
        session = self._live()  # the one that takes: a later one may not find what this look finds
        # What is handed first: once a quote has left that list, it stands, or one that came later does.
        with self._at.failures("cannot be read"):
            handed = await connection.fetch(f"SELECT * FROM {self._at.sql}.handed ORDER BY number")
            standing = await connection.fetch(f"SELECT * FROM {self._at.sql}.quotes WHERE pinned")
        for row in standing:
            self._tell(read_quote(row))
        waiting = {row["number"]: read_quote(row) for row in handed}
        for number, taken in self._waiting.items():
            if number not in waiting and not taken.done():
                taken.set_result(None)
        if session is not None:
            for number, quote in waiting.items():
                session.take(number, quote)

    def _tell(self, quote: Quote) -> None:
        if self._seen.get(quote.symbol) != quote:
            self._seen[quote.symbol] = quote
            if self._watcher is not None and self._live() is None:
                self._watcher.quote(quote)
