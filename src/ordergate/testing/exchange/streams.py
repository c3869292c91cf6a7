"""User data streams: of spot over the WebSocket API, of perpetuals by a listen key."""

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, web

from ordergate.testing.exchange.faults import Fault
from ordergate.testing.exchange.signing import check_signed
from ordergate.testing.exchange.venue import Exchange, Order, Refused, Trade
from ordergate.testing.exchange.wire import event_out


class Streams:
    """The sessions that are open. What happens while none is goes to nobody."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._sessions: dict[asyncio.Queue[str | None], tuple[str, bool]] = {}
        self._held: dict[asyncio.Queue[str | None], str] = {}
        self._keys: dict[str, str] = {}
        self.opened = 0
        exchange.told.append(self._tell)

    @property
    def idle(self) -> bool:
        """Whether everything has left."""
        return not self._held and all(queue.empty() for queue in self._sessions)

    def drop(self) -> None:
        """Ends every session at once."""
        for queue in self._sessions:
            queue.put_nowait(None)

    def let_go(self) -> None:
        """What was held back to come after its successor comes now."""
        for queue, text in list(self._held.items()):
            queue.put_nowait(text)
        self._held.clear()

    def _tell(self, key: str, order: Order, kind: str, trade: Trade | None, name: str | None) -> None:
        faults = self._exchange.faults
        if Fault.MUTE in faults:
            return
        event = event_out(order, kind, trade, name, self._exchange.now())
        for queue, (of, perp) in self._sessions.items():
            if of != key or perp is not order.market.perp:
                continue
            text = json.dumps(event if perp else {"subscriptionId": 0, "event": event})
            if Fault.TORN in faults:
                text = text[: len(text) // 2]
            held = self._held.pop(queue, None)
            if Fault.REORDER in faults and held is None:
                self._held[queue] = text
                continue
            for one in (text, held):
                if one is not None:
                    queue.put_nowait(one)
                    if Fault.TWICE in faults:
                        queue.put_nowait(one)

    async def spot(self, request: web.Request) -> web.WebSocketResponse:
        """The WebSocket API: `userDataStream.subscribe.signature` alone."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        sending = asyncio.create_task(self._send(socket, queue))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    queue.put_nowait(self._subscribe(json.loads(message.data), queue))
        finally:
            await self._forget(queue, sending)
        return socket

    def _subscribe(self, asked: dict[str, Any], queue: asyncio.Queue[str | None]) -> str:
        given = {name: str(value) for name, value in asked.get("params", {}).items()}
        try:
            if asked.get("method") != "userDataStream.subscribe.signature":
                raise Refused(-1000, f"Unknown method {asked.get('method')!r}.")
            signature = given.pop("signature", "")
            query = "&".join(f"{name}={given[name]}" for name in sorted(given))
            key = check_signed(self._exchange, given.get("apiKey", ""), query, signature, given)
        except Refused as refused:
            error = {"code": refused.code, "msg": refused.message}
            return json.dumps({"id": asked.get("id"), "status": refused.status, "error": error})
        self._sessions[queue] = key, False
        self.opened += 1
        return json.dumps({"id": asked.get("id"), "status": 200, "result": {"subscriptionId": 0}})

    def listen_key(self, key: str) -> str:
        """One of a perpetual account's stream."""
        name = f"listen{key[:8]}{len(self._keys)}"
        self._keys[name] = key
        return name

    async def perp(self, request: web.Request) -> web.WebSocketResponse:
        """The stream of a listen key."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        key = self._keys.get(request.query.get("listenKey", ""))
        if key is None:
            await socket.close()
            return socket
        self._sessions[queue] = key, True
        self.opened += 1
        sending = asyncio.create_task(self._send(socket, queue))
        try:
            async for _message in socket:
                pass
        finally:
            await self._forget(queue, sending)
        return socket

    async def _send(self, socket: web.WebSocketResponse, queue: asyncio.Queue[str | None]) -> None:
        while (text := await queue.get()) is not None:
            await socket.send_str(text)
        self._sessions.pop(queue, None)
        self._held.pop(queue, None)
        await socket.close(code=1001)

    async def _forget(self, queue: asyncio.Queue[str | None], sending: asyncio.Task[None]) -> None:
        self._sessions.pop(queue, None)
        self._held.pop(queue, None)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
