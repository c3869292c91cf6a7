"""Orders to venues: simulated, refused, pending; each in the journal like any other."""

import asyncio
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from ordergate.application.ports.brokers import Answer
from ordergate.bootstrap import Gate
from ordergate.config import Config, InstrumentSection, PaperBroker
from ordergate.domain.errors import OutcomeUnknown, StoreError
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import Side
from ordergate.sdk.line import WrongLoop
from ordergate.sdk.venues import (
    ExecutionHandshake,
    ExecutionManager,
    Order,
    OrderOperation,
    PositionMonitor,
    VenueInterfaceManager,
)
from ordergate.sdk.venues import routing as routing_module
from tests.unit.sdk.venues.gates import AT, on_loop, quote, running, spot


@pytest.fixture
def routing(gate: Gate) -> VenueInterfaceManager:
    return VenueInterfaceManager(gate, timeout_s=5)


def orders(gate: Gate) -> list:
    return on_loop(gate, gate.queries.orders())


@pytest.mark.parametrize("timestamp", [AT, pd.Timestamp("2026-01-05", tz="UTC"), pd.Timestamp("2026-01-05")])
def test_a_known_venue_without_a_broker_is_simulated(
    gate: Gate, routing: VenueInterfaceManager, timestamp: datetime
) -> None:
    done = routing.route_to_venue(timestamp, spot())
    assert done.was_successful()
    assert done.simulated
    assert done.validate_execution()
    assert (done.executed_amount, done.executed_price, done.slippage) == (0.5, 45000.0, 0.5)
    assert done.position_deltas == {"BTC": 0.5, "USDT": -22500.0}
    (order,) = orders(gate)
    assert (order.broker, order.quantity, order.side) == ("binance", Decimal("0.5"), Side.BUY)
    assert done.venue_metadata["order_id"] == order.order_id
    assert done.trade_id == order.broker_order_id
    assert done.submitted_at == order.submitted_at


def test_a_broker_of_that_name_has_it(gate: Gate, routing: VenueInterfaceManager) -> None:
    done = routing.route_to_venue(AT, spot(venue="paper"))
    assert done.venue_metadata["broker"] == "paper"
    assert done.position_deltas == {"BTC": 0.5, "USDT": -22500.0}


def test_a_broker_may_have_another_name(gate: Gate) -> None:
    routing = VenueInterfaceManager(gate, brokers={"binance": "paper"})
    done = routing.route_to_venue(AT, spot())
    assert done.venue_metadata["broker"] == "paper"
    assert done.position_deltas == {"BTC": 0.5, "USDT": -22500.0}
    wrong = VenueInterfaceManager(gate, brokers={"binance": "nobody"}).route_to_venue(AT, spot())
    assert (wrong.error_code, wrong.status) == ("VIM-003", "failed")


def test_an_unknown_venue_fails_at_once(gate: Gate, routing: VenueInterfaceManager) -> None:
    done = routing.route_to_venue(AT, spot(venue="nowhere"))
    assert (done.was_failed(), done.error_code) == (True, "VIM-003")
    assert "is no broker and no known venue; there are" in (done.error_message or "")
    assert not orders(gate)


def test_where_nodes_share_a_database_a_simulated_venue_must_be_configured(
    gate: Gate, routing: VenueInterfaceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(gate.leases), "node", "a-node")
    done = routing.route_to_venue(AT, spot())
    assert (done.was_failed(), done.error_code) == (True, "VIM-003")
    assert "'binance' is not configured: several nodes simulate it with [brokers.binance]" in str(
        done.error_message
    )
    assert "binance" not in gate.brokers


def test_a_simulated_venue_outlives_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    with running(url=url) as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        first = VenueInterfaceManager(gate).route_to_venue(AT, spot(operation_id="op-1"))
    with running(url=url) as gate:
        monitor = PositionMonitor(gate)
        assert monitor.simulated_positions == {
            "binance:BaseToken:BTC": 0.5,
            "binance:BaseToken:USDT": -22500.0,
        }
        quote(gate, "BTC/USDT", 44_999, 45_000)
        again = VenueInterfaceManager(gate).route_to_venue(AT, spot(operation_id="op-1"))
        assert again.trade_id == first.trade_id
        manager = ExecutionManager(gate=gate)
        manager.process_orders(AT, [spot()])
        assert manager.system_failure is None
        assert on_loop(gate, gate.compare("binance")).found == "agrees"


def test_without_a_price_it_fails_at_once(gate: Gate, routing: VenueInterfaceManager) -> None:
    done = routing.route_to_venue(AT, spot(pair="ETH/USDT"))
    assert (done.was_failed(), done.error_code) == (True, "DATA-001")
    assert "nobody has quoted ETH/USDT" in (done.error_message or "")
    assert not orders(gate)


def test_an_unknown_operation_fails_at_once(routing: VenueInterfaceManager) -> None:
    odd = Order.model_construct(**(spot().to_dict() | {"operation": "teleport"}))
    done = routing.route_to_venue(AT, odd)
    assert (done.was_failed(), done.error_code) == (True, "VIM-002")
    assert "'teleport' is none of spot_trade" in (done.error_message or "")


def test_what_can_be_no_order_says_which_field(gate: Gate, routing: VenueInterfaceManager) -> None:
    done = routing.route_to_venue(AT, spot(amount=0.000001))
    assert (done.was_failed(), done.error_code) == (True, "VIM-012")
    assert "below the minimum" in (done.error_message or "")
    assert done.venue_metadata["reason_code"] == "below_minimum"
    assert routing.route_to_venue(AT, spot(order_type="limit")).error_message == (
        "price: is missing: a limit order needs one"
    )
    assert "is no pair that is built in" in str(
        routing.route_to_venue(AT, spot(pair="DOGE/USDT")).error_message
    )
    assert "is no perpetual" in str(
        routing.route_to_venue(AT, spot(operation=OrderOperation.PERP_TRADE)).error_message
    )
    assert not orders(gate)


def test_what_the_risk_gate_refuses_failed(gate: Gate, routing: VenueInterfaceManager) -> None:
    done = routing.route_to_venue(AT, spot(amount=100))
    assert (done.was_failed(), done.error_code) == (True, "VIM-007")
    assert done.venue_metadata["reason_code"].startswith("RISK_")
    assert orders(gate)[0].submitted_at is None


def test_sides_and_levels(gate: Gate, routing: VenueInterfaceManager) -> None:
    for side in ("BUY", "LONG", "SELL", "SHORT"):
        assert routing.route_to_venue(AT, spot(side=side)).was_successful()
    done = routing.route_to_venue(AT, spot(price=44_990, stop_loss=44_000, take_profit=46_000))
    assert done.slippage == 10
    made = orders(gate)
    assert [order.side for order in made[:4]] == [Side.BUY, Side.BUY, Side.SELL, Side.SHORT]
    assert (made[4].entry_price, made[4].stop_loss, made[4].take_profit) == (44990, 44000, 46000)
    assert made[4].limit_price is None


def test_a_limit_order_that_works_is_pending(gate: Gate) -> None:
    routing = VenueInterfaceManager(gate, timeout_s=0.2)
    done = routing.route_to_venue(AT, spot(order_type="limit", price=40_000, operation_id="op-1"))
    assert (done.is_pending(), done.executed_amount, done.error_code) == (True, 0.0, None)
    quote(gate, "BTC/USDT", 39_000, 39_500, "binance")
    again = routing.route_to_venue(AT, spot(order_type="limit", price=40_000, operation_id="op-1"))
    assert (again.was_successful(), again.executed_price) == (True, 39_500)
    assert len(orders(gate)) == 1


def test_each_call_is_an_order_unless_it_says_what_makes_it_the_same(
    gate: Gate, routing: VenueInterfaceManager
) -> None:
    assert routing.route_to_venue(AT, spot()).trade_id != routing.route_to_venue(AT, spot()).trade_id
    for same in ({"operation_id": "op-1"}, {"metadata": {"idempotency_key": "k-1"}}):
        first, again = (routing.route_to_venue(AT, spot(**same)) for _ in range(2))
        assert first.trade_id == again.trade_id
        other = routing.route_to_venue(AT, spot(**same, amount=0.4))
        assert (other.error_code, other.venue_metadata["reason_code"]) == (
            "VIM-012",
            "idempotency_key_reused",
        )
    assert len(orders(gate)) == 4


def test_an_unknown_answer_is_pending_and_never_failed(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(_send: object) -> Answer:
        return Answer(outcome=Outcome.UNKNOWN, reason="nobody answered")

    monkeypatch.setattr(gate.brokers["paper"], "submit", lost)
    done = VenueInterfaceManager(gate, timeout_s=0.2).route_to_venue(AT, spot(venue="paper"))
    assert (done.is_pending(), done.error_code) == (True, None)
    assert done.venue_metadata["state"] == "SUBMITTED"


@pytest.mark.parametrize("where", ["execute", "order"])
@pytest.mark.parametrize("error", [OutcomeUnknown, StoreError, RuntimeError])
def test_what_fails_behind_the_order_leaves_it_pending(
    gate: Gate,
    routing: VenueInterfaceManager,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    error: type[Exception],
) -> None:
    async def fails(*_args: object) -> None:
        raise error("the store did not say")

    monkeypatch.setattr(gate if where == "execute" else gate.queries, where, fails)
    done = routing.route_to_venue(AT, spot())
    assert (done.is_pending(), done.venue_metadata["reason"]) == (True, "the store did not say")


def test_a_closed_gate_makes_no_order() -> None:
    with running() as closed:
        routing = VenueInterfaceManager(closed)
    done = routing.route_to_venue(AT, spot())
    assert (done.was_failed(), done.error_code) == (True, "VIM-001")
    assert "the gate is closed" in str(done.error_message)


def test_what_fails_before_the_order_is_a_failed_handshake(
    routing: VenueInterfaceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_args: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(routing_module, "place_of", fails)
    done = routing.route_to_venue(AT, spot())
    assert (done.was_failed(), done.error_code, done.error_message) == (True, "VIM-001", "no luck")


def test_a_call_on_the_gates_own_loop_is_a_mistake(gate: Gate, routing: VenueInterfaceManager) -> None:
    async def call() -> ExecutionHandshake:
        return routing.route_to_venue(AT, spot())

    with pytest.raises(WrongLoop):
        on_loop(gate, call())


def test_a_simulated_venue_follows_what_the_gate_is_told(gate: Gate, routing: VenueInterfaceManager) -> None:
    assert routing.route_to_venue(AT, spot()).executed_price == 45_000
    quote(gate, "BTC/USDT", 45_999, 46_000)
    assert routing.route_to_venue(AT, spot()).executed_price == 46_000
    quote(gate, "BTC/USDT", 46_999, 47_000, "binance")
    assert routing.route_to_venue(AT, spot()).executed_price == 47_000


def test_the_amount_counts_the_base_whatever_a_lot_or_contract_is(gate: Gate) -> None:
    quote(gate, "EURUSD", 1.1, 1.1)
    done = VenueInterfaceManager(gate).route_to_venue(AT, spot(pair="EURUSD", amount=20_000))
    assert (done.status, done.executed_amount, done.get_net_cost()) == ("executed", 20_000, 22_000)
    assert done.position_deltas == {"EUR": 20_000, "USD": -22_000}
    (order,) = orders(gate)
    assert order.quantity == Decimal("0.2")
    perpetual = InstrumentSection(
        asset_class="crypto", unit="contracts", tick=Decimal("0.1"), lot_step=Decimal(1), base="BTC",
        currency="USDT", perpetual=True, contract_size=Decimal("0.01"),
    )  # fmt: skip
    with running(Config(instruments={"BTC/USDT:USDT": perpetual})) as other:
        quote(other, "BTC/USDT:USDT", 45_000, 45_000)
        routing = VenueInterfaceManager(other)
        done = routing.route_to_venue(AT, spot(operation=OrderOperation.PERP_TRADE, venue="okx"))
        assert (done.executed_amount, done.position_deltas) == (0.5, {"okx:Perp:BTCUSDT": 0.5})
        assert orders(other)[0].quantity == 50
        part = routing.route_to_venue(
            AT, spot(operation=OrderOperation.PERP_TRADE, venue="okx", amount=0.015)
        )
        assert "1.5 contracts of BTC/USDT:USDT is no multiple of 1" in (part.error_message or "")


def test_an_interface_does_its_own_operations_alone(routing: VenueInterfaceManager) -> None:
    assert routing.cex.execute_spot_trade(spot(), AT).was_successful()
    with pytest.raises(ValueError, match="the order's operation is spot_trade, and this does a perp_trade"):
        routing.cex.execute_perp_trade(spot(), AT)


def test_the_fee_is_beside_what_was_moved() -> None:
    brokers = {"paper": PaperBroker(), "binance": PaperBroker(fee_bps=Decimal(10))}
    with running(Config(brokers=brokers)) as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000, "binance")
        done = VenueInterfaceManager(gate).route_to_venue(AT, spot())
    assert done.position_deltas == {"BTC": 0.5, "USDT": -22500.0}
    assert (done.fee_amount, done.fee_currency) == (22.5, "USDT")
    assert done.get_net_cost() == 22522.5


def test_two_orders_at_once_begin_a_venue_once(gate: Gate, routing: VenueInterfaceManager) -> None:
    async def both() -> list[ExecutionHandshake]:
        return await asyncio.gather(
            *(asyncio.to_thread(routing.route_to_venue, AT, spot(venue="okx")) for _ in range(2))
        )

    assert all(done.was_successful() for done in asyncio.run(both()))
    with running() as other:
        assert VenueInterfaceManager(other).route_to_venue(AT, spot()).error_code == "DATA-001"


@pytest.mark.parametrize(("tolerance", "status", "code"), [
    (0.0, "failed", "VIM-012"), (0.001, "failed", "VIM-007"), (0.2, "executed", None), (None, "executed", None),
])  # fmt: skip
def test_a_market_order_bears_the_slippage_that_it_says(
    gate: Gate, routing: VenueInterfaceManager, tolerance: float | None, status: str, code: str | None
) -> None:
    quote(gate, "BTC/USDT", 40_000, 50_000)
    done = routing.route_to_venue(AT, spot(slippage_tolerance=tolerance))
    assert (done.status, done.error_code) == (status, code)
    if tolerance == 0:
        assert "slippage_tolerance: 0 must be above zero for a market order" in (done.error_message or "")


def test_of_a_limit_order_its_price_is_the_tolerance(routing: VenueInterfaceManager) -> None:
    done = routing.route_to_venue(AT, spot(order_type="limit", price=45_000, slippage_tolerance=0))
    assert done.was_successful()
