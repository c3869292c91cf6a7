"""The journal as server-sent events: every entry's bytes as stored, with its index as the event's id."""

import asyncio
from contextlib import aclosing
from typing import Final

from ordergate.api.door import Door
from ordergate.api.feed import Feed, index_of
from ordergate.api.rest.call import Call, Gone, Send
from ordergate.api.rest.operation import Stream
from ordergate.api.shards import SHARD, only, shard_of
from ordergate.api.sieve import Sieve
from ordergate.application.ports.journal import Line

KEEP_ALIVE_S: Final = 15
_OPEN: Final = b": open\n\n"
_ALIVE: Final = b": alive\n\n"
_HEADERS: Final = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


async def events(door: Door, call: Call) -> Stream:
    """GET /v1/events."""
    given = call.query(("after", "fund", "order", SHARD), ("kind",))
    journal = shard_of(door, only(given)).journal
    after = call.header(b"last-event-id")
    if after is not None:
        first = index_of(after, "Last-Event-ID") + 1
    elif "after" in given:
        first = index_of(given["after"][0], "after") + 1
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
            feed = Feed(door, journal, sieve, news, KEEP_ALIVE_S)
            watching = asyncio.get_running_loop().create_task(_watch(call, feed, news))
            try:
                await _send_all(feed, first, send)
            except asyncio.CancelledError:
                if not door.closing:
                    raise
                raise Gone from None  # its reader did not take what was sent, and the door waits no longer
            finally:
                watching.cancel()

    return Stream(run, _HEADERS)


async def _watch(call: Call, feed: Feed, news: asyncio.Event) -> None:
    await call.gone()
    feed.gone = True
    news.set()


async def _send_all(feed: Feed, first: int, send: Send) -> None:
    await _send(send, _OPEN)
    async with aclosing(feed.pages(first)) as pages:
        async for _behind, found in pages:
            await _send(send, b"".join(_event(index, line) for index, line in found) or _ALIVE)


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _event(index: int, line: Line) -> bytes:
    kind = line.kind.partition("/")[0]
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (index, kind.encode(), line.data)
