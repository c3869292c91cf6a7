"""Sessions at an exchange: streams that lose things, clocks and logins that are wrong, orders of others."""

import asyncio
import importlib
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

pytest.importorskip("ccxt")

from structlog.testing import capture_logs

from ordergate.adapters.brokers.ccxt import CcxtBroker, CcxtSettings, finding, known, link
from ordergate.adapters.brokers.ccxt.library import Credentials, ExchangeError, exchange_of
from ordergate.adapters.brokers.ccxt.reading import Unreadable
from ordergate.adapters.clock import SystemClock
from ordergate.application.ports.brokers import LoginRefused, Presence, Withdraw
from ordergate.domain.orders.reports import End, Outcome
from ordergate.testing.conformance.counterpart import Recorder
from ordergate.testing.exchange import Exchange, Fault, serving
from tests.integration.test_ccxt_faults import QUICK, Desk, at_desk, order
from tests.services.exchange import PERP, SECRET, SPOT, broker_at, credentials, until

POLLED = replace(SPOT, poll_ms=100)


@pytest.mark.parametrize("settings", [POLLED, replace(PERP, poll_ms=100)], ids=["spot", "perp"])
@pytest.mark.parametrize("fault", [Fault.MUTE, Fault.TORN])
def test_what_the_stream_loses_is_found_by_the_next_look(fault: Fault, settings: CcxtSettings) -> None:
    async def case(desk: Desk) -> None:
        await desk.broker.submit(order("ord-1.1", "49000", desk.symbol))
        await desk.broker.submit(order("ord-2.1", "48000", desk.symbol))
        desk.exchange.faults.inject(fault)
        desk.market("48990", "48990.1")
        await desk.broker.cancel(Withdraw(client_id="ord-2.2", order="ord-2.1", broker_order_id=None))
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill")
        await until(lambda: [end.end for end in desk.sink.ends] == [End.CANCELED], "the end")

    at_desk(case, settings)


def test_a_stream_that_breaks_is_opened_again_and_nothing_is_missing() -> None:
    async def case(desk: Desk) -> None:
        await desk.broker.submit(order("ord-1.1", "49000"))
        opened = desk.served.streams.opened
        desk.exchange.faults.inject(Fault.MUTE)
        desk.served.streams.drop()
        desk.market("48990", "48990.1")
        desk.exchange.faults.inject()
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill")
        await until(lambda: desk.served.streams.opened > opened, "another stream")
        await desk.broker.submit(order("ord-2.1", "48990.1"))
        await until(lambda: desk.sink.filled == Decimal("0.02"), "the fill of the new stream")

    at_desk(case)


def test_a_fill_while_we_were_away_is_told_on_connect() -> None:
    async def case(desk: Desk) -> None:
        await desk.broker.submit(order("ord-1.1", "49000"))
        await until(lambda: bool(desk.sink.reports), "a report")
        cursor = desk.sink.reports[-1].cursor
        await desk.broker.close()
        desk.market("48990", "48990.1")
        await desk.restart(cursor)
        assert desk.sink.filled == Decimal("0.01")

    at_desk(case)


@pytest.mark.parametrize("known", [credentials(key="X" * 64), credentials(secret="wrong" * 8), Credentials()])
@pytest.mark.parametrize("settings", [QUICK, PERP], ids=["spot", "perp"])
def test_a_wrong_login_is_one_clear_error_and_no_loop(known: Credentials, settings: CcxtSettings) -> None:
    async def case(desk: Desk) -> None:
        await desk.broker.close()
        broker = broker_at(desk.served, settings, known)
        with capture_logs() as logs, pytest.raises(LoginRefused, match=r"brokers\.exchange") as error:
            await broker.connect(Recorder(), None)
        assert "refuses the login" in str(error.value)
        assert "check the key" in str(error.value)
        assert SECRET not in str(error.value)
        assert len([line for line in logs if line["log_level"] == "error"]) == 1
        asked = len(desk.exchange.requests)
        await asyncio.sleep(0.3)
        assert len(desk.exchange.requests) == asked
        assert (await broker.submit(order(symbol=desk.symbol))).outcome is Outcome.NOT_SENT

    at_desk(case, settings, connect=False)


@pytest.mark.parametrize(("skew_ms", "way"), [(6_000, "behind"), (-1_500, "ahead of")])
def test_a_clock_that_is_wrong_is_said_and_nothing_is_sent(skew_ms: int, way: str) -> None:
    async def case(desk: Desk) -> None:
        desk.exchange.faults.skew_ms = skew_ms
        connecting = asyncio.create_task(desk.broker.connect(desk.sink, None))
        await until(
            lambda: desk.broker.session is not None and desk.broker.session.why is not None, "a reason"
        )
        answer = await desk.broker.submit(order())
        assert answer.outcome is Outcome.NOT_SENT
        assert f"s {way} the exchange's" in (answer.reason or "")
        health = await desk.broker.check()
        assert health.clock_ahead_s is not None
        assert abs(health.clock_ahead_s - Decimal(skew_ms) / 1000) < Decimal("0.2")
        assert any("set it right" in problem for problem in health.problems)
        desk.exchange.faults.skew_ms = 0
        await connecting
        await until(
            lambda: desk.broker.session is not None and desk.broker.session.there.is_set(), "a session"
        )
        assert (await desk.broker.submit(order())).outcome is Outcome.ACCEPTED

    at_desk(case, replace(SPOT, deadline_ms=1_000), connect=False)


def test_an_exchange_that_is_away_is_waited_for() -> None:
    async def case(desk: Desk) -> None:
        desk.exchange.faults.inject(Fault.BLIND)
        connecting = asyncio.create_task(desk.broker.connect(desk.sink, None))
        await until(
            lambda: desk.broker.session is not None and desk.broker.session.why is not None, "a reason"
        )
        assert (await desk.broker.submit(order())).outcome is Outcome.NOT_SENT
        assert (await desk.broker.lookup("ord-1.1")).presence is Presence.UNAVAILABLE
        desk.exchange.faults.inject()
        await connecting
        assert (await desk.broker.submit(order())).outcome is Outcome.ACCEPTED

    at_desk(case, connect=False)


def test_orders_of_others_are_left_alone() -> None:
    async def case(desk: Desk) -> None:
        exchange, terms = desk.exchange, {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.02"}
        exchange.place(exchange.key, desk.perp, {**terms, "type": "MARKET"})
        resting = exchange.place(
            exchange.key, desk.perp, {**terms, "type": "LIMIT", "price": "40000", "timeInForce": "GTC"}
        )
        await desk.broker.submit(order("ord-1.1", "50001", desk.symbol))
        await desk.broker.submit(order("ord-2.1", "40000", desk.symbol))
        await until(lambda: desk.sink.filled == Decimal("0.01"), "our fill")
        assert (await desk.broker.open_orders()).client_ids == {"ord-2.1"}
        statement = await desk.broker.statement(SystemClock().now())
        assert statement.complete
        assert statement.working == {"ord-2.1"}
        await desk.restart()
        assert desk.sink.filled == Decimal("0.01")
        named = {report.client_id for report in desk.sink.reports}
        assert named == {"ord-1.1", "ord-2.1"}
        assert resting.status == "NEW"

    at_desk(case)
    at_desk(case, PERP)


def test_what_is_in_the_account() -> None:
    async def spot(desk: Desk) -> None:
        before = await desk.broker.statement(SystemClock().now())
        await desk.broker.submit(order())
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill")
        after = await desk.broker.statement(SystemClock().now())
        assert (before.positions, after.positions) == (None, None)
        assert before.balances is not None
        assert after.balances is not None
        assert before.balances["USDT"] - after.balances["USDT"] == Decimal("500.001")

    async def perp(desk: Desk) -> None:
        await desk.broker.submit(order(symbol=desk.symbol))
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill")
        after = await desk.broker.statement(SystemClock().now())
        assert (after.positions, after.balances) == ({desk.symbol: Decimal("0.01")}, None)
        (fill,) = desk.sink.executions.values()
        assert fill.deltas is not None
        assert [one.position_key for one in fill.deltas] == [
            "exchange:Perp:BTCUSDT",
            "exchange:BaseToken:USDT",
        ]

    at_desk(spot)
    at_desk(perp, PERP)


@pytest.mark.parametrize(("moves", "complete"), [(1, True), (9, False)])
def test_an_account_that_moves_while_it_is_looked_at(moves: int, complete: bool) -> None:
    async def case(desk: Desk) -> None:
        session = desk.broker.session
        assert session is not None
        ask, left = session.link.exchange.fetch_balance, moves

        async def meanwhile() -> Any:
            nonlocal left
            if left:
                left -= 1
                desk.exchange.place(
                    desk.exchange.key,
                    desk.perp,
                    {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.01", "type": "MARKET"},
                )
            return await ask()

        session.link.exchange.fetch_balance = meanwhile
        assert (await desk.broker.statement(SystemClock().now())).complete is complete
        assert left == (0 if complete else moves - 3)

    at_desk(case)


def test_a_check_needs_no_session_and_says_what_the_key_may_do() -> None:
    async def case(desk: Desk) -> None:
        exchange = desk.exchange
        exchange.accounts[exchange.key].withdraws = True
        health = await desk.broker.check()
        assert (health.reached, health.login, health.may_trade, health.may_withdraw) == (
            True,
            True,
            True,
            True,
        )
        assert health.open_orders == 0
        assert desk.broker.session is None
        exchange.accounts[exchange.key].withdraws = False
        assert (await desk.broker.check()).may_withdraw is False
        refused = await broker_at(desk.served, desk.settings, credentials(key="X" * 64)).check()
        assert (refused.reached, refused.login) == (True, False)
        exchange.faults.inject(Fault.BLIND)
        blind = await desk.broker.check()
        assert blind.login is None
        assert "could not be asked" in blind.problems[0]

    at_desk(case, connect=False)
    at_desk(case, PERP, connect=False)


def test_an_order_is_found_in_whichever_symbol_it_is() -> None:
    async def main() -> None:
        exchange = Exchange()
        other = exchange.markets["ETHUSDT", False] = replace(
            exchange.markets["BTCUSDT", False], symbol="ETHUSDT", base="ETH"
        )
        settings = replace(QUICK, symbols=("BTC/USDT", "ETH/USDT"))
        async with serving(exchange) as served:
            desk = Desk(served, settings)
            await desk.broker.connect(desk.sink, None)
            exchange.set_market(Decimal(2000), Decimal(2001), Decimal(10), symbol=other.symbol)
            assert (
                await desk.broker.submit(order("ord-1.1", "2001", "ETH/USDT"))
            ).outcome is Outcome.ACCEPTED
            await desk.restart()
            lookup = await desk.broker.lookup("ord-1.1")
            assert lookup.presence is Presence.FOUND
            assert {report.broker_order_id for report in lookup.reports} == {"ETH/USDT#1001"}
            refused = await desk.broker.submit(order("ord-2.1", "1", "XRP/USDT"))
            assert refused.outcome is Outcome.REJECTED
            assert "brokers.exchange.symbols has BTC/USDT, ETH/USDT" in (refused.reason or "")
            await desk.broker.close()

    asyncio.run(main())


def test_trades_are_read_to_the_last_page(monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(desk: Desk) -> None:
        for number in range(5):
            await desk.broker.submit(order(f"ord-{number}.1", None))
            await asyncio.sleep(0.002)
        await until(lambda: desk.sink.filled == Decimal("0.05"), "the fills")
        session = desk.broker.session
        assert session is not None
        monkeypatch.setattr(link, "_PAGE", 2)
        monkeypatch.setattr(link, "_WINDOW_MS", 600_000)
        found = await session.link.trades("BTC/USDT", session.link.server_ms() - 3_600_000)
        assert len(found) == 5
        for trade in desk.exchange.trades:
            trade.time = desk.exchange.trades[0].time
        since = desk.exchange.trades[0].time
        assert len(await session.link.trades("BTC/USDT", since)) == 5, "more than a page at one moment"
        session.link.known = known.UNKNOWN
        with pytest.raises(Unreadable, match="of one moment"):
            await session.link.trades("BTC/USDT", since)

    at_desk(case)


def test_ccxt_is_as_it_must_be() -> None:
    settings = CcxtSettings(symbols=("BTC/USDT",))

    async def main() -> None:
        exchange = exchange_of(settings, credentials())
        assert exchange.enableRateLimit is True
        assert exchange.number is str
        assert exchange.timeout == 10_000
        assert exchange.options["maxRetriesOnFailure"] == 0
        assert exchange.options["recvWindow"] == 5_000
        sandbox = exchange_of(replace(settings, sandbox=True), credentials())
        assert "testnet" in sandbox.urls["api"]["private"]
        perp = replace(settings, sandbox=True, market=PERP.market, symbols=PERP.symbols)
        assert "demo" in exchange_of(perp, credentials()).urls["api"]["fapiPrivate"]

    asyncio.run(main())


def test_an_exchange_of_which_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is traded at, under ids that any exchange takes; and no absence is ever proven."""
    monkeypatch.setattr(finding, "MARGIN_S", -10.0)
    monkeypatch.delitem(known.KNOWN, "binance")

    async def case(desk: Desk) -> None:
        made = "ord-01jabcdefghjkmnpqrstvwxyz0"
        answer = await desk.broker.submit(order(f"{made}.1"))
        assert answer.outcome is Outcome.ACCEPTED
        assert desk.exchange.orders[0].client_id == "o01jabcdefghjkmnpqrstvwxyz0001"
        await until(lambda: desk.sink.filled == Decimal("0.01"), "the fill")
        assert {report.client_id for report in desk.sink.reports} == {f"{made}.1"}
        assert (await desk.broker.lookup(f"{made}.1")).presence is Presence.FOUND
        assert (await desk.broker.lookup("ord-01jabcdefghjkmnpqrstvwxyz1.1")).presence is Presence.UNPROVEN
        refused = await desk.broker.submit(order("desk-7.1"))
        assert refused.outcome is Outcome.REJECTED
        assert "let ordergate make the order's id" in (refused.reason or "")
        limited = await desk.submit(Fault.CROWDED, order("ord-01jabcdefghjkmnpqrstvwxyz2.1"))
        assert limited.outcome is Outcome.UNKNOWN

    at_desk(case)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExchangeError, match="'binanze' is none that ccxt"):
        CcxtBroker("b", replace(SPOT, exchange="binanze"), credentials(), SystemClock())

    with pytest.raises(ExchangeError, match=r"of bithumb ccxt knows no .*watchMyTrades"):
        CcxtBroker("b", replace(SPOT, exchange="bithumb"), credentials(), SystemClock())

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ExchangeError, match=r"pip install 'ordergate\[ccxt\]'"):
        CcxtBroker("b", SPOT, credentials(), SystemClock())
