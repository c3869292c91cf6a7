"""An account's private streams, checked by the account itself.

A stream can lose what it should have told, and say nothing: when it is opened again, when one message of it is
garbled (ccxt then reads no further), when the exchange drops one. So whenever it is (re)opened, and again every few
seconds, the trades since the last look are read and the open orders compared. What the stream should have told and did
not is told, and the stream made anew.

A cursor is the exchange's time, in ms, of the last look that went well: everything before it was told. While the
exchange has no market of one of the symbols the others are followed alone, and the cursor stands still, for a day at
most: when the market is back, what was done in it meanwhile is told.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from ordergate.adapters.brokers.ccxt.known import Known
from ordergate.adapters.brokers.ccxt.link import Link
from ordergate.adapters.brokers.ccxt.outcomes import Resting, reason_of
from ordergate.adapters.brokers.ccxt.reading import Found, Place, Told, instant, order_in, trade_in
from ordergate.adapters.brokers.ccxt.telling import Behind, Telling
from ordergate.application.stopping import stopped

_OVERLAP_MS: Final = 60_000
_FIRST_MS: Final = 24 * 3_600_000
"""How far back a session without a cursor looks."""
_FARTHEST_MS: Final = 180 * 24 * 3_600_000
_LATE_MS: Final = 2_000
"""What the stream has not told for so long it has lost."""
_CONNECTED_S: Final = 10.0
_AGAIN_S: Final = 0.5
_STREAMS: Final = 2
_MARKETS_S: Final = 3_600.0
"""How often markets are read again: their steps change."""
_MISSING_S: Final = 60.0
"""How often while one of them is missing."""
_log = structlog.get_logger("ordergate.brokers.ccxt")


class Lost(Exception):
    """The stream has not told what the account shows, or follows other markets than there are."""


class Following:
    """Follows one account through one link until something goes wrong; then it is to be begun anew.

    Args:
        streams: makes the exchange object whose streams are followed, with markets; who made it closes it.
        looked: called after each look at the account.
        opened: called once everything up to now was told and the streams are open.
    """

    def __init__(
        self,
        link: Link,
        telling: Telling,
        symbols: tuple[str, ...],
        poll_s: float,
        streams: Callable[[], Any],
        looked: Callable[[], Awaitable[None]],
        opened: Callable[[], None],
    ) -> None:
        self._link, self._telling, self._wanted = link, telling, symbols
        self._symbols = link.there(symbols)
        self._poll_s, self._streams, self._looked, self._opened = poll_s, streams, looked, opened
        self._orders: deque[Found] = deque()
        self._trades: deque[Told] = deque()
        self._came, self._look_soon = asyncio.Event(), asyncio.Event()
        self._turn = asyncio.Lock()
        self._unlisted: set[Place] = set()

    @property
    def idle(self) -> bool:
        """Whether everything that came was told."""
        return not (self._orders or self._trades or self._turn.locked())

    async def run(self) -> None:
        """Never returns; raises what went wrong: ccxt's errors, Unreadable, or Lost."""
        streams = self._streams()
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(self._pump(streams.watch_orders, self._order_came)),
            loop.create_task(self._pump(streams.watch_my_trades, self._trade_came)),
        ]
        try:
            await self._connected(streams, tasks)
            await self.look(deep=True)
            self._opened()
            tasks += [loop.create_task(self._tell()), loop.create_task(self._poll())]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await stopped(*tasks)

    async def _connected(self, exchange: Any, tasks: list[asyncio.Task[None]]) -> None:
        """Waits until the streams are open; raises where they fail to."""
        async with asyncio.timeout(_CONNECTED_S):
            while not _is_open(exchange):
                for task in tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.005)

    async def _pump(self, watch: Callable[[], Any], came: Callable[[Any], None]) -> None:
        while True:
            for one in await watch():
                came(one)
            self._came.set()

    def _order_came(self, said: dict[str, Any]) -> None:
        if said.get("symbol") in self._symbols:
            self._orders.append(order_in(said, self._market(said), self._known))

    def _trade_came(self, said: dict[str, Any]) -> None:
        if said.get("symbol") in self._symbols:
            self._trades.append(trade_in(said, self._market(said)))

    def _market(self, said: dict[str, Any]) -> dict[str, Any]:
        return self._link.market(said["symbol"]) or {}

    @property
    def _known(self) -> Known:
        return self._link.known

    async def _tell(self) -> None:
        """Tells what came: whose orders they are first, then trades, then ends."""
        while True:
            await self._came.wait()
            self._came.clear()
            await asyncio.sleep(0)  # what one message says comes through both streams
            async with self._turn:
                for found in self._orders:
                    self._telling.learn(found.place, found.client_id)
                while self._trades:
                    await self._or_later(self._telling.trade(self._trades[0]))
                    self._trades.popleft()
                while self._orders:
                    await self._or_later(self._telling.order(self._orders[0]))
                    self._orders.popleft()

    async def _or_later(self, telling: Awaitable[bool]) -> None:
        try:
            await telling
        except Behind as behind:  # the exchange lists it a little later: a look will find it
            self._look_again(behind)

    def _look_again(self, behind: Behind) -> None:
        _log.info("the exchange is behind", why=str(behind))
        asyncio.get_running_loop().call_later(_AGAIN_S, self._look_soon.set)

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        loaded = loop.time()
        while True:
            soon = False
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._look_soon.wait()
                soon = True
            except TimeoutError:
                pass
            self._look_soon.clear()
            if loop.time() - loaded >= (_MISSING_S if self._symbols != self._wanted else _MARKETS_S):
                await self._link.exchange.load_markets(True)
                loaded = loop.time()
                if self._link.there(self._wanted) != self._symbols:
                    raise Lost("a market has gone, or is back")
            try:
                late = await self.look(deep=False)
            except Behind as behind:
                self._look_again(behind)
                continue
            except Resting as resting:  # meanwhile the stream tells
                _log.info("the account is not looked at", why=str(resting))
                continue
            if late and not soon:
                raise Lost(f"the stream has lost {late}")

    async def look(self, *, deep: bool) -> str | None:
        """Reads the account, tells what was not told, and moves the cursor. What was told too late, if anything.

        Raises ccxt's errors, Unreadable, Behind.

        Args:
            deep: orders that ended since the last look are looked for, too, and not only those that were seen.
        """
        now = await self._link.time_ms()
        since, late = self._since(now), list[str]()
        for symbol in self._symbols:
            async with self._turn:  # in between what the stream has told is told
                late += await self._look_at(symbol, since, now, deep)
        missing = self._symbols != self._wanted
        self._telling.cursor = str(max(since + _OVERLAP_MS, now - _FIRST_MS) if missing else now)
        await self._looked()
        return late[0] if late else None

    async def _look_at(self, symbol: str, since: int, now: int, deep: bool) -> list[str]:
        """One symbol: what works first, then trades, then ends. What was told too late."""
        working = await self._link.working(symbol)
        for found in working:
            await self._telling.order(found)
        recent = await self._link.recent(symbol, since) if deep else []
        for found in recent:
            self._telling.learn(found.place, found.client_id)
        late: list[str] = []
        for told in await self._link.trades(symbol, since):
            if await self._telling.trade(told) and told.time < now - _LATE_MS:
                late.append(f"trade {told.exec_id}")
        for found in recent:
            if not found.works:
                await self._telling.order(found)
        there = {found.place for found in working}
        gone = [place for place in self._telling.working if place.symbol == symbol and place not in there]
        for place in gone:
            ended = await self._link.if_there(place)
            if ended is None and place not in self._unlisted:  # too old to be listed, or not yet
                self._unlisted.add(place)
                _log.warning("an order that worked is listed no more: look at the account", order=place.name)
            new = ended is not None and await self._telling.order(ended)
            if ended is not None and new and 0 < ended.updated < now - _LATE_MS:
                late.append(f"the end of {place.name}")
        return late

    def _since(self, now: int) -> int:
        cursor = self._telling.cursor
        if cursor is None or not (cursor.isascii() and cursor.isdecimal()):
            return now - _FIRST_MS
        since, farthest = int(cursor) - _OVERLAP_MS, now - _FARTHEST_MS
        if since < farthest:
            _log.error(
                "trades before this are not read: compare the account", since=instant(farthest).isoformat()
            )
        return max(since, farthest)


def why_of(error: BaseException) -> str:
    """What went wrong with the streams, for people."""
    return str(error) if isinstance(error, Lost) else reason_of(error)


def _is_open(exchange: Any) -> bool:
    """Whether both streams wait for what comes, on connections that are there and know who we are.

    Of many exchanges ccxt keeps the future of a login once that is done.
    """
    clients = [client for client in (exchange.clients or {}).values() if "://" in client.url]
    waiting = [name for client in clients for name, future in client.futures.items() if not future.done()]
    return (
        len(waiting) >= _STREAMS
        and all(client.isConnected for client in clients)
        and not any(name.startswith("authenticate") or name.isdecimal() for name in waiting)
    )
