"""Questions to an exchange about orders and trades, read-only and whole: pages are followed to their end."""

import asyncio
from typing import Any, Final

from ordergate.adapters.brokers.ccxt.known import Known, theirs
from ordergate.adapters.brokers.ccxt.outcomes import names_of
from ordergate.adapters.brokers.ccxt.reading import Found, Place, Told, Unreadable, order_in, trade_in

_PAGE: Final = 1_000
_ORDERS: Final = 500
_WINDOW_MS: Final = 24 * 3_600_000 - 1_000
"""No exchange that was tried takes less between the ends of a question for trades."""
_MOST_PAGES: Final = 200
_RECENT_MS: Final = 6 * 24 * 3_600_000


class Link:
    """One exchange object of ccxt's, with its markets; all its answers are read into our words.

    Attributes:
        skew_ms: how far the exchange's clock was ahead of ours, when it was asked last.
    """

    def __init__(self, exchange: Any, known: Known) -> None:
        self.exchange, self.known = exchange, known
        self.skew_ms = 0.0

    def market(self, symbol: str) -> dict[str, Any] | None:
        """ccxt's market; None where there is none."""
        found = (self.exchange.markets or {}).get(symbol)
        return found if isinstance(found, dict) else None

    def there(self, symbols: tuple[str, ...]) -> tuple[str, ...]:
        """Those of them that the exchange has a market of."""
        return tuple(symbol for symbol in symbols if self.market(symbol) is not None)

    async def time_ms(self) -> int:
        """The exchange's clock, and by the way how far it is from ours."""
        if not self.exchange.has.get("fetchTime"):
            return int(self.exchange.milliseconds())
        before = self.exchange.milliseconds()
        there = int(await self.exchange.fetch_time())
        after = self.exchange.milliseconds()
        self.skew_ms = there - (before + after) / 2
        return there

    def server_ms(self) -> int:
        """The exchange's clock, as far as it is known without asking."""
        return int(self.exchange.milliseconds() + self.skew_ms)

    async def order(self, place: Place) -> Found:
        """By the exchange's id. Raises ccxt's errors, and Unreadable."""
        market = self._needed(place.symbol)
        return order_in(await self.exchange.fetch_order(place.id, place.symbol), market, self.known)

    async def if_there(self, place: Place) -> Found | None:
        """By the exchange's id; None where it has none such. Raises ccxt's other errors, and Unreadable."""
        try:
            return await self.order(place)
        except Exception as error:
            if "OrderNotFound" in names_of(error):
                return None
            raise

    async def order_of(self, client_id: str, symbol: str) -> Found:
        """By our client id. Raises ccxt's errors, and Unreadable."""
        market, said = self._needed(symbol), theirs(client_id, self.known)
        if said is None:
            raise Unreadable(f"{client_id} cannot be a client id at this exchange")
        found = order_in(
            await self.exchange.fetch_order("", symbol, {"clientOrderId": said}), market, self.known
        )
        if found.client_id != client_id:
            raise Unreadable(f"asked for {client_id}, the exchange tells of {found.client_id}")
        return found

    async def working(self, symbol: str) -> list[Found]:
        """All orders of a symbol that work, those of others among them. Raises ccxt's errors, and Unreadable."""
        market = self._needed(symbol)
        return [order_in(one, market, self.known) for one in await self.exchange.fetch_open_orders(symbol)]

    async def recent(self, symbol: str, since: int) -> list[Found]:
        """Orders made since then, or in the last days, as far as the exchange lists them at once.

        Raises ccxt's errors, and Unreadable.
        """
        if not self.exchange.has.get("fetchOrders"):
            return []
        market = self._needed(symbol)
        since = max(since, self.server_ms() - _RECENT_MS)
        said = await self.exchange.fetch_orders(symbol, since, _ORDERS)
        return [order_in(one, market, self.known) for one in said]

    async def trades(self, symbol: str, since: int) -> list[Told]:
        """All since then, oldest first. Raises ccxt's errors, and Unreadable."""
        if self.known.trades_from is None:
            return await self._narrowed(symbol, since)
        found = dict[str, Told]()
        now = self.server_ms()
        for _page in range(_MOST_PAGES):
            until = since + _WINDOW_MS
            whole = until >= now
            more = {} if whole else {"until": until}
            page = await self._page(symbol, since, more)
            before = len(found)
            found.update((one.exec_id, one) for one in page)
            if len(page) == _PAGE and len(found) == before:  # all of one moment
                page = await self._beyond(symbol, since, found)
                whole = True  # a question by number has no end
                found.update((one.exec_id, one) for one in page)
            if len(page) < _PAGE:
                if whole:
                    return sorted(found.values(), key=lambda one: one.time)
                since = until
            else:
                since = max(one.time for one in page)
        raise Unreadable(f"the trades of {symbol} since {since} are more than {_MOST_PAGES} pages")

    async def _narrowed(self, symbol: str, since: int) -> list[Told]:
        """As `trades`, where a full page may be the newest of more: it is asked for less time until none is full."""
        limit = self.exchange.feature_value(symbol, "fetchMyTrades", "limit")
        if not limit:
            raise Unreadable(
                f"ccxt does not know how many trades of {symbol} are told at once: some could be missing"
            )
        found, most = dict[str, Told](), min(_PAGE, int(limit))
        now, window = self.server_ms(), _WINDOW_MS
        for _page in range(_MOST_PAGES):
            until = since + window
            whole = until >= now
            page = await self._page(symbol, since, {} if whole else {"until": until})
            if len(page) >= most and window <= 1:
                raise Unreadable(
                    f"{len(page)} trades of {symbol} are of one moment: the rest cannot be asked for"
                )
            if len(page) >= most:
                window = max(1, min(window, now - since) // 2)
                continue
            found.update((one.exec_id, one) for one in page)
            if whole:
                return sorted(found.values(), key=lambda one: one.time)
            since, window = until, min(window * 2, _WINDOW_MS)
        raise Unreadable(f"the trades of {symbol} since {since} are more than {_MOST_PAGES} pages")

    async def _page(self, symbol: str, since: int | None, more: dict[str, Any]) -> list[Told]:
        market = self._needed(symbol)
        said = await self.exchange.fetch_my_trades(symbol, since, _PAGE, more)
        return [trade_in(one, market) for one in said]

    async def _beyond(self, symbol: str, moment: int, found: dict[str, Told]) -> list[Told]:
        """Those after a moment that has more than a page: by number, where the exchange takes one."""
        name, numbers = self.known.trades_from, [one.exec_id.rpartition("#")[2] for one in found.values()]
        recent = moment > self.server_ms() - _RECENT_MS  # of older ones Binance may tell the latest instead
        if name is None or not recent or not all(number.isdecimal() for number in numbers):
            raise Unreadable(f"{_PAGE} trades of {symbol} are of one moment: the rest cannot be asked for")
        return await self._page(symbol, None, {name: max(map(int, numbers)) + 1})

    async def trades_of(self, found: Found) -> list[Told]:
        """An order's executions. Raises ccxt's errors, and Unreadable."""
        if not found.filled:
            return []
        symbol, name = found.place.symbol, self.known.trades_of
        if name is not None:
            told = await self._page(symbol, None, {name: found.place.id})
            if sum(one.quantity for one in told if one.place == found.place) == found.filled:
                return [one for one in told if one.place == found.place]
        since = await self.trades(symbol, (found.time or self.server_ms() - _RECENT_MS) - 1_000)
        return [one for one in since if one.place == found.place]

    def _needed(self, symbol: str) -> dict[str, Any]:
        market = self.market(symbol)
        if market is None:
            raise Unreadable(f"the exchange has no market {symbol}")
        return market

    async def close(self) -> None:
        """Ends its connections; however ccxt takes it."""
        try:
            await self.exchange.close()
        except asyncio.CancelledError:
            raise
        except Exception:  # there is nothing left to lose
            return
