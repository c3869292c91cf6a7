"""The stream of a broker's reports, followed from a place in it; nothing is left out, whatever becomes of the server.

A cursor is `SEQUENCE@MICROSECONDS`: the message's number in the stream, and when the server took it. A stream that has
another message there, or has not come that far, was made anew or has lost its end: then it is told from its beginning,
and what was told before counts once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from ordergate.adapters.brokers.bus.reading import Came
from ordergate.adapters.nats.connection import Connection, NatsError
from ordergate.adapters.nats.streams import find_or_make, pull

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo

_AT_ONCE: Final = 200
_WAIT_S: Final = 1.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_FORGOTTEN_S: Final = 60.0
"""After which the server forgets a consumer that nobody asks."""
_MICROSECOND: Final = timedelta(microseconds=1)
_SAME: Final = 2
"""Microseconds by which two tellings of one message's time may differ: the library rounds them differently."""
_log = structlog.get_logger("ordergate.brokers.bus")

Taker = Callable[[Came], Awaitable[None]]


def cursor_of(sequence: int, at: datetime) -> str:
    """The cursor of a message."""
    return f"{sequence}@{_micros(at)}"


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) // _MICROSECOND


def _parts(cursor: str) -> tuple[int, int]:
    """The number and the time of a cursor; of what is none of ours, such that no message is it."""
    sequence, _, micros = cursor.partition("@")
    known = sequence.isdecimal() and micros.isdecimal()
    return (int(sequence), int(micros)) if known else (1, -_SAME)


class Reports:
    """Follows one stream.

    Args:
        take: gets each message, in order; where it raises, it gets the message again.

    Attributes:
        sequence: of the last message that was taken.
        there: set while the stream can be followed.
        why: it could not be followed last.
    """

    def __init__(
        self, connection: Connection, stream: str, subjects: tuple[str, ...], kept_s: int, take: Taker
    ) -> None:
        self._connection, self._stream = connection, stream
        self._subjects, self._kept_s, self._take = subjects, kept_s, take
        self._cursor: str | None = None
        self.sequence = 0
        self.there = asyncio.Event()
        self.why: str | None = None
        self._pause = _FIRST_PAUSE_S
        self._told = False

    async def run(self, cursor: str | None) -> None:
        """Runs until cancelled, from behind a cursor."""
        self._cursor, self.sequence = cursor, 0
        self._pause, self._told = _FIRST_PAUSE_S, False
        while True:
            try:
                await self._follow(await self._subscribe())
            except Exception as error:  # whatever the library raises: the server is asked again
                self.why = str(error) or repr(error)
                if not self._told:
                    _log.error("reports cannot be followed: orders wait", stream=self._stream, error=self.why)
                self._told = True
            finally:
                self.there.clear()
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_S)

    def _went_well(self) -> None:
        if self._told:
            _log.info("reports are followed again", stream=self._stream)
        self._pause, self._told = _FIRST_PAUSE_S, False

    async def _subscribe(self) -> Any:
        stream = await self._connection.stream()
        from nats.js.api import (  # the connection has said what is missing
            AckPolicy,
            ConsumerConfig,
            DeliverPolicy,
        )

        info = await find_or_make(stream, self._stream, self._subjects, max_age_s=self._kept_s)
        name = info.config.name or self._stream
        first = await self._first(stream, name, info)
        self.sequence = first - 1
        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=first,
            filter_subjects=list(self._subjects),
            inactive_threshold=_FORGOTTEN_S,
            mem_storage=True,
            num_replicas=1,
        )
        return await pull(stream, name, config)

    async def _first(self, stream: "JetStreamContext", name: str, info: "StreamInfo") -> int:
        """The number of the first message to take."""
        if self._cursor is None:
            return 1
        sequence, micros = _parts(self._cursor)
        if info.state.first_seq > sequence and info.state.last_seq >= sequence:
            if info.state.first_seq > sequence + 1:
                _log.error(
                    "reports have gone before they were read: compare the account",
                    stream=name,
                    first=sequence + 1,
                    last=info.state.first_seq - 1,
                )
            return info.state.first_seq
        if info.state.last_seq >= sequence:
            from nats.js.errors import NotFoundError

            with suppress(NotFoundError):
                there = await stream.get_msg(name, sequence)
                if there.time is not None and abs(_micros(there.time) - micros) <= _SAME:
                    return sequence + 1
        _log.warning(
            "the stream is another, or has lost its end: it is told from its beginning",
            stream=name,
            cursor=self._cursor,
        )
        return 1

    async def _follow(self, subscription: Any) -> None:
        expected = 1
        try:
            while True:
                client = await self._connection.client()
                self.there.set()
                try:
                    batch = await subscription.fetch(_AT_ONCE, timeout=_WAIT_S)
                except TimeoutError:
                    if client.is_connected:
                        info = await subscription.consumer_info()  # raises where the server has lost it
                        given_away = info.delivered.consumer_seq if info.delivered is not None else 0
                        if given_away >= expected:  # to a connection that broke off; nothing else says so
                            raise NatsError("a report was lost on its way: it is fetched again") from None
                        self._went_well()
                    continue
                for given in batch:
                    told = given.metadata
                    if told.sequence.consumer != expected:
                        raise NatsError("a report was lost on its way: it is fetched again")
                    expected += 1
                    await self._taken(given, told)
                    self._went_well()
        finally:
            with suppress(Exception):
                await subscription.unsubscribe()

    async def _taken(self, given: Any, told: Any) -> None:
        sequence, at = told.sequence.stream, told.timestamp
        cursor = cursor_of(sequence, at)
        await self._take(
            Came(
                subject=given.subject,
                data=given.data,
                headers=given.headers,
                at=at,
                cursor=cursor,
                place=f"{told.stream}/{sequence}",
            )
        )
        self._cursor, self.sequence = cursor, sequence
