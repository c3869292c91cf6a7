"""What an account at an exchange may look like: orders of others, many trades at once, answers that lag behind."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

pytest.importorskip("ccxt")

from ordergate.adapters.brokers.ccxt import sessions
from ordergate.adapters.brokers.ccxt.reading import Place
from ordergate.adapters.brokers.ccxt.sessions import Session
from ordergate.adapters.brokers.ccxt.telling import Behind
from ordergate.application.ports.brokers import Presence
from ordergate.testing.exchange import Fault
from ordergate.testing.exchange.venue import Order
from tests.integration.test_ccxt_faults import QUICK, Desk, at_desk, order
from tests.services.exchange import PERP, until

BOTH = pytest.mark.parametrize("settings", [QUICK, replace(PERP, deadline_ms=600)], ids=["spot", "perp"])


def session_of(desk: Desk) -> Session:
    session = desk.broker.session
    assert session is not None
    assert session.following is not None
    return session


@BOTH
def test_an_order_of_others_without_a_quantity_keeps_nobody_out(settings: Any) -> None:
    """One that spends so much money and found no one, or one that closes a position."""

    async def case(desk: Desk) -> None:
        exchange = desk.exchange
        for number, status in enumerate(("NEW", "EXPIRED")):
            odd = Order(
                id=900 + number,
                key=exchange.key,
                market=exchange.market("BTCUSDT", desk.perp),
                client_id=f"web_{number}",
                side="BUY",
                type="MARKET",
                tif="GTC",
                quantity=Decimal(0),
                price=Decimal(0),
                time=exchange.now(),
                updated=exchange.now(),
                status=status,
            )
            exchange.orders.append(odd)
        await desk.broker.connect(desk.sink, None)
        await desk.broker.submit(order(symbol=desk.symbol))
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill")
        assert (await desk.broker.open_orders()).complete
        assert {report.client_id for report in desk.sink.reports} == {"ord-1.1"}

    at_desk(case, settings, connect=False)


@BOTH
def test_a_trade_whose_order_is_not_listed_yet_is_nobody_s_for_a_while_only(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def case(desk: Desk) -> None:
        following = session_of(desk).following
        assert following is not None
        desk.exchange.faults.inject(Fault.MUTE)  # another process of ours had sent it
        given = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        desk.exchange.place(desk.exchange.key, desk.perp, {**given, "newClientOrderId": "ord-7.1"})
        with monkeypatch.context() as lagging:
            lagging.setattr(desk.exchange, "find", lambda *_asked: None)
            cursor = session_of(desk).telling.cursor
            with pytest.raises(Behind, match="is not there yet"):
                await following.look(deep=False)
            assert session_of(desk).telling.cursor == cursor
        await following.look(deep=False)
        assert desk.sink.filled == Decimal("0.01")

    at_desk(case, settings)


def test_an_order_that_is_too_old_to_be_listed_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(desk: Desk) -> None:
        following = session_of(desk).following
        assert following is not None
        desk.exchange.faults.inject(Fault.MUTE)
        given = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        desk.exchange.place(desk.exchange.key, desk.perp, {**given, "newClientOrderId": "web_7"})
        desk.exchange.trades[0].time -= 70_000
        session_of(desk).telling.cursor = str(desk.exchange.now() - 60_000)
        monkeypatch.setattr(desk.exchange, "find", lambda *_asked: None)
        assert await following.look(deep=False) is None

    at_desk(case)


def test_somebody_else_s_order_that_turns_out_to_be_ours() -> None:
    async def case(desk: Desk) -> None:
        telling = session_of(desk).telling
        telling.learn(Place("BTC/USDT", "1001"), None)
        await desk.broker.submit(order())
        assert telling.place_of("ord-1.1") == Place("BTC/USDT", "1001")
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill")

    at_desk(case)


@BOTH
def test_the_trades_of_an_order_are_one_question(settings: Any) -> None:
    """However old the order is, and where the stream does not say how old."""

    async def case(desk: Desk) -> None:
        await desk.broker.submit(order(symbol=desk.symbol))
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill")
        link = session_of(desk).link
        found = await link.order(Place(desk.symbol, "1001"))
        asked = len(desk.exchange.requests)
        trades = await link.trades_of(replace(found, time=0))
        assert [one.quantity for one in trades] == [Decimal("0.01")]
        assert len(desk.exchange.requests) == asked + 1
        assert (await desk.broker.lookup("ord-1.1")).presence is Presence.FOUND

    at_desk(case, settings)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(sessions.asyncio, "sleep", noted)
    return slept


def test_who_is_banned_waits_as_long_as_the_exchange_says(pauses: list[float]) -> None:
    async def case(desk: Desk) -> None:
        desk.exchange.faults.inject(Fault.BANNED)
        connecting = asyncio.create_task(desk.broker.connect(desk.sink, None))
        await until(lambda: any(0.5 < pause <= 1.0 for pause in pauses), "the pause", 30)
        assert len(desk.exchange.requests) <= 2, "it went on asking"
        await desk.broker.close()
        connecting.cancel()

    at_desk(case, connect=False)


def test_what_is_free_for_margin() -> None:
    async def perp(desk: Desk) -> None:
        told = desk.broker.account
        assert told is not None
        assert (told.currency, told.free_margin) == ("USDT", Decimal(10_000_000))
        desk.exchange.accounts[desk.exchange.key].wallet["USDT"] = Decimal(7)
        following = session_of(desk).following
        assert following is not None
        await following.look(deep=False)
        again = desk.broker.account
        assert again is not None
        assert again.free_margin == Decimal(7)
        assert again.at >= told.at
        await desk.broker.close()
        assert desk.broker.account is None

    async def spot(desk: Desk) -> None:
        assert desk.broker.account is None  # coins are not margined

    at_desk(perp, PERP)
    at_desk(spot)
