"""Batches of orders: one after the other, each compared with what there is before the next."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.bootstrap import Gate
from ordergate.config import Config, PaperBroker
from ordergate.domain.errors import Invalid, StoreError
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level
from ordergate.sdk.venues import (
    ExecutionHandshake,
    ExecutionManager,
    Order,
    PositionMonitor,
    PositionUpdateHandler,
    VenueInterfaceManager,
)
from tests.unit.sdk.venues.gates import AT, HastyClock, on_loop, quote, running, spot

FUND = (Level.FUND, "paper-momentum")


def lie(gate: Gate, broker: str, amounts: Mapping[str, Decimal], times: int | None = None) -> list[int]:
    """From now on a broker has so much more money; so often, or for good. What is given counts."""
    told, asked = gate.brokers[broker].statement, [0]

    async def statement(since):
        asked[0] += 1
        honest = await told(since)
        if times is not None and asked[0] > times:
            return honest
        more = {name: honest.balances.get(name, 0) + more for name, more in amounts.items()}
        return replace(
            honest,
            balances={**honest.balances, **more},
            paid_in={
                **(honest.paid_in or {}),
                **{name: (honest.paid_in or {}).get(name, Decimal(0)) for name in amounts},
            },
        )

    gate.brokers[broker].statement = statement
    return asked


class Lying:
    """A routing that, once an order is executed, has its broker tell another balance."""

    def __init__(self, gate: Gate, amount: str = "5", times: int | None = None) -> None:
        self.inner, self.gate, self.amount, self.times = VenueInterfaceManager(gate), gate, amount, times
        self.desk = self.inner.desk
        self.asked = [0]

    def route_to_venue(self, timestamp, order: Order) -> ExecutionHandshake:
        done = self.inner.route_to_venue(timestamp, order)
        if not self.asked[0]:
            self.asked = lie(self.gate, order.venue, {"USDT": Decimal(self.amount)}, self.times)
        return done


def halt(gate: Gate):
    found = gate.runner.engine.state.halts.get(FUND)
    return found if found is not None and found.holds else None


def test_orders_are_done_one_after_the_other_and_failures_go_on(gate: Gate, clock: HastyClock) -> None:
    manager = ExecutionManager(gate=gate)
    wanted = [spot(), spot(venue="nowhere"), spot(amount=100), spot(venue="bybit", side="SELL", amount=0.2)]
    done = manager.process_orders(AT, wanted)
    assert [one.status for one in done] == ["executed", "failed", "failed", "executed"]
    assert [one.error_code for one in done] == [None, "VIM-003", "VIM-007", None]
    positions = {
        "binance:BaseToken:BTC": 0.5, "binance:BaseToken:USDT": -22500.0,
        "bybit:BaseToken:BTC": -0.2, "bybit:BaseToken:USDT": 8999.8,
    }  # fmt: skip
    monitor = manager.position_update_handler.position_monitor
    assert monitor.get_current_positions() == monitor.real_positions == positions
    assert manager.system_failure is None
    assert not {1.0, 2.0, 4.0} & set(clock.slept)


def test_the_ledger_books_the_fee_as_its_own_delta() -> None:
    brokers = {"paper": PaperBroker(), "binance": PaperBroker(fee_bps=Decimal(10))}
    with running(Config(brokers=brokers)) as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000, "binance")
        manager = ExecutionManager(gate=gate)
        (done,) = manager.process_orders(AT, [spot()])
        assert manager.system_failure is None
        assert manager.position_update_handler.position_monitor.simulated_positions == {
            "binance:BaseToken:BTC": 0.5, "binance:BaseToken:USDT": -22522.5,
        }  # fmt: skip
        (fill,) = on_loop(gate, gate.queries.fills())
        assert [(delta.position_key, delta.amount, delta.source) for delta in fill.deltas] == [
            ("binance:BaseToken:BTC", Decimal("0.5"), "trade"),
            ("binance:BaseToken:USDT", Decimal(-22500), "trade"),
            ("binance:BaseToken:USDT", Decimal("-22.5"), "fee"),
        ]
        assert manager._convert_trade_to_execution_deltas(done)[1]["fee"] == 22.5


def test_what_comes_right_is_compared_again_after_1_2_and_4_seconds(gate: Gate, clock: HastyClock) -> None:
    for times, slept in ((1, [1.0]), (2, [1.0, 2.0]), (3, [1.0, 2.0, 4.0])):
        clock.slept.clear()
        applied = count_applied(manager := ExecutionManager(Lying(gate, times=times), gate=gate))
        manager.process_orders(AT, [spot()])
        assert manager.system_failure is None
        assert [pause for pause in clock.slept if pause in (1.0, 2.0, 4.0)] == slept
        assert applied == [1]
        del gate.brokers["binance"].statement
    assert halt(gate) is None


def count_applied(manager: ExecutionManager) -> list[int]:
    """How often deltas are added to positions."""
    monitor, counted = manager.position_update_handler.position_monitor, [0]
    inner = monitor.update_state

    def update_state(timestamp, trigger_source, execution_deltas=None):
        counted[0] += trigger_source == "execution_manager"
        return inner(timestamp, trigger_source, execution_deltas)

    monitor.update_state = update_state
    return counted


def test_what_does_not_come_right_halts_the_fund_for_good(gate: Gate, clock: HastyClock) -> None:
    told: list[str] = []
    routing = Lying(gate)
    manager = ExecutionManager(routing, gate=gate, on_system_failure=told.append)
    applied = count_applied(manager)
    done = manager.process_orders(AT, [spot(), spot(venue="bybit")])
    assert [one.status for one in done] == ["executed", "failed"]
    assert done[1].error_code == "EXEC-004"
    assert (applied, routing.asked) == ([1], [4])
    assert [pause for pause in clock.slept if pause in (1.0, 2.0, 4.0)] == [1.0, 2.0, 4.0]
    reason = (
        "Reconciliation failed for order 0: binance:BaseToken:USDT is -22495.0, and -22500.0 by its deltas"
    )
    assert (manager.system_failure, told) == (reason, [f"System failure: {reason}"])
    held = halt(gate)
    assert (held.reason, held.trigger, held.by) == (reason, Trigger.RECONCILIATION, "trigger/reconciliation")
    # Sticky: nothing goes on by itself, whoever asks.
    (later,) = ExecutionManager(gate=gate).process_orders(AT, [spot(venue="okx")])
    assert (later.error_code, later.venue_metadata["reason_code"]) == ("VIM-007", "RISK_HALTED")
    assert halt(gate) is held


def test_the_hook_may_end_the_process(gate: Gate) -> None:
    def end(reason: str) -> None:
        raise SystemExit(reason)

    manager = ExecutionManager(Lying(gate), gate=gate, on_system_failure=end)
    with pytest.raises(SystemExit, match="System failure: Reconciliation failed for order 0"):
        manager.process_orders(AT, [spot(), spot()])
    assert halt(gate) is not None
    assert len(on_loop(gate, gate.queries.orders())) == 1


@pytest.mark.parametrize(("amount", "tolerance", "agrees"), [
    ("0.01", 0.01, True), ("0.011", 0.01, False), ("-0.011", 0.01, False), ("0.5", 0.5, True), ("0.5", 0, False),
])  # fmt: skip
def test_the_tolerance_is_absolute(gate: Gate, amount: str, tolerance: float, agrees: bool) -> None:
    manager = ExecutionManager(Lying(gate, amount), gate=gate, tolerance=tolerance)
    manager.process_orders(AT, [spot()])
    assert (manager.system_failure is None) is agrees


def test_what_is_wrong_with_a_call_is_said_before_anything_is_sent(gate: Gate) -> None:
    manager = ExecutionManager(gate=gate)
    with pytest.raises(TypeError, match=r"\{'venue': 'okx'\} is no ordergate.sdk.venues.Order"):
        manager.process_orders(AT, [spot(), {"venue": "okx"}])
    with pytest.raises(TypeError, match="None is no"):
        manager.venue_interface_manager.route_to_venue(AT, None)
    with pytest.raises(Invalid, match="tolerance: -1 must not be below zero"):
        ExecutionManager(gate=gate, tolerance=-1)
    assert not on_loop(gate, gate.queries.orders())


def test_a_batch_ends_after_its_time(gate: Gate, clock: HastyClock, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ExecutionManager(Lying(gate), gate=gate)
    monkeypatch.setattr(manager, "_left", lambda: 3.0)
    manager.process_orders(AT, [spot()])
    assert manager.system_failure is not None
    assert [pause for pause in clock.slept if pause in (1.0, 2.0, 4.0)] == [1.0, 2.0]
    (late,) = ExecutionManager(gate=gate, total_s=0).process_orders(AT, [spot(venue="bybit")])
    assert (late.error_code, late.status) == ("EXEC-002", "failed")
    assert late.error_message == "not sent: the batch is at work for 0 s already"
    assert ExecutionManager(gate=gate)._total_s == 120


def test_an_order_is_waited_for_no_longer_than_its_batch_has_time() -> None:
    with running() as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        manager = ExecutionManager(VenueInterfaceManager(gate, timeout_s=600), gate=gate, total_s=0.3)
        (pending,) = manager.process_orders(AT, [spot(order_type="limit", price=40_000)])
        assert pending.is_pending()


@pytest.mark.parametrize("times", [2, 9])
def test_what_cannot_be_read_is_read_again(gate: Gate, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    manager = ExecutionManager(gate=gate)
    monitor, asked = manager.position_update_handler.position_monitor, [0]
    inner = monitor.look

    def look(keys):
        compares = keys is not None and list(keys) != ["binance:"]
        asked[0] += compares
        if compares and asked[0] <= times:
            raise StoreError("the disk is away")
        return inner(keys)

    monkeypatch.setattr(monitor, "look", look)
    (done,) = manager.process_orders(AT, [spot()])
    assert done.was_successful()
    if times == 2:
        assert manager.system_failure is None
        assert monitor.simulated_positions["binance:BaseToken:BTC"] == 0.5
    else:
        assert manager.system_failure == "Reconciliation failed for order 0: the disk is away"


def test_an_order_to_an_account_that_cannot_be_looked_at_is_not_sent(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = ExecutionManager(gate=gate)

    def away(_broker: str) -> None:
        raise StoreError("the disk is away")

    monkeypatch.setattr(manager.position_update_handler.position_monitor, "meet", away)
    (done,) = manager.process_orders(AT, [spot()])
    assert (done.error_code, done.error_message) == ("VIM-001", "not sent: the disk is away")
    assert not on_loop(gate, gate.queries.orders())


def test_a_broker_that_does_not_tell_is_compared_with_the_ledger(gate: Gate) -> None:
    manager = ExecutionManager(gate=gate)
    manager.process_orders(AT, [spot()])
    told = gate.brokers["binance"].statement

    async def silent(since):
        return replace(await told(since), complete=False)

    gate.brokers["binance"].statement = silent
    manager.process_orders(AT, [spot()])
    assert manager.system_failure is None
    assert (
        manager.position_update_handler.position_monitor.simulated_positions["binance:BaseToken:BTC"] == 1.0
    )


def test_what_others_do_meanwhile_is_no_mismatch(gate: Gate) -> None:
    class Busy(VenueInterfaceManager):
        def route_to_venue(self, timestamp, order):
            done = super().route_to_venue(timestamp, order)
            super().route_to_venue(timestamp, spot(amount=0.1))
            return done

    manager = ExecutionManager(Busy(gate), gate=gate)
    manager.process_orders(AT, [spot()])
    assert manager.system_failure is None
    monitor = manager.position_update_handler.position_monitor
    assert monitor.simulated_positions["binance:BaseToken:BTC"] == pytest.approx(0.6)


def test_a_repetition_moves_nothing_twice(gate: Gate) -> None:
    manager = ExecutionManager(gate=gate)
    for _ in range(2):
        (done,) = manager.process_orders(AT, [spot(operation_id="op-1")])
        assert done.was_successful()
    assert manager.system_failure is None
    assert (
        manager.position_update_handler.position_monitor.simulated_positions["binance:BaseToken:BTC"] == 0.5
    )


def test_what_a_pending_order_does_later_is_no_mismatch(gate: Gate) -> None:
    routing = VenueInterfaceManager(gate, timeout_s=0.1)
    manager = ExecutionManager(routing, gate=gate)
    (pending,) = manager.process_orders(AT, [spot(order_type="limit", price=40_000)])
    assert pending.is_pending()
    quote(gate, "BTC/USDT", 39_999, 40_000, "binance")
    manager.process_orders(AT, [spot()])
    assert manager.system_failure is None
    assert (
        manager.position_update_handler.position_monitor.simulated_positions["binance:BaseToken:BTC"] == 1.0
    )


def test_money_that_was_there_before_is_no_mismatch(gate: Gate) -> None:
    manager = ExecutionManager(gate=gate)
    manager.process_orders(AT, [spot()])
    lie(gate, "binance", {"USDT": Decimal(1000)})
    manager.process_orders(AT, [spot()])
    assert manager.system_failure is None


def test_undeclared_positions_are_a_failure(gate: Gate) -> None:
    manager = ExecutionManager(gate=gate, subscriptions=["binance:BaseToken:BTC"])
    manager.process_orders(AT, [spot()])
    assert "binance:BaseToken:USDT: not among the position subscriptions" in (manager.system_failure or "")
    assert halt(gate) is not None


@pytest.mark.parametrize("broken", [
    lambda deltas: deltas[:1],
    lambda deltas: [{**deltas[0], "delta_amount": 0.4}, *deltas[1:]],
    lambda deltas: [*deltas, *deltas],
])  # fmt: skip
def test_deltas_that_are_not_the_ledgers_are_found(gate: Gate, broken: Callable) -> None:
    class Wrong(ExecutionManager):
        def _convert_trade_to_execution_deltas(self, trade):
            return broken(super()._convert_trade_to_execution_deltas(trade))

    manager = Wrong(gate=gate)
    manager.process_orders(AT, [spot()])
    if len(broken([{"delta_amount": 1}, {}])) == 1:  # what nothing says anything about is not looked at
        assert manager.system_failure is None
    else:
        assert manager.system_failure is not None


def test_positions_by_hand(gate: Gate) -> None:
    monitor = PositionMonitor(gate, subscriptions=["binance:BaseToken:BTC", "binance:token:USDT"])
    handler = PositionUpdateHandler(monitor)
    routing = VenueInterfaceManager(gate)
    manager = ExecutionManager(routing, handler, gate=gate)
    done = routing.route_to_venue(AT, spot())
    deltas = manager._convert_trade_to_execution_deltas(done)
    result = handler.update_state(AT, "execution_manager", deltas)
    assert (result["success"], result["type"], result["mismatches"]) == (True, "match", [])
    again = handler.update_state(AT, "execution_manager", deltas)
    assert not again["success"]
    assert again["mismatches"][0] == {
        "asset": "binance:BaseToken:BTC", "simulated": 1.0, "real": 0.5, "difference": 0.5, "tolerance": 0.01,
    }  # fmt: skip
    assert handler.update_state(AT, "position_refresh")["positions"] == monitor.real_positions
    with pytest.raises(ValueError, match="okx:BaseToken:BTC: not among the position subscriptions"):
        monitor.update_state(AT, "execution_manager", [{"position_key": "okx:token:BTC", "delta_amount": 1}])
    with pytest.raises(ValueError, match="'clock' is none of execution_manager, position_refresh"):
        handler.update_state(AT, "clock")
