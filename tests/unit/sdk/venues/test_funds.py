"""Whose orders they are: a batch's orders, positions and halts are of one fund."""

from collections.abc import Callable, Iterator

import pytest

from ordergate.bootstrap import Gate
from ordergate.config import Config, FundSection
from ordergate.domain.errors import Invalid
from ordergate.domain.risk.limits import Level
from ordergate.sdk.venues import ExecutionManager, PositionUpdateHandler, VenueInterfaceManager
from tests.unit.sdk.venues.gates import AT, quote, running, spot
from tests.unit.sdk.venues.test_groups import member, orders


@pytest.fixture
def gate() -> Iterator[Gate]:
    """The fund of signals, and alpha beside it."""
    funds = {name: FundSection(unlimited=True, broker="paper") for name in ("paper-momentum", "alpha")}
    with running(Config(funds=funds)) as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        yield gate


@pytest.mark.parametrize("made", [
    lambda gate: ExecutionManager(VenueInterfaceManager(gate, fund_id="alpha"), gate=gate),
    lambda gate: ExecutionManager(None, PositionUpdateHandler(gate=gate, fund_id="alpha"), gate=gate),
    lambda gate: ExecutionManager(gate=gate, fund_id="alpha"),
    lambda gate: ExecutionManager(VenueInterfaceManager(gate, fund_id="alpha"), gate=gate, fund_id="alpha"),
])  # fmt: skip
def test_the_fund_of_what_is_given_is_that_of_the_batch(
    gate: Gate, made: Callable[[Gate], ExecutionManager]
) -> None:
    manager = made(gate)
    done = manager.process_orders(AT, [spot(), member(1, amount=0.1), member(2, venue="nowhere")])
    assert [one.status for one in done] == ["executed", "rolled_back", "failed"]
    assert {order.fund_id for order in orders(gate)} == {"alpha"}
    positions = manager.position_update_handler.position_monitor.get_current_positions()
    assert positions["binance:BaseToken:BTC"] == 0.5
    manager._trigger_system_failure("it is tried")
    assert list(gate.runner.engine.state.halts.rows) == [(Level.FUND, "alpha")]


@pytest.mark.parametrize("made", [
    lambda gate, routing, _handler: ExecutionManager(routing, gate=gate, fund_id="paper-momentum"),
    lambda gate, _routing, handler: ExecutionManager(None, handler, gate=gate, fund_id="alpha"),
    lambda gate, routing, handler: ExecutionManager(routing, handler, gate=gate),
])  # fmt: skip
def test_different_funds_are_no_batch(gate: Gate, made: Callable[..., ExecutionManager]) -> None:
    routing, handler = VenueInterfaceManager(gate, fund_id="alpha"), PositionUpdateHandler(gate=gate)
    with pytest.raises(Invalid, match="'alpha', 'paper-momentum' cannot all be whose orders"):
        made(gate, routing, handler)


def test_the_fund_of_signals_may_be_named_or_not(gate: Gate) -> None:
    ExecutionManager(VenueInterfaceManager(gate), gate=gate, fund_id="paper-momentum")
