"""RSK-13: a bound on slippage before sending, and what a fill beyond it leads to."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Send
from ordergate.bootstrap import Gate
from ordergate.config import Config, ConfigError, FundSection, load
from ordergate.domain.errors import Invalid
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import ReplaceOrder
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Acknowledged, Executed
from ordergate.domain.orders.states import ExecutionKind, OrderType, Side, State, TimeInForce
from ordergate.domain.risk.kill_switch import Mode, Trigger
from ordergate.domain.risk.limits import Level
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.gates import buy
from tests.unit.application.guards import entries, guarded, now_is

D = Decimal
STRATEGY = {"strategy_id": "trend"}


def fund(**terms: Any) -> Config:
    return Config(funds={"paper-momentum": FundSection(unlimited=True, **terms)})


def run(test, config: Config | None = None, can=CAPABILITIES):
    broker = ScriptedBroker(capabilities=can)

    async def main():
        async with guarded(config or fund(), broker) as gate:
            return await test(gate, broker)

    return run_virtual(main())


def market(gate: Gate, bid: str, ask: str, symbol: str = "AAPL") -> None:
    gate.runner.quote(Quote(symbol, gate.clock.now(), D(bid), D(ask), pinned=True))


async def filled(gate: Gate, broker: ScriptedBroker, order: Order, price: str, **more: Any) -> Order:
    terms = {"exec_id": "x1", "quantity": order.quantity, "completes": True} | more
    said = Executed(
        broker="paper", client_id=f"{order.order_id}.1", time=gate.clock.now(), price=D(price), **terms
    )
    broker.sink.report(said)
    return await now_is(gate, order.order_id)


class TestTheGate:
    """A mid of 100 and 10 bps: a buy is bound by 100.10, a sale by 99.90."""

    @pytest.mark.parametrize(("order", "bid", "ask", "passes"), [
        ({}, "99.9", "100.1", True),
        ({}, "99.89", "100.11", False),
        ({"side": Side.SELL}, "99.9", "100.1", True),
        ({"side": Side.SELL}, "99.89", "100.11", False),
        ({"order_type": OrderType.LIMIT, "limit_price": D("100.1")}, "99.5", "100.5", True),
        ({"order_type": OrderType.LIMIT, "limit_price": D("100.11")}, "99.5", "100.5", False),
        ({"order_type": OrderType.LIMIT, "limit_price": D("99.9"), "side": Side.SHORT}, "99.5", "100.5", True),
        ({"order_type": OrderType.LIMIT, "limit_price": D("99.89"), "side": Side.SHORT}, "99.5", "100.5", False),
    ])  # fmt: skip
    def test_what_would_cost_more_is_refused(self, order, bid, ask, passes) -> None:
        async def asked(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, bid, ask)
            made = (await gate.execute(buy(max_slippage_bps=D(10), **order))).order
            await gate.quiet()
            assert (made.state is State.SUBMITTED) is passes
            assert made.reason_code == (None if passes else RiskCode.SLIPPAGE)
            assert len(broker.calls) == passes

        run(asked)

    def test_without_a_market_it_cannot_be_held(self) -> None:
        async def asked(gate: Gate, _broker: ScriptedBroker) -> None:
            made = (await gate.execute(buy(max_slippage_bps=D(10)))).order
            assert (made.state, made.reason_code) == (State.REJECTED, RiskCode.SLIPPAGE)
            assert "no fresh quote" in made.reason

        run(asked)

    def test_a_change_is_held_to_the_mid_at_the_order_s_arrival(self) -> None:
        async def changed(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, "99", "101")
            made = (
                await gate.execute(
                    buy(max_slippage_bps=D(10), order_type=OrderType.LIMIT, limit_price=D(100))
                )
            ).order
            await gate.quiet()
            broker.sink.report(Acknowledged(broker="paper", client_id=f"{made.order_id}.1"))
            await gate.quiet()
            market(gate, "149", "151")  # by the present mid, anything would do
            for price, code in (("100.11", RiskCode.SLIPPAGE), ("100.10", None)):
                result = await gate.execute(ReplaceOrder(order_id=made.order_id, limit_price=D(price)))
                assert result.decision.code == code

        run(changed)

    def test_pips_of_what_has_none(self) -> None:
        async def asked(gate: Gate, _broker: ScriptedBroker) -> None:
            with pytest.raises(Invalid, match="max_slippage_bps") as refused:
                await gate.execute(buy(max_slippage_pips=D(1)))
            assert refused.value.pointer == "#/max_slippage_pips"

        run(asked)


class TestWhatLeaves:
    @pytest.mark.parametrize(("side", "bound"), [(Side.BUY, "100.1"), (Side.SELL, "99.9")])
    def test_a_market_order_leaves_with_its_bound_as_a_limit(self, side: Side, bound: str) -> None:
        async def sent(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, "99.95", "100.05")
            await gate.execute(buy(max_slippage_bps=D(10), side=side))
            await gate.quiet()
            (send,) = broker.calls
            assert isinstance(send, Send)
            assert (send.order_type, send.limit_price, send.tif) == (
                OrderType.LIMIT,
                D(bound),
                TimeInForce.IOC,
            )
            assert (await now_is(gate)).order_type is OrderType.MARKET

        run(sent)

    @pytest.mark.parametrize("can", [
        replace(CAPABILITIES, order_types=frozenset({OrderType.MARKET})),
        replace(CAPABILITIES, tifs=frozenset({TimeInForce.DAY})),
    ])  # fmt: skip
    def test_a_broker_without_such_orders_gets_it_as_it_is(self, can) -> None:
        async def sent(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, "99.95", "100.05")
            await gate.execute(buy(max_slippage_bps=D(10)))
            await gate.quiet()
            (send,) = broker.calls
            assert (send.order_type, send.limit_price, send.tif) == (OrderType.MARKET, None, TimeInForce.DAY)

        run(sent, can=can)

    def test_a_fill_or_kill_stays_one(self) -> None:
        async def sent(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, "99.95", "100.05")
            await gate.execute(buy(max_slippage_bps=D(10), tif=TimeInForce.FOK))
            await gate.quiet()
            assert broker.calls[0].tif is TimeInForce.FOK

        run(sent)

    def test_without_a_bound_nothing_is_different(self) -> None:
        async def sent(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, "99.95", "100.05")
            await gate.execute(buy())
            await gate.quiet()
            assert (broker.calls[0].order_type, broker.calls[0].tif) == (OrderType.MARKET, TimeInForce.DAY)

        run(sent)


class TestAfterAFill:
    ALERT = fund(slippage_alert_bps=D(10))
    PAUSE = fund(slippage_alert_bps=D(10), slippage_pause=True)

    @pytest.mark.parametrize(("side", "price", "told"), [
        (Side.BUY, "100.10", False), (Side.BUY, "100.11", True), (Side.BUY, "99", False),
        (Side.SELL, "99.90", False), (Side.SELL, "99.89", True), (Side.SELL, "101", False),
    ])  # fmt: skip
    def test_more_than_the_fund_bears_is_told(self, side: Side, price: str, told: bool) -> None:
        async def slipped(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, "99.95", "100.05")
            made = (await gate.execute(buy(side=side, **STRATEGY))).order
            await gate.quiet()
            assert (await filled(gate, broker, made, price)).state is State.CLOSED
            said = [entry.event for entry in await entries(gate, "SlippageExceeded")]
            assert len(said) == told
            if told:
                (event,) = said
                assert (event.benchmark, event.price, event.bps) == (D(100), D(price), D(11))
                assert (event.most_bps, event.most_pips) == (D(10), None)
            assert await entries(gate, "TradingHalted") == []

        run(slipped, self.ALERT)

    def test_the_order_s_own_bound_counts_before_the_fund_s(self) -> None:
        async def slipped(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, "99.95", "100.05")
            made = (await gate.execute(buy(max_slippage_bps=D(50)))).order
            await gate.quiet()
            await filled(gate, broker, made, "100.40")
            assert await entries(gate, "SlippageExceeded") == []
            other = (await gate.execute(buy("other", max_slippage_bps=D(50)))).order
            await gate.quiet()
            await filled(gate, broker, other, "100.60", exec_id="x2")
            (entry,) = await entries(gate, "SlippageExceeded")
            assert entry.event.most_bps == D(50)

        run(slipped, self.ALERT)

    def test_in_pips(self) -> None:
        async def slipped(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, "1.0849", "1.0851", "EURUSD")
            made = (await gate.execute(buy(symbol="EURUSD", quantity=D(1)))).order
            await gate.quiet()
            await filled(gate, broker, made, "1.08521")
            (entry,) = await entries(gate, "SlippageExceeded")
            assert (entry.event.pips, entry.event.most_pips) == (D("2.1"), D(2))

        run(slipped, fund(slippage_alert_pips=D(2)))

    def test_a_strategy_is_paused_within_the_same_step(self) -> None:
        async def paused(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, "99.95", "100.05")
            made = (await gate.execute(buy(**STRATEGY))).order
            await gate.quiet()
            await filled(gate, broker, made, "101")
            (exceeded,) = await entries(gate, "SlippageExceeded")
            (entry,) = await entries(gate, "TradingHalted")
            assert entry.index == exceeded.index + 1
            halt = entry.event.halt
            assert (halt.scope, halt.mode) == ((Level.STRATEGY, "trend"), Mode.REDUCE_ONLY)
            assert (halt.trigger, halt.by) == (Trigger.SLIPPAGE, "trigger/slippage")
            more = (await gate.execute(buy("more", **STRATEGY))).order
            assert more.reason_code == RiskCode.REDUCE_ONLY
            out = (await gate.execute(buy("out", side=Side.SELL, **STRATEGY))).order
            assert out.state is State.SUBMITTED, "what it holds can be closed"
            await gate.quiet()
            await filled(gate, broker, out, "90", exec_id="x2")
            assert len(await entries(gate, "TradingHalted")) == 1

        run(paused, self.PAUSE)

    def test_an_order_of_no_strategy_pauses_nobody(self) -> None:
        async def told(gate: Gate, broker: ScriptedBroker) -> None:
            market(gate, "99.95", "100.05")
            made = (await gate.execute(buy())).order
            await gate.quiet()
            await filled(gate, broker, made, "101")
            assert len(await entries(gate, "SlippageExceeded")) == 1
            assert await entries(gate, "TradingHalted") == []

        run(told, self.PAUSE)

    @pytest.mark.parametrize("what", ["again", "no market at arrival", "a bust came first"])
    def test_it_is_told_once_and_only_of_what_counts(self, what: str) -> None:
        async def told(gate: Gate, broker: ScriptedBroker) -> None:
            if what != "no market at arrival":
                market(gate, "99.95", "100.05")
            made = (await gate.execute(buy())).order
            await gate.quiet()
            if what == "a bust came first":
                more = {"execution_kind": ExecutionKind.BUST, "refers_to": "x1", "exec_id": "x2"}
                await filled(gate, broker, made, "0", quantity=D(0), completes=False, **more)
            await filled(gate, broker, made, "101")
            await filled(gate, broker, made, "101")
            assert len(await entries(gate, "SlippageExceeded")) == (what == "again")

        run(told, self.ALERT)


def test_the_fund_s_terms_in_a_file(tmp_path) -> None:
    file = tmp_path / "og.toml"
    head = "[funds.f]\nunlimited = true\n[signals]\nfund = 'f'\n"
    file.write_text(head.replace("unlimited", "slippage_alert_bps = 7.5\nslippage_pause = true\nunlimited"))
    (known,) = load(file).fund_values()
    assert (known.slippage.alert_bps, known.slippage.pause) == (D("7.5"), True)
    file.write_text(head)
    assert load(file).fund_values()[0].slippage is None
    file.write_text(head.replace("unlimited", "slippage_alert_bps = 0\nunlimited"))
    with pytest.raises(ConfigError, match="slippage_alert_bps"):
        load(file)
