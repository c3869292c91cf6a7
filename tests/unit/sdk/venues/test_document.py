"""The code of the users' document as written, but for the import: each step, and all of them together."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Optional

import pandas as pd
import pytest
from pydantic import BaseModel, Field

from ordergate.bootstrap import Gate
from ordergate.config import Config, PaperBroker
from ordergate.sdk import venues
from ordergate.sdk.venues import (
    CEXInterface,
    ExecutionHandshake,
    ExecutionManager,
    Order,
    PositionUpdateHandler,
    VenueInterfaceManager,
)
from tests.unit.sdk.venues.gates import quote, running, spot

SEEDS = Path(__file__).parents[5] / "shared" / "seeds"
TIME = pd.Timestamp("2025-01-27", tz="UTC")
NAMES = {
    "pd": pd, "BaseModel": BaseModel, "Field": Field, "List": list, "Dict": dict, "Optional": Optional,
    "Literal": Literal, "Any": Any,
}  # fmt: skip
FEE_BPS = Decimal(10)


def code(heading: str) -> str:
    """The block below a heading."""
    found = sorted(SEEDS.glob("003*.txt"))
    if not found:
        pytest.skip("the users' document is not here")
    text = found[0].read_text(encoding="utf-8")
    block = re.search(rf"### {re.escape(heading)}\n```python\n(.*?)```", text, re.DOTALL)
    assert block is not None, heading
    return block[1]


def run(text: str, **given: Any) -> dict[str, Any]:
    """What a block defines."""
    names = vars(venues) | NAMES | given
    exec(text, names)
    return names


def method(heading: str, name: str) -> Any:
    return run(code(heading))[name]


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Where the document's numbers come out: half a bitcoin at 45,000, for a fee of 22.5."""
    brokers = {"paper": PaperBroker(), "binance": PaperBroker(fee_bps=FEE_BPS)}
    with running(Config(brokers=brokers)) as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000, "binance")
        yield gate


def order() -> Order:
    return run(code("1. Order Creation (Strategy Manager)"))["order"]


def test_the_order_is_executed_as_the_document_says(gate: Gate) -> None:
    class Executing(CEXInterface):
        execute_spot_trade = method(
            "3. ExecutionHandshake Execution (Venue Interfaces)", "execute_spot_trade"
        )

    written = Executing(VenueInterfaceManager(gate).desk).execute(order(), TIME)
    real = VenueInterfaceManager(gate).route_to_venue(TIME, order())
    for name in (
        "order",
        "status",
        "executed_amount",
        "executed_price",
        "position_deltas",
        "fee_amount",
        "fee_currency",
    ):
        assert getattr(real, name) == getattr(written, name), name


def test_the_routing_as_written(gate: Gate) -> None:
    class Routing(VenueInterfaceManager):
        route_to_venue = method("2. Order Routing (VenueInterfaceManager)", "route_to_venue")

    routing = Routing(gate)
    assert routing.route_to_venue(TIME, order()).was_successful()
    lent = Order(venue="aave_v3", operation="supply", token_in="USDT", amount=10)
    assert routing.route_to_venue(TIME, lent).was_successful()


def test_the_deltas_are_the_documents(gate: Gate) -> None:
    wanted = run(code("execution_deltas Format"))["execution_deltas"]
    done = VenueInterfaceManager(gate).route_to_venue(TIME, order())
    assert ExecutionManager(gate=gate)._convert_trade_to_execution_deltas(done) == wanted
    written = method(
        "4. execution_deltas Conversion (ExecutionManager)", "_convert_trade_to_execution_deltas"
    )
    tokens = written(None, done)
    assert [
        {**one, "position_key": one["position_key"].replace(":token:", ":BaseToken:")} for one in tokens
    ] == (wanted)


def test_the_flow_with_every_step_as_written(gate: Gate) -> None:
    class Routing(VenueInterfaceManager):
        route_to_venue = method("2. Order Routing (VenueInterfaceManager)", "route_to_venue")

    class Handler(PositionUpdateHandler):
        update_state = method("5. Position Reconciliation (PositionUpdateHandler)", "update_state")

    class Manager(ExecutionManager):
        _convert_trade_to_execution_deltas = method(
            "4. execution_deltas Conversion (ExecutionManager)", "_convert_trade_to_execution_deltas"
        )

    manager = Manager(Routing(gate), Handler(gate=gate), gate=gate)
    (done,) = manager.process_orders(TIME, [order()])
    assert done.was_successful()
    assert manager.system_failure is None
    assert manager.position_update_handler.position_monitor.get_current_positions() == {
        "binance:BaseToken:BTC": 0.5, "binance:BaseToken:USDT": -22522.5,
    }  # fmt: skip


def test_the_failed_handshake_as_written() -> None:
    body = code("Order Execution Failures").replace("return ", "failed = ")
    failed = run(body, order=spot(), e=ValueError("no luck"))["failed"]
    assert isinstance(failed, ExecutionHandshake)
    assert failed.was_failed()
    assert failed.validate_execution()
    assert (failed.error_code, failed.error_message) == ("VIM-001", "no luck")


@pytest.mark.parametrize("agrees", [True, False])
def test_what_follows_from_a_failed_reconciliation_as_written(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, agrees: bool
) -> None:
    told: list[str] = []
    manager = ExecutionManager(gate=gate, on_system_failure=told.append)
    monkeypatch.setattr(manager, "_left", lambda: 0)
    done = VenueInterfaceManager(gate).route_to_venue(TIME, order())
    deltas = manager._convert_trade_to_execution_deltas(done)
    if not agrees:
        deltas[0]["delta_amount"] = 1.5
    run(code("Reconciliation Failures"), self=manager, timestamp=TIME, execution_deltas=deltas, i=7)
    if agrees:
        assert told == []
    else:
        assert told[0].startswith(
            "System failure: Reconciliation failed for order 7: binance:BaseToken:BTC is 0.5"
        )


@pytest.mark.parametrize(
    ("heading", "name"), [("Order Class", "Order"), ("ExecutionHandshake Class", "ExecutionHandshake")]
)
def test_the_classes_have_the_documents_fields(heading: str, name: str) -> None:
    written, real = run(code(heading))[name], getattr(venues, name)
    for field, theirs in written.model_fields.items():
        ours = real.model_fields[field]
        assert ours.is_required() == theirs.is_required(), field
        assert ours.get_default(call_default_factory=True) == theirs.get_default(call_default_factory=True), (
            field
        )
