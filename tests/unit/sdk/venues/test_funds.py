"""Whose orders they are: a batch's orders, positions and halts are of one fund."""

from collections.abc import Callable, Iterator

import pytest

from ordergate.bootstrap import Gate
from ordergate.config import Config, FundSection
from ordergate.domain.errors import Invalid, OutcomeUnknown
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.recon.commands import ResolveBreak
from ordergate.domain.risk.limits import Level
from ordergate.sdk.venues import (
    ExecutionHandshake,
    ExecutionManager,
    PositionUpdateHandler,
    VenueInterfaceManager,
)
from ordergate.sdk.venues.placing import ORIGIN
from tests.unit.sdk.venues.gates import AT, on_loop, quote, running, spot
from tests.unit.sdk.venues.test_groups import breaks, member, orders


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


def test_what_was_not_found_of_one_fund_is_no_break_of_another(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = gate.execute

    async def execute(command, origin):
        if isinstance(command, SubmitOrder) and command.broker == "bybit" and command.key == "b":
            raise OutcomeUnknown("the store did not answer")
        return await inner(command, origin)

    def of_group(fund_id: str) -> list[ExecutionHandshake]:
        wanted = [member(1), member(2, venue="bybit", operation_id="b"), member(3, pair="ETH/USDT")]
        return ExecutionManager(gate=gate, fund_id=fund_id).process_orders(AT, wanted)

    def not_found(fund_id: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(gate, "execute", execute)
            done = of_group(fund_id)
        assert [one.status for one in done] == ["rolled_back", "pending", "failed"]
        (said,) = done[1].venue_metadata["breaks"]
        return said

    def still_open() -> set[str]:
        return {one.break_id for one in breaks(gate) if one.is_open}

    alpha, signals = not_found("alpha"), not_found("paper-momentum")
    assert still_open() == {alpha, signals}
    for fund_id, left in (("alpha", {signals}), ("paper-momentum", set())):
        assert [one.status for one in of_group(fund_id)] == ["rolled_back", "rolled_back", "failed"]
        assert still_open() == left


def test_what_was_not_found_and_has_no_key_is_a_break_of_its_group(gate: Gate) -> None:
    class Own(VenueInterfaceManager):
        def route_to_venue(self, timestamp, order):
            if order.venue == "bybit":
                return ExecutionHandshake.create_pending_trade(order)
            return super().route_to_venue(timestamp, order)

    manager = ExecutionManager(Own(gate), gate=gate)
    for group in ("g-1", "g-2"):
        done = manager.process_orders(AT, [member(1, group), member(2, group, venue="bybit")])
        (said,) = done[1].venue_metadata["breaks"]
        on_loop(gate, gate.execute(ResolveBreak(break_id=said, why="it was never made"), ORIGIN))
    assert [one.key for one in breaks(gate)] == [
        f"group/{group}/paper-momentum/1" for group in ("g-1", "g-2")
    ]
