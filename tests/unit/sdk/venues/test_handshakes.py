"""Handshakes, and the deltas that follow from them."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from ordergate.domain.errors import Invalid
from ordergate.domain.orders.states import State
from ordergate.sdk.venues import ExecutionHandshake, ExecutionHandshakeStatus, Order
from ordergate.sdk.venues.deltas import amounts_of, execution_deltas_of, key_of
from ordergate.sdk.venues.placing import status_of
from tests.unit.sdk.venues.gates import spot

EXECUTED = {
    "status": "executed", "executed_amount": 0.5, "executed_price": 45000.0,
    "position_deltas": {"BTC": 0.5, "USDT": -22500.0}, "fee_amount": 22.5, "fee_currency": "USDT",
}  # fmt: skip


def handshake(order: Order | None = None, **changes) -> ExecutionHandshake:
    return ExecutionHandshake(order=order or spot(), **(EXECUTED | changes))


def test_every_state_has_a_word() -> None:
    assert {state: status_of(state).value for state in State} == {
        State.CREATED: "pending", State.PENDING_RISK: "pending", State.ACCEPTED: "pending",
        State.SUBMITTED: "pending", State.PARTIALLY_FILLED: "pending", State.FILLED: "executed",
        State.CLOSED: "executed", State.CANCELED: "cancelled", State.REJECTED: "failed", State.FAILED: "failed",
        State.EXPIRED: "failed",
    }  # fmt: skip


def test_statuses_by_their_older_and_newer_words() -> None:
    assert handshake(status="confirmed").status is ExecutionHandshakeStatus.EXECUTED
    assert handshake(status="rolled_back").status is ExecutionHandshakeStatus.ROLLED_BACK
    with pytest.raises(ValidationError, match="'pending', 'executed', 'failed'"):
        handshake(status="done")


def test_newer_names_are_taken() -> None:
    given = {name: value for name, value in EXECUTED.items() if name != "position_deltas"}
    newer = ExecutionHandshake(
        order=spot(), actual_deltas={"BTC": 0.5}, operation_id="op-1", execution_details={"a": 1}, **given
    )
    assert newer.position_deltas == newer.actual_deltas == newer.to_position_delta() == {"BTC": 0.5}


def test_no_other_field_is_taken() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        handshake(tax=1)


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({}, True),
        ({"executed_amount": 0}, False),
        ({"executed_price": None}, False),
        ({"position_deltas": {}}, False),
        ({"position_deltas": {}, "venue_metadata": {"bundle": "ord-1"}}, True),
        ({"status": "failed"}, False),
        ({"status": "failed", "error_code": "VIM-001"}, False),
        ({"status": "failed", "error_message": "no"}, False),
        ({"status": "failed", "error_code": "VIM-001", "error_message": "no"}, True),
        ({"status": "pending", "executed_amount": 0}, True),
    ],
)
def test_whether_it_is_whole(changes: dict, whole: bool) -> None:
    assert handshake(**changes).validate_execution() is whole


def test_what_it_has_cost() -> None:
    assert handshake().get_net_cost() == 0.5 * 45000 + 22.5
    lent = Order(venue="aave_v3", operation="supply", token_in="USDT", amount=1)
    assert handshake(lent).get_net_cost() == 22.5


def test_its_summary() -> None:
    summary = handshake().get_execution_summary()
    assert summary["order_id"] == "binance_spot_trade_0.5"
    assert (summary["status"], summary["fee_amount"]) == ("executed", 22.5)


def test_the_three_ways_of_making_one() -> None:
    order = spot(operation_id="op-1")
    done = ExecutionHandshake.create_successful_trade(order, "t-1", 0.5, 45000.0, {"BTC": 0.5}, slippage=0.1)
    assert done.was_successful()
    assert done.executed_at is not None
    assert done.validate_execution()
    failed = ExecutionHandshake.create_failed_trade(order, "VIM-001", "no", simulated=True)
    assert (failed.was_failed(), failed.executed_at, failed.simulated) == (True, None, True)
    pending = ExecutionHandshake.create_pending_trade(order, "t-1")
    assert (pending.is_pending(), pending.trade_id) == (True, "t-1")
    assert {one.operation_id for one in (done, failed, pending)} == {"op-1"}


def test_execution_deltas_are_the_documents_entries() -> None:
    assert execution_deltas_of(handshake()) == [
        {
            "position_key": "binance:BaseToken:BTC", "delta_amount": 0.5, "source": "trade", "price": 45000.0,
            "fee": 0.0,
        },
        {
            "position_key": "binance:BaseToken:USDT", "delta_amount": -22500.0, "source": "trade", "price": 45000.0,
            "fee": 22.5,
        },
    ]  # fmt: skip


def test_a_fee_in_something_else_is_an_entry_of_its_own() -> None:
    deltas = execution_deltas_of(handshake(fee_currency="BNB", fee_amount=0.01))
    assert deltas[2] == {
        "position_key": "binance:BaseToken:BNB", "delta_amount": 0.0, "source": "fee", "price": 45000.0, "fee": 0.01,
    }  # fmt: skip


def test_several_fees() -> None:
    deltas = execution_deltas_of(
        handshake(venue_metadata={"broker": "binance", "fees": {"BNB": 0.01, "BTC": 0.5}})
    )
    assert [(one["position_key"], one["fee"]) for one in deltas] == [
        ("binance:BaseToken:BTC", 0.5), ("binance:BaseToken:USDT", 0.0), ("binance:BaseToken:BNB", 0.01),
    ]  # fmt: skip


def test_position_keys_stay_and_a_chains_fee_is_its_wallets() -> None:
    lent = Order(venue="aave_v3", operation="supply", token_in="ETH", amount=1)
    moved = {"wallet:BaseToken:ETH": -1.0, "aave_v3:aToken:aETH": 1.0}
    told = handshake(
        lent, position_deltas=moved, fee_currency="ETH", fee_amount=0.001, venue_metadata={"broker": "wallet"}
    )
    assert [(one["position_key"], one["delta_amount"], one["fee"]) for one in execution_deltas_of(told)] == [
        ("wallet:BaseToken:ETH", -1.0, 0.001), ("aave_v3:aToken:aETH", 1.0, 0.0),
    ]  # fmt: skip


def test_what_deltas_move_a_position_by_is_the_amount_less_the_fee() -> None:
    assert amounts_of(execution_deltas_of(handshake())) == {
        "binance:BaseToken:BTC": Decimal("0.5"), "binance:BaseToken:USDT": Decimal("-22522.5"),
    }  # fmt: skip


def test_floats_are_read_as_they_are_written() -> None:
    entries = [{"position_key": "binance:token:BTC", "delta_amount": amount} for amount in (0.1, 0.2)]
    assert amounts_of(entries) == {"binance:BaseToken:BTC": Decimal("0.3")}


@pytest.mark.parametrize("key", ["", "binance", "binance:BTC", "::", None, 1])
def test_what_is_no_position_key(key: object) -> None:
    with pytest.raises(Invalid, match="is no position key: write venue:type:symbol"):
        key_of(key, "#")


def test_an_entry_that_is_none() -> None:
    with pytest.raises(Invalid, match="0/delta_amount: is missing"):
        amounts_of([{"position_key": "a:b:c"}])
