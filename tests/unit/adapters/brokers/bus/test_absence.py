"""When an absence is proven: not while the connector may still do what it was asked."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ordergate.adapters.brokers.bus import BusBroker, BusSettings
from ordergate.adapters.brokers.bus.calling import Call, NotAnswered
from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.nats.connection import Connection
from ordergate.adapters.nats.letters import DeadLetters
from ordergate.application.ports.brokers import Presence, Send
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

SETTINGS = BusSettings(deadline_ms=10_000, grace_ms=10_000, proves_absence=True)
SEND = Send(
    client_id="ord-1.1", symbol="EURUSD", side=Side.BUY, quantity=Decimal(1), order_type=OrderType.MARKET,
    tif=TimeInForce.GTC,
)  # fmt: skip
HELLO = b'{"protocol":"ordergate.v1","order_types":["market"],"tifs":["day","gtc"],"proves_absence":true}'


class Slow:
    """A connector that greets after a while, breaks off at a submit, and knows of nothing."""

    valid_until: datetime

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock

    async def ask(self, subject: str, question: Any, kind: type[Any]) -> tuple[str, Any]:
        verb = subject.rpartition(".")[2]
        if verb == "hello":
            await self.clock.sleep(8)
            return "", msgspec.json.decode(HELLO, type=kind)
        if verb == "submit":
            self.valid_until = question.valid_until
            raise NotAnswered("the connection broke off")
        return "", msgspec.json.decode(b'{"presence":"absent"}', type=kind)


def test_an_absence_is_proven_only_after_the_request_is_void() -> None:
    clock = VirtualClock(datetime(2026, 1, 5, 9, tzinfo=UTC))

    async def main() -> None:
        connection = Connection(("nats://127.0.0.1:1",), buffers=False)
        broker = BusBroker("desk", SETTINGS, connection, DeadLetters(connection, "desk"), clock)
        broker._call = slow = Slow(clock)  # type: ignore[assignment]
        broker._sink = object()  # type: ignore[assignment]
        broker.reports.there.set()
        assert (await broker.submit(SEND)).outcome is Outcome.UNKNOWN
        found = []
        while (presence := (await broker.lookup("ord-1.1")).presence) is Presence.UNPROVEN:
            found.append(clock.now())
            await clock.sleep(1)
        assert presence is Presence.ABSENT
        assert clock.now() >= slow.valid_until
        assert len(found) == 10

    run_virtual(main())


class Reply:
    def __init__(self, data: bytes) -> None:
        self.data = data


class Client:
    """Of a server whose connector answers with what is nested too deep to be read."""

    async def request(self, _subject: str, _body: bytes, **_more: float) -> Reply:
        return Reply(b'{"outcome":"accepted","note":' + b"[" * 3000 + b"]" * 3000 + b"}")

    async def client(self) -> "Client":
        return self


def test_an_answer_that_is_nested_too_deep_is_none() -> None:
    from ordergate.adapters.brokers.bus.wire import AnswerIn

    call: Callable[..., Any] = Call(Client(), 1.0).ask  # type: ignore[arg-type]
    with pytest.raises(NotAnswered, match="cannot be read"):
        asyncio.run(call("x", {}, AnswerIn))
