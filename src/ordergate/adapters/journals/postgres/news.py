"""Hearing of other writers, and telling them: LISTEN and NOTIFY on a connection of its own.

A notification is a hint, with nothing but the log's size in it. One may get lost with its connection; so the
listener also looks by itself.
"""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import asyncpg
import structlog

from ordergate.adapters.journals.postgres.connecting import FAILURES, connect
from ordergate.domain.errors import StoreError

_LOOK_S: Final = 0.5
_RECONNECT_S: Final = 0.5
_ANSWER_S: Final = 2.0
"""After which a connection that says nothing counts as broken, though nobody has ended it."""
_LAST_WORD_S: Final = 1.0
_log = structlog.get_logger("ordergate.postgres")


class News:
    """Tells others of what was written here, and `watch`ers of what others have written.

    Attributes:
        seen: the largest size of the log that this node knows.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.seen = 0
        self._told: int | None = None
        self._news: Callable[[], None] | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def watch(self, news: Callable[[], None]) -> None:
        """Calls `news` on the loop whenever the log is longer than `seen`."""
        self._news = news
        self._start()

    def written(self, size: int) -> None:
        """Tells others, as soon as what was told before has left: of several at once, the last."""
        self.seen = self._told = size
        self._start()

    def _start(self) -> None:
        self._wake.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while not self._closing:
            try:
                connection = await connect(self._url)
            except StoreError:
                await self._rest(_RECONNECT_S)
                continue
            try:
                await self._serve(connection)
            except FAILURES:
                await self._rest(_RECONNECT_S)
            except Exception:  # whatever it is, this node must not be deaf from now on
                _log.exception("the listener for other nodes broke, and is made anew")
                await self._rest(_RECONNECT_S)
            finally:
                connection.terminate()

    async def _rest(self, within_s: float) -> None:
        """Until there is something to do, or for so long."""
        self._wake.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), within_s)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        place = await connection.fetchrow("SELECT current_database(), current_schema()")
        channel, listening = channel_of(*place), False
        connection.add_termination_listener(lambda _connection: self._wake.set())
        while not connection.is_closed():
            if self._news is not None and not listening:
                await connection.add_listener(channel, self._hear)
                listening = True
                await self._look(connection)  # what was told before it listened
            size, self._told = self._told, None
            if size is not None:
                await connection.execute("SELECT pg_notify($1, $2)", channel, str(size), timeout=_ANSWER_S)
            elif self._closing:
                return
            elif not self._wake.is_set() and listening:
                await self._look(connection)
            if self._told is None and not self._closing:
                await self._rest(_LOOK_S)

    async def _look(self, connection: asyncpg.Connection) -> None:
        sql = "SELECT size FROM head WHERE id = 1"
        self._learn(await connection.fetchval(sql, timeout=_ANSWER_S) or 0)

    def _hear(self, _connection: Any, _process: int, _channel: str, payload: object) -> None:
        text = str(payload)
        self._learn(int(text) if text.isdecimal() and len(text) < 20 else self.seen + 1)

    def _learn(self, size: int) -> None:
        if size > self.seen and self._news is not None and not self._closing:
            self._news()

    async def close(self) -> None:
        """Says what is still to be said, if it can be said soon."""
        self._closing = True
        self._wake.set()
        if self._task is None:
            return
        done, _ = await asyncio.wait({self._task}, timeout=_LAST_WORD_S)
        if not done:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def channel_of(database: str, schema: str | None) -> str:
    """The channel of a journal; a server has one for each of its journals."""
    return f"ordergate_{hashlib.sha256(f'{database}.{schema}'.encode()).hexdigest()[:16]}"
