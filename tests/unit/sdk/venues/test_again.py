"""The same order again, after a restart: what was made is told as it is, whatever the gate knows of prices now."""

from pathlib import Path

import pytest

from ordergate.bootstrap import Gate
from ordergate.domain.breaks import BreakKind
from ordergate.domain.errors import StoreError
from ordergate.sdk.venues import ExecutionManager, VenueInterfaceManager
from tests.unit.sdk.venues.gates import AT, quote, running, spot
from tests.unit.sdk.venues.test_groups import breaks, member, orders


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'orders.db'}"


def test_an_order_that_was_made_is_asked_for_without_a_price(url: str) -> None:
    bought, dip = spot(operation_id="op-1"), spot(operation_id="dip-1", order_type="limit", price=44_000)
    with running(url=url) as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        first = VenueInterfaceManager(gate).route_to_venue(AT, bought)
        assert VenueInterfaceManager(gate, timeout_s=0.05).route_to_venue(AT, dip).is_pending()
    with running(url=url) as gate:
        again = VenueInterfaceManager(gate, timeout_s=0.05)
        done = again.route_to_venue(AT, bought)
        assert done.was_successful()
        assert (done.executed_amount, done.trade_id) == (0.5, first.trade_id)
        assert again.route_to_venue(AT, dip).is_pending()
        assert again.route_to_venue(AT, spot(operation_id="op-2")).error_code == "DATA-001"
        assert len(orders(gate)) == 2


def test_a_limit_order_needs_no_price(gate: Gate) -> None:
    routing = VenueInterfaceManager(gate, timeout_s=0.05)
    done = routing.route_to_venue(AT, spot(pair="ETH/USDT", order_type="limit", price=2_000))
    assert (done.is_pending(), len(orders(gate))) == (True, 1)


def test_where_it_cannot_be_told_whether_it_was_made_it_is_pending(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_args: object) -> None:
        raise StoreError("the store did not say")

    monkeypatch.setattr(gate.journal, "get", fails)
    done = VenueInterfaceManager(gate).route_to_venue(AT, spot(pair="ETH/USDT", operation_id="op-1"))
    assert (done.is_pending(), done.venue_metadata["reason"]) == (True, "the store did not say")


def legs() -> list:
    return [member(1, operation_id="op-1"), member(2, operation_id="op-2", pair="ETH/USDT")]


def half_done(url: str) -> None:
    """Of the group, the first is executed; then the process is killed."""
    with running(url=url) as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        assert VenueInterfaceManager(gate).route_to_venue(AT, legs()[0]).was_successful()


def test_a_group_goes_on_from_there(url: str) -> None:
    half_done(url)
    with running(url=url) as gate:
        quote(gate, "ETH/USDT", 2_999, 3_000)
        done = ExecutionManager(gate=gate).process_orders(AT, legs())
        assert [one.venue_metadata["group_status"] for one in done] == ["completed"] * 2
        assert len(orders(gate)) == 2


def test_a_group_that_cannot_go_on_is_undone_or_a_break(url: str) -> None:
    half_done(url)
    with running(url=url) as gate:
        done = ExecutionManager(gate=gate).process_orders(AT, legs())
        assert [one.status for one in done] == ["executed", "failed"]
        assert done[0].venue_metadata["rollback_triggered"]
        (item,) = breaks(gate)
        assert (item.kind, item.order_id) == (BreakKind.NOT_UNDONE, done[0].venue_metadata["order_id"])
