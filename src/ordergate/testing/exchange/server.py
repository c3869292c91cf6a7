"""The exchange's doors: REST under the paths of spot and of USD-margined perpetuals, and their streams."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from ordergate.testing.exchange import wire
from ordergate.testing.exchange.faults import Fault
from ordergate.testing.exchange.signing import check_signed, check_time
from ordergate.testing.exchange.streams import Streams
from ordergate.testing.exchange.venue import ENDED, Exchange, Refused

_DAY_MS: Final = 86_400_000
_HALVES: Final = ("openOrders", "myTrades", "userTrades", "positionRisk", "allOrders")
_PAGE: Final = "<html><body><h1>{}</h1>The request could not be satisfied.</body></html>"

_PAGES: Final = ((Fault.SERVER, 502, "502 Bad Gateway"), (Fault.GATEWAY, 403, "403 Forbidden"))

Handler = Callable[[str, dict[str, str]], Any]


class Doors:
    """Answers requests of one exchange."""

    def __init__(self, exchange: Exchange, streams: Streams) -> None:
        self._exchange, self._streams = exchange, streams
        self._open: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "/api/v3/ping"): dict,
            ("GET", "/fapi/v1/ping"): dict,
            ("GET", "/api/v3/time"): lambda: {"serverTime": exchange.now()},
            ("GET", "/fapi/v1/time"): lambda: {"serverTime": exchange.now()},
            ("GET", "/api/v3/exchangeInfo"): lambda: self._info(False),
            ("GET", "/fapi/v1/exchangeInfo"): lambda: self._info(True),
        }
        self._signed: dict[tuple[str, str], Handler] = {
            ("GET", "/api/v3/account"): lambda key, _: wire.spot_account(exchange, exchange.accounts[key]),
            ("GET", "/fapi/v3/account"): lambda key, _: wire.perp_account(
                exchange.accounts[key], exchange.now()
            ),
            ("GET", "/fapi/v3/positionRisk"): lambda key, _: wire.positions_out(
                exchange, exchange.accounts[key]
            ),
            ("GET", "/fapi/v1/leverageBracket"): lambda _key, _given: [],
            ("GET", "/sapi/v1/account/apiRestrictions"): self._restrictions,
        }
        for perp, root, trades in ((False, "/api/v3", "myTrades"), (True, "/fapi/v1", "userTrades")):
            self._signed |= {
                ("POST", f"{root}/order"): self._with(perp, self._place),
                ("GET", f"{root}/order"): self._with(perp, self._find),
                ("DELETE", f"{root}/order"): self._with(perp, self._cancel),
                ("GET", f"{root}/openOrders"): self._with(perp, self._working),
                ("GET", f"{root}/allOrders"): self._with(perp, self._all),
                ("GET", f"{root}/{trades}"): self._with(perp, self._trades),
            }

    @staticmethod
    def _with(perp: bool, do: Callable[[str, bool, dict[str, str]], Any]) -> Handler:
        return lambda key, given: do(key, perp, given)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        faults, body = self._exchange.faults, await request.text()
        given = dict(parse_qsl(request.query_string or body))
        self._exchange.requests.append((request.method, request.path, given))
        if Fault.BANNED in faults:
            return _refusal(Refused(-1003, "Way too many requests; IP banned until 1.", 418))
        try:
            if request.path == "/fapi/v1/listenKey":
                return web.json_response(self._listen(request))
            open_door = self._open.get((request.method, request.path))
            if open_door is not None:
                return web.json_response(open_door())
            door = self._signed.get((request.method, request.path))
            if door is None:
                return web.Response(status=404, text=_PAGE.format("404 Not Found"), content_type="text/html")
            key = self._who(request, request.query_string or body, given)
            if Fault.LIMITED in faults:
                raise Refused(-1003, "Too much request weight used; current limit is 6000 per 1 MINUTE.", 429)
            listed = request.path.rpartition("/")[2] in _HALVES
            if request.method == "GET" and (Fault.BLIND in faults or (Fault.HALF in faults and listed)):
                page = _PAGE.format("503 Service Unavailable")
                return web.Response(status=503, text=page, content_type="text/html")
            if request.method == "GET":
                return web.json_response(door(key, given))
            return await self._trade(request, lambda: door(key, given), given)
        except Refused as refused:
            return _refusal(refused)

    def _who(self, request: web.Request, query: str, given: dict[str, str]) -> str:
        payload, _, signature = query.rpartition("&signature=")
        given.pop("signature", None)
        return check_signed(
            self._exchange, request.headers.get("X-MBX-APIKEY", ""), payload, signature, given
        )

    async def _trade(
        self, request: web.Request, do: Callable[[], Any], given: dict[str, str]
    ) -> web.StreamResponse:
        """With the faults of requests that trade."""
        faults = self._exchange.faults
        if Fault.CROWDED in faults:
            raise Refused(-1015, "Too many new orders; current limit is 50 orders per 10 SECOND.", 429)
        if Fault.REFUSE in faults:
            return _broken_off(request)
        if Fault.LATE in faults:
            await asyncio.sleep(faults.slow_s)
        if request.path.startswith("/api/"):  # of perpetuals the time is looked at on arrival alone
            check_time(self._exchange, given)
        done = web.json_response(do())
        if Fault.SLOW in faults:
            await asyncio.sleep(faults.slow_s)
        return await self._instead(request, done)

    async def _instead(self, request: web.Request, done: web.Response) -> web.StreamResponse:
        """What comes of the answer to a request that was done."""
        faults = self._exchange.faults
        if Fault.DROP in faults:
            return _broken_off(request)
        if Fault.CUT in faults:
            return await _cut_off(request, done)
        if Fault.TIMEOUT in faults:
            text = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
            raise Refused(-1007, text, 504)
        if Fault.UNKNOWN_CODE in faults:
            raise Refused(-9999, "Something that no document names.")
        if Fault.GARBLED in faults:
            return web.Response(text='{"symbol":"BTCU\x00\x01', content_type="application/json")
        for fault, status, text in _PAGES:
            if fault in faults:
                return web.Response(status=status, text=_PAGE.format(text), content_type="text/html")
        return done

    def _listen(self, request: web.Request) -> dict[str, str]:
        key = request.headers.get("X-MBX-APIKEY", "")
        if key not in self._exchange.accounts:
            raise Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        return {"listenKey": self._streams.listen_key(key)} if request.method == "POST" else {}

    def _info(self, perp: bool) -> dict[str, Any]:
        markets = [m for m in self._exchange.markets.values() if m.perp is perp]
        symbols = [wire.market_out(market) for market in markets]
        limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}]
        return {
            "timezone": "UTC",
            "serverTime": self._exchange.now(),
            "rateLimits": limits,
            "exchangeFilters": [],
            "symbols": symbols,
        }

    def _restrictions(self, key: str, _given: dict[str, str]) -> dict[str, Any]:
        account = self._exchange.accounts[key]
        return {
            "ipRestrict": False,
            "createTime": 1_600_000_000_000,
            "enableReading": True,
            "enableWithdrawals": account.withdraws,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": True,
            "permitsUniversalTransfer": False,
            "enableSpotAndMarginTrading": account.trades_spot,
        }

    def _place(self, key: str, perp: bool, given: dict[str, str]) -> Any:
        if Fault.POOR in self._exchange.faults:
            raise (
                Refused(-2019, "Margin is insufficient.")
                if perp
                else Refused(-2010, "Account has insufficient balance for requested action.")
            )
        return wire.placed_out(self._exchange.place(key, perp, given))

    def _find(self, key: str, perp: bool, given: dict[str, str]) -> Any:
        order = self._exchange.find(key, perp, given, "origClientOrderId")
        if order is None:
            raise Refused(-2013, "Order does not exist.")
        return wire.order_out(order)

    def _cancel(self, key: str, perp: bool, given: dict[str, str]) -> Any:
        return wire.canceled_out(*self._exchange.cancel(key, perp, given))

    def _working(self, key: str, perp: bool, given: dict[str, str]) -> Any:
        orders = self._exchange.of_key(key, perp, given.get("symbol"))
        return [wire.order_out(order) for order in orders if order.status not in ENDED]

    def _all(self, key: str, perp: bool, given: dict[str, str]) -> Any:
        since, limit = int(given.get("startTime", "0")), int(given.get("limit", "500"))
        found = [o for o in self._exchange.of_key(key, perp, given.get("symbol")) if o.time >= since]
        found = found[:limit] if since else found[-limit:]
        return [wire.order_out(order) for order in found]

    def _trades(self, key: str, perp: bool, given: dict[str, str]) -> Any:
        since, until = int(given.get("startTime", "0")), int(given.get("endTime", "0"))
        limit, named = int(given.get("limit", "500")), int(given.get("orderId", "0"))
        if limit > 1000:
            raise Refused(-1130, "Data sent for parameter 'limit' is not valid.")
        if "fromId" in given and ("startTime" in given or "endTime" in given):
            raise Refused(-1128, "Combination of optional parameters invalid.")
        if since and until and until - since > (7 if perp else 1) * _DAY_MS:
            raise Refused(
                -1127, f"More than {'7 days' if perp else '24 hours'} between startTime and endTime."
            )
        found = [
            trade
            for order in self._exchange.of_key(key, perp, given.get("symbol"))
            for trade in order.trades
            if trade.time >= since
            and (not until or trade.time <= until)
            and trade.id >= int(given.get("fromId", "0"))
            and named in (0, trade.order)
        ]
        found.sort(key=lambda trade: trade.id)
        found = found[:limit] if since or "fromId" in given else found[-limit:]
        return [wire.trade_out(trade, perp) for trade in found]


def _refusal(refused: Refused) -> web.Response:
    wait = {"Retry-After": "1"} if refused.status in (418, 429) else {}
    body = {"code": refused.code, "msg": refused.message}
    return web.json_response(body, status=refused.status, headers=wait)


def _broken_off(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut_off(request: web.Request, done: web.Response) -> web.StreamResponse:
    body = done.body if isinstance(done.body, bytes) else b""
    half = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    return _broken_off(request)


class Served:
    """An exchange at an address; `streams` can be dropped."""

    def __init__(self, exchange: Exchange, url: str, streams: Streams) -> None:
        self.exchange, self.url, self.streams = exchange, url, streams


@asynccontextmanager
async def serving(exchange: Exchange) -> AsyncIterator[Served]:
    """The exchange on a free port of this machine; all connections end with it."""
    streams = Streams(exchange)
    doors = Doors(exchange, streams)
    app = web.Application()
    app.router.add_get("/ws-api/v3", streams.spot)
    app.router.add_get("/private/ws", streams.perp)
    app.router.add_route("*", "/{rest:.*}", doors.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield Served(exchange, f"http://127.0.0.1:{port}", streams)
    finally:
        streams.drop()
        await runner.cleanup()
