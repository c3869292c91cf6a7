"""What becomes of orders at an exchange that does not answer as it should: the real ccxt against the fake exchange."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

pytest.importorskip("ccxt")

from ordergate.adapters.brokers.ccxt import CcxtBroker, CcxtSettings, finding
from ordergate.application.ports.brokers import Answer, Presence, Send, Withdraw
from ordergate.domain.orders.reports import INSUFFICIENT_MARGIN, Executed, Outcome
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.testing.conformance.counterpart import Recorder
from ordergate.testing.exchange import Exchange, Fault, diverted, serving
from ordergate.testing.exchange.server import Served
from tests.services.exchange import PERP, SPOT, broker_at, until

QUICK = replace(SPOT, deadline_ms=600, receive_window_ms=300)


def order(
    client_id: str = "ord-1.1", price: str | None = "50001", symbol: str = "BTC/USDT", **more: Any
) -> Send:
    return Send(
        client_id=client_id,
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal("0.01"),
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        tif=TimeInForce.GTC,
        limit_price=None if price is None else Decimal(price),
        **more,
    )


class Desk:
    """A broker with a session, the exchange behind it, and what was told."""

    def __init__(self, served: Served, settings: CcxtSettings) -> None:
        self.served, self.exchange, self.settings = served, served.exchange, settings
        self.symbol = settings.symbols[0]
        self.perp = ":" in self.symbol
        self.sink = Recorder()
        self.broker: CcxtBroker = broker_at(served, settings)
        self.market()

    def market(self, bid: str = "50000", ask: str = "50000.1", size: str = "10") -> None:
        self.exchange.set_market(Decimal(bid), Decimal(ask), Decimal(size), perp=self.perp)

    async def restart(self, cursor: str | None = None) -> None:
        await self.broker.close()
        self.broker, self.sink = broker_at(self.served, self.settings), Recorder()
        await self.broker.connect(self.sink, cursor)

    def posts(self) -> int:
        return sum(method == "POST" and path.endswith("/order") for method, path, _ in self.exchange.requests)

    async def submit(self, fault: Fault | None, send: Send, slow_s: float = 1.0) -> Answer:
        self.exchange.faults.slow_s = slow_s
        self.exchange.faults.inject(*(fault for fault in (fault,) if fault is not None))
        answer = await self.broker.submit(send)
        self.exchange.faults.inject()
        return answer


def at_desk(
    case: Callable[[Desk], Awaitable[None]], settings: CcxtSettings = QUICK, *, connect: bool = True
) -> None:
    @asynccontextmanager
    async def desk() -> AsyncIterator[Desk]:
        async with serving(Exchange()) as served:
            found = Desk(served, settings)
            try:
                if connect:
                    await found.broker.connect(found.sink, None)
                yield found
            finally:
                await found.broker.close()

    async def main() -> None:
        async with desk() as found:
            await case(found)

    asyncio.run(main())


DONE = [
    Fault.DROP,
    Fault.SERVER,
    Fault.TIMEOUT,
    Fault.GATEWAY,
    Fault.UNKNOWN_CODE,
    Fault.GARBLED,
    Fault.CUT,
    Fault.SLOW,
]


@pytest.mark.parametrize("settings", [QUICK, replace(PERP, deadline_ms=600)], ids=["spot", "perp"])
@pytest.mark.parametrize("fault", DONE)
def test_an_order_that_was_done_is_unknown_found_and_there_once(fault: Fault, settings: CcxtSettings) -> None:
    async def case(desk: Desk) -> None:
        answer = await desk.submit(fault, order(symbol=desk.symbol))
        assert answer.outcome is Outcome.UNKNOWN, answer
        assert desk.posts() == 1
        lookup = await desk.broker.lookup("ord-1.1")
        assert lookup.presence is Presence.FOUND, lookup
        assert [r.quantity for r in lookup.reports if isinstance(r, Executed)] == [Decimal("0.01")]
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill")
        assert len(desk.exchange.orders) == 1

    at_desk(case, settings)


@pytest.mark.parametrize("settings", [QUICK, replace(PERP, deadline_ms=600)], ids=["spot", "perp"])
@pytest.mark.parametrize(
    ("fault", "right"),
    [
        (Fault.REFUSE, Outcome.UNKNOWN),
        (Fault.POOR, Outcome.REJECTED),
        (Fault.LIMITED, Outcome.NOT_SENT),
        (Fault.CROWDED, Outcome.NOT_SENT),
        (Fault.BANNED, Outcome.NOT_SENT),
    ],
)
def test_an_order_that_was_not_done(fault: Fault, right: Outcome, settings: CcxtSettings) -> None:
    async def case(desk: Desk) -> None:
        answer = await desk.submit(fault, order(symbol=desk.symbol))
        assert answer.outcome is right, answer
        assert desk.posts() == 1
        assert desk.exchange.orders == []
        assert (answer.reason or "").startswith(INSUFFICIENT_MARGIN) is (fault is Fault.POOR)
        left_alone = answer.retry_after_s is not None
        assert (await desk.broker.lookup("ord-1.1")).presence is (
            Presence.UNAVAILABLE if left_alone else Presence.UNPROVEN
        )

    at_desk(case, settings)


def test_an_exchange_that_wants_to_be_left_alone_is() -> None:
    async def case(desk: Desk) -> None:
        crowded = await desk.submit(Fault.CROWDED, order())
        assert (crowded.outcome, crowded.retry_after_s) == (Outcome.NOT_SENT, 1.0)
        again = await desk.broker.submit(order())
        assert again.outcome is Outcome.NOT_SENT
        assert "left alone" in (again.reason or "")
        assert desk.posts() == 1

    at_desk(case)


def test_an_absence_is_proven_once_the_request_is_too_old_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finding, "MARGIN_S", 0.1)

    async def case(desk: Desk) -> None:
        answer = await desk.submit(Fault.LATE, order(), slow_s=0.9)
        assert answer.outcome is Outcome.UNKNOWN
        assert (await desk.broker.lookup("ord-1.1")).presence is Presence.UNPROVEN
        async with asyncio.timeout(30):
            while (await desk.broker.lookup("ord-1.1")).presence is not Presence.ABSENT:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.6)  # by now the exchange has looked at the request again, before its order book
        assert desk.exchange.orders == []
        assert (await desk.submit(None, order())).outcome is Outcome.ACCEPTED
        assert len(desk.exchange.orders) == 1

    at_desk(case, replace(QUICK, receive_window_ms=500, deadline_ms=400))


def test_an_absence_of_a_perpetual_s_order_is_never_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MARGIN_S", -0.2)

    async def case(desk: Desk) -> None:
        answer = await desk.submit(Fault.LATE, order(symbol=desk.symbol, price=None), slow_s=0.6)
        assert answer.outcome is Outcome.UNKNOWN
        async with asyncio.timeout(30):
            while not desk.exchange.orders:  # beyond window and margin, and before it gets to the book
                lookup = await desk.broker.lookup("ord-1.1")
                # On a busy machine not every question has its answer in time.
                assert lookup.presence is not Presence.ABSENT
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill", 30)

    at_desk(case, replace(PERP, deadline_ms=100, receive_window_ms=300))


def test_what_another_process_had_sent_is_absent_only_after_its_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finding, "MARGIN_S", 0.1)

    async def case(desk: Desk) -> None:
        assert (await desk.broker.lookup("ord-9.1")).presence is Presence.UNPROVEN
        async with asyncio.timeout(30):
            while (await desk.broker.lookup("ord-9.1")).presence is not Presence.ABSENT:
                await asyncio.sleep(0.02)
        desk.exchange.faults.inject(Fault.BLIND)
        assert (await desk.broker.lookup("ord-9.1")).presence is Presence.UNAVAILABLE

    at_desk(case)


def test_nothing_listens() -> None:
    async def case(desk: Desk) -> None:
        session = desk.broker.session
        assert session is not None
        with socket.socket() as gone:
            gone.bind(("127.0.0.1", 0))
            diverted(
                session.link.exchange, f"http://127.0.0.1:{gone.getsockname()[1]}"
            )  # bound, and never listens
            answer = await desk.broker.submit(order())
        assert answer.outcome is Outcome.NOT_SENT, answer
        assert desk.posts() == 0

    at_desk(case)


def test_a_retry_of_ccxt_s_own_does_not_leave() -> None:
    async def case(desk: Desk) -> None:
        session = desk.broker.session
        assert session is not None
        session.link.exchange.options["order"] = {"maxRetriesOnFailure": 1}
        answer = await desk.submit(Fault.DROP, order(price=None))
        assert answer.outcome is Outcome.UNKNOWN, answer
        assert (desk.posts(), len(desk.exchange.orders)) == (1, 1)

    at_desk(case)


def test_what_leaves_is_what_was_asked_for() -> None:
    async def case(desk: Desk) -> None:
        assert (await desk.broker.submit(order("ord-1.1", None))).outcome is Outcome.ACCEPTED
        assert (
            await desk.broker.submit(replace(order("ord-2.1"), tif=TimeInForce.IOC))
        ).outcome is Outcome.ACCEPTED
        market, limit = [
            given
            for method, path, given in desk.exchange.requests
            if (method, path) == ("POST", "/api/v3/order")
        ]
        assert "price" not in market
        assert "quoteOrderQty" not in market
        assert "timeInForce" not in market
        assert (market["quantity"], market["newClientOrderId"]) == ("0.01", "ord-1.1")
        assert (limit["price"], limit["timeInForce"], limit["newClientOrderId"]) == (
            "50001",
            "IOC",
            "ord-2.1",
        )
        assert limit["recvWindow"] == "300"

    at_desk(case)


def test_the_same_order_again_while_it_works_is_a_duplicate() -> None:
    async def case(desk: Desk) -> None:
        send = order(price="40000", symbol=desk.symbol)
        assert (await desk.broker.submit(send)).outcome is Outcome.ACCEPTED
        assert (await desk.broker.submit(send)).outcome is Outcome.DUPLICATE
        assert len(desk.exchange.orders) == 1

    at_desk(case)
    at_desk(case, PERP)


def test_not_found_on_a_cancel_is_looked_at() -> None:
    async def case(desk: Desk) -> None:
        placed = await desk.broker.submit(order(price="49000"))
        desk.exchange.faults.inject(Fault.MUTE)  # it fills, and nobody hears of it
        desk.market("48990", "48990.1")
        withdraw = Withdraw(client_id="ord-1.2", order="ord-1.1", broker_order_id=placed.broker_order_id)
        answer = await desk.broker.cancel(withdraw)
        assert answer.outcome is Outcome.REJECTED, answer
        assert "closed" in (answer.reason or "")
        assert desk.sink.filled == Decimal("0.01")
        assert not desk.sink.ends

    at_desk(case)


@pytest.mark.parametrize("settings", [QUICK, PERP], ids=["spot", "perp"])
def test_a_fill_that_overtakes_a_cancel(settings: CcxtSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(desk: Desk) -> None:
        await desk.broker.submit(order(price="49000", symbol=desk.symbol))
        cancel = desk.exchange.cancel

        def too_late(*asked: Any) -> Any:
            desk.market("48990", "48990.1")
            return cancel(*asked)

        monkeypatch.setattr(desk.exchange, "cancel", too_late)
        answer = await desk.broker.cancel(
            Withdraw(client_id="ord-1.2", order="ord-1.1", broker_order_id=None)
        )
        assert answer.outcome is Outcome.REJECTED, answer
        assert desk.sink.filled == Decimal("0.01")
        assert not desk.sink.ends

    at_desk(case, settings)


def test_a_cancel_that_was_done_and_not_answered_is_unknown() -> None:
    async def case(desk: Desk) -> None:
        await desk.broker.submit(order(price="49000"))
        desk.exchange.faults.inject(Fault.DROP)
        withdraw = Withdraw(client_id="ord-1.2", order="ord-1.1", broker_order_id=None)
        assert (await desk.broker.cancel(withdraw)).outcome is Outcome.UNKNOWN
        deletes = [method for method, _, _ in desk.exchange.requests if method == "DELETE"]
        assert len(deletes) == 1, "a cancel was sent again where its connection broke"

    at_desk(case)


@pytest.mark.slow
@pytest.mark.parametrize("slow_s", [8.0, 25.0])
def test_an_answer_that_is_really_slow(slow_s: float) -> None:
    async def case(desk: Desk) -> None:
        answer = await desk.submit(Fault.SLOW, order(), slow_s=slow_s)
        right = Outcome.ACCEPTED if slow_s < 10 else Outcome.UNKNOWN
        assert answer.outcome is right, answer
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill")
        assert desk.posts() == len(desk.exchange.orders) == 1

    at_desk(case, replace(SPOT, deadline_ms=10_000))
