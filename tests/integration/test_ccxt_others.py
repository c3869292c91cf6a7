"""What ccxt does at exchanges other than Binance, as far as a server that only logs in, or none at all, can show it."""

import asyncio
import json
from typing import Any

import pytest

pytest.importorskip("ccxt")

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from ordergate.adapters.brokers.ccxt import CcxtSettings
from ordergate.adapters.brokers.ccxt.following import Following
from ordergate.adapters.brokers.ccxt.known import UNKNOWN, theirs
from ordergate.adapters.brokers.ccxt.library import Credentials, exchange_of
from ordergate.adapters.brokers.ccxt.link import Link
from ordergate.adapters.brokers.ccxt.reading import order_in, standing
from ordergate.adapters.brokers.ccxt.telling import Telling
from ordergate.application.ports.secrets import fixed
from ordergate.application.stopping import stopped
from ordergate.domain.orders.reports import End, Ended
from ordergate.testing.exchange import diverted
from tests.services.exchange import until

MADE = "ord-01jabcdefghjkmnpqrstvwxyz0"
MARKET: dict[str, Any] = {
    "id": "DOGEUSDT", "symbol": "DOGE/USDT", "base": "DOGE", "quote": "USDT", "baseId": "DOGE", "quoteId": "USDT",
    "type": "spot", "spot": True, "active": True, "contract": False, "swap": False, "future": False, "option": False,
    "margin": False, "precision": {"amount": "0.01", "price": "0.0001"}, "limits": {},
}  # fmt: skip


def exchange(name: str, options: dict[str, Any] | None = None) -> Any:
    settings = CcxtSettings(exchange=name, symbols=("DOGE/USDT",), options=options or {})
    found = exchange_of(settings, Credentials(fixed("k"), fixed("s"), fixed("p")))
    found.set_markets([found.safe_market_structure(MARKET)])
    return found


async def lets_in(request: web.Request) -> web.WebSocketResponse:
    """Takes every login and every subscription."""
    stream = web.WebSocketResponse()
    await stream.prepare(request)
    async for message in stream:
        if message.type is not WSMsgType.TEXT or message.data == "ping":
            continue
        asked = json.loads(message.data)
        if asked["op"] == "login":
            await stream.send_json({"event": "login", "success": True, "code": "0", "msg": ""})
        for one in asked["args"] if asked["op"] == "subscribe" else ():
            await stream.send_json({"event": "subscribe", "arg": one})
    return stream


@pytest.mark.parametrize("name", ["okx", "bitget"])
def test_a_stream_with_a_login_of_its_own_is_followed(name: str) -> None:
    async def main() -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", lets_in)
        async with TestServer(application) as server:
            streams = diverted(exchange(name), f"http://{server.host}:{server.port}")
            streams.has["fetchTime"] = False
            link, opened = Link(streams, UNKNOWN), asyncio.Event()
            telling = Telling("b", link.if_there, link.trades_of, link.server_ms)
            following = Following(link, telling, (), 30.0, lambda: streams, looked, opened.set)
            run = asyncio.create_task(following.run())
            try:
                await until(lambda: opened.is_set() or run.done(), "the account", 30)
                assert opened.is_set(), run
            finally:
                await stopped(run)
                await streams.close()

    async def looked() -> None:
        pass

    asyncio.run(main())


@pytest.mark.parametrize(("name", "more"), [("gate", []), ("bybit", [False])])
def test_a_quantity_never_counts_as_money(name: str, more: list[Any]) -> None:
    """Gate's spot, and a classic account at Bybit, take an amount of money for a market buy."""
    at = exchange(name)
    with pytest.raises(Exception, match="requires the price argument"):
        at.create_order_request("DOGE/USDT", "market", "buy", "1000", None, {}, *more)


def test_gate_s_ids_are_too_short_for_ours() -> None:
    sent = theirs(f"{MADE}.1", UNKNOWN)
    with pytest.raises(Exception, match="up to 28 characters"):
        exchange("gate").create_order_request(
            "DOGE/USDT", "limit", "buy", "1", "0.1", {"clientOrderId": sent}
        )


def test_an_order_that_bybit_has_canceled_after_a_part_is_at_its_end() -> None:
    at = exchange("bybit")
    market = at.market("DOGE/USDT")
    said = {
        "orderId": "1", "orderLinkId": "o01jabcdefghjkmnpqrstvwxyz0001", "symbol": "DOGEUSDT", "side": "Buy",
        "orderStatus": "PartiallyFilledCanceled", "orderType": "Limit", "timeInForce": "GTC", "qty": "10",
        "cumExecQty": "4", "leavesQty": "0", "price": "0.1", "avgPrice": "0.1", "cumExecValue": "0.4",
        "createdTime": "1700000000000", "updatedTime": "1700000001000", "cancelType": "CancelByUser",
    }  # fmt: skip
    found = order_in(at.parse_order(said, market), market, UNKNOWN)
    assert (found.status, found.client_id, found.works) == ("closed", f"{MADE}.1", False)
    ended = standing(found, "b")
    assert isinstance(ended, Ended)
    assert ended.end is End.CANCELED
