"""The journal as server-sent events: every entry's bytes as stored, with its index as the event's id.

A stream pulls from the journal in pages, at the pace at which its reader takes them; a commit only wakes it. So a
slow reader holds nothing back and costs one page of memory.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from ordergate.api.door import Door
from ordergate.api.problems import DoorCode, failure
from ordergate.api.rest.call import Call, Gone, Send
from ordergate.api.rest.operation import Stream
from ordergate.api.rest.shards import SHARD, only, shard_of
from ordergate.api.sieve import Sieve
from ordergate.application.ports.journal import JournalReader, Line
from ordergate.domain.errors import quoted

KEEP_ALIVE_S: Final = 15
_AT_ONCE: Final = 100
_OPEN: Final = b": open\n\n"
_ALIVE: Final = b": alive\n\n"
_HEADERS: Final = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_LONGEST_INDEX: Final = 18


async def events(door: Door, call: Call) -> Stream:
    """GET /v1/events."""
    given = call.query(("after", "fund", "order", SHARD), ("kind",))
    journal = shard_of(door, only(given)).journal
    after = call.header(b"last-event-id")
    if after is not None:
        first = _index(after, "Last-Event-ID") + 1
    elif "after" in given:
        first = _index(given["after"][0], "after") + 1
    else:
        first = (await journal.head()).size
    sieve = Sieve(
        journal,
        fund=given.get("fund", [None])[0],
        order=given.get("order", [None])[0],
        kinds=frozenset(given.get("kind", ())),
    )

    async def run(send: Send) -> None:
        with door.listening() as news:
            await _Reader(door, journal, sieve, news, call).run(first, send)

    return Stream(run, _HEADERS)


def _index(given: str, name: str) -> int:
    digits = given.removeprefix("-") if given == "-1" else given
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_INDEX):
        detail = f"{quoted(given)} is not the index of an entry, such as 41 (-1 begins with the first entry)"
        raise failure(400, DoorCode.BAD_PARAMETER, detail, parameter=name)
    return int(given)


class _Reader:
    """One stream, from its opening until the client goes or the door closes."""

    def __init__(
        self, door: Door, journal: JournalReader, sieve: Sieve, news: asyncio.Event, call: Call
    ) -> None:
        self._door, self._journal, self._sieve, self._news, self._call = door, journal, sieve, news, call
        self._gone = False

    async def run(self, first: int, send: Send) -> None:
        """Sends what there is from `first` on, then what comes."""
        watching = asyncio.get_running_loop().create_task(self._watch())
        try:
            await _send(send, _OPEN)
            while self._open:
                self._news.clear()
                async for behind, found in self._pages(first):
                    first = behind
                    if found:
                        await _send(send, b"".join(_event(index, line) for index, line in found))
                await self._wait(send)
        except asyncio.CancelledError:
            if not self._door.closing:
                raise
            raise Gone from None  # its reader did not take what was sent, and the door waits no longer
        finally:
            watching.cancel()

    @property
    def _open(self) -> bool:
        return not (self._gone or self._door.closing)

    async def _watch(self) -> None:
        await self._call.gone()
        self._gone = True
        self._news.set()

    async def _wait(self, send: Send) -> None:
        try:
            async with asyncio.timeout(KEEP_ALIVE_S):
                await self._news.wait()
        except TimeoutError:
            await _send(send, _ALIVE)

    async def _pages(self, first: int) -> AsyncIterator[tuple[int, list[tuple[int, Line]]]]:
        """What is wanted of what the journal has from `first` on, and where to go on behind it."""
        size = (await self._journal.head()).size
        while first < size and self._open:
            first, found = await self._sieve.page(first, min(first + _AT_ONCE, size), size)
            yield first, found
            await asyncio.sleep(0)  # reading and sending may both go without waiting: let the gate work


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _event(index: int, line: Line) -> bytes:
    kind = line.kind.partition("/")[0]
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (index, kind.encode(), line.data)
