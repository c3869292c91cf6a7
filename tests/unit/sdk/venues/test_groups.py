"""Atomic groups: all or none, or a break."""

from decimal import Decimal

import pytest

from ordergate.api import recon
from ordergate.application.ports.brokers import Answer, Lookup, Presence
from ordergate.bootstrap import Gate
from ordergate.domain.breaks import BreakKind
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import Side
from ordergate.sdk.venues import ExecutionManager, Order, VenueInterfaceManager, groups
from tests.unit.sdk.venues.gates import AT, on_loop, quote, running, spot


def member(sequence: int, group: str = "g-1", **changes) -> Order:
    return spot(execution_mode="atomic", atomic_group_id=group, sequence_in_group=sequence, **changes)


def orders(gate: Gate) -> list:
    return on_loop(gate, gate.queries.orders())


def breaks(gate: Gate) -> list:
    return list(gate.runner.engine.state.breaks.rows.values())


@pytest.fixture
def manager(gate: Gate) -> ExecutionManager:
    return ExecutionManager(gate=gate)


def positions(manager: ExecutionManager) -> dict[str, float]:
    return manager.position_update_handler.position_monitor.simulated_positions


def test_a_group_is_done_in_its_sequence(gate: Gate, manager: ExecutionManager) -> None:
    done = manager.process_orders(
        AT, [member(2, side="SELL", amount=0.1), spot(amount=0.3), member(1, venue="bybit")]
    )
    assert [one.order.amount for one in done] == [0.1, 0.3, 0.5]
    assert [order.quantity for order in orders(gate)] == [Decimal("0.5"), Decimal("0.1"), Decimal("0.3")]
    assert [one.venue_metadata.get("group_status") for one in done] == ["completed", None, "completed"]
    assert [one.venue_metadata.get("rollback_triggered") for one in done] == [False, None, False]
    assert manager.system_failure is None


def test_at_the_first_failure_what_was_done_is_undone(gate: Gate, manager: ExecutionManager) -> None:
    done = manager.process_orders(
        AT,
        [
            member(1),
            member(2, side="SHORT", amount=0.2, venue="bybit"),
            member(3, pair="ETH/USDT"),
            member(4, venue="okx"),
            spot(amount=0.1),
        ],
    )
    assert [one.status for one in done] == ["rolled_back", "rolled_back", "failed", "failed", "executed"]
    assert [one.error_code for one in done] == [None, None, "DATA-001", "VIM-006", None]
    assert done[3].error_message == "not sent: the spot_trade before it is failed"
    for one in done[:4]:
        said = one.venue_metadata
        assert (said["group_status"], said["rollback_triggered"], said["rolled_back"]) == (
            "failed",
            True,
            True,
        )
    # What both together have moved: the spread is lost.
    assert [one.position_deltas for one in done[:2]] == [{"USDT": -0.5}, {"USDT": -0.2}]
    made = orders(gate)
    assert [(order.side, order.quantity, order.broker) for order in made[2:4]] == [
        (Side.COVER, Decimal("0.2"), "bybit"), (Side.SELL, Decimal("0.5"), "binance"),
    ]  # fmt: skip
    assert done[0].venue_metadata["undone_by"] == made[3].order_id
    keys = on_loop(gate, gate.journal.select("keys", {"kind": "compensates"}))
    assert {row.key for row in keys} == {order.order_id for order in made[:2]}
    assert manager.system_failure is None
    assert positions(manager)["binance:BaseToken:BTC"] == 0.1
    assert "bybit:BaseToken:BTC" not in positions(manager)
    assert not breaks(gate)


def test_a_group_that_fails_with_its_first_order_has_nothing_to_undo(manager: ExecutionManager) -> None:
    done = manager.process_orders(AT, [member(1, pair="ETH/USDT"), member(2)])
    assert [one.error_code for one in done] == ["DATA-001", "VIM-006"]
    assert [one.venue_metadata["rollback_triggered"] for one in done] == [False, False]


def test_orders_without_a_group_are_no_group(manager: ExecutionManager) -> None:
    done = manager.process_orders(AT, [spot(), spot(pair="ETH/USDT"), spot()])
    assert [one.status for one in done] == ["executed", "failed", "executed"]
    assert all("group_status" not in one.venue_metadata for one in done)


def test_two_groups_do_not_mix(manager: ExecutionManager) -> None:
    done = manager.process_orders(
        AT, [member(1, "a"), member(1, "b"), member(2, "a", pair="ETH/USDT"), member(2, "b")]
    )
    assert [one.status for one in done] == ["rolled_back", "executed", "failed", "executed"]


def test_what_works_is_canceled(gate: Gate) -> None:
    manager = ExecutionManager(VenueInterfaceManager(gate, timeout_s=0.1), gate=gate)
    done = manager.process_orders(AT, [member(1), member(2, order_type="limit", price=40_000)])
    assert [one.status for one in done] == ["rolled_back", "cancelled"]
    assert [order.state for order in orders(gate)] == ["CLOSED", "CANCELED", "CLOSED"]
    assert done[0].venue_metadata["rolled_back"] is True


def test_what_is_filled_in_part_is_undone_as_far(gate: Gate) -> None:
    manager = ExecutionManager(VenueInterfaceManager(gate, timeout_s=0.1), gate=gate)
    manager.process_orders(AT, [spot(amount=0.01)])
    ask = Quote("BTC/USDT", gate.clock.now(), Decimal(44_999), Decimal(45_000), None, Decimal("0.2"))
    on_loop(gate, gate.set_quote("binance", ask))
    done = manager.process_orders(AT, [member(1, order_type="limit", price=45_000)])
    assert done[0].status == "rolled_back"
    assert positions(manager)["binance:BaseToken:BTC"] == 0.01
    assert manager.system_failure is None


def test_what_cannot_be_undone_is_a_break(
    gate: Gate, manager: ExecutionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.process_orders(AT, [spot(venue="okx")])
    broker = gate.brokers["okx"]
    inner = broker.submit

    async def submit(send) -> Answer:
        if send.side is Side.SELL:
            return Answer(outcome=Outcome.REJECTED, reason="no shorts today")
        return await inner(send)

    monkeypatch.setattr(broker, "submit", submit)
    done = manager.process_orders(AT, [member(1, venue="okx"), member(2, pair="ETH/USDT")])
    assert [one.status for one in done] == ["executed", "failed"]
    (item,) = breaks(gate)
    assert (item.kind, item.broker, item.order_id) == (
        BreakKind.NOT_UNDONE,
        "okx",
        done[0].venue_metadata["order_id"],
    )
    assert item.detail == ("it is not undone, and its group g-1 has failed: 0 of 0.5 undone: no shorts today")
    assert (item.ours, item.theirs) == (0, Decimal("0.5"))
    assert done[0].venue_metadata["breaks"] == [item.break_id]
    assert done[0].venue_metadata["rolled_back"] is False
    assert positions(manager)["okx:BaseToken:BTC"] == 1.0
    (shown,) = on_loop(gate, recon.breaks(gate.queries.reader, every=False))
    assert (shown["break_id"], shown["kind"], shown["broker"]) == (item.break_id, "not_undone", "okx")
    # A comparison of the account neither finds nor ends it.
    found = on_loop(gate, gate.compare("okx"))
    assert [one.break_id for one in found.breaks] == [item.break_id]
    assert breaks(gate)[0].is_open


def test_what_is_not_known_is_a_break(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as gate:  # whose quotes do not grow old while what is not known is waited for
        check_what_is_not_known(gate, monkeypatch)


def check_what_is_not_known(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_UNDO_S", 0.5)

    async def lost(_request: object) -> Answer:
        return Answer(outcome=Outcome.UNKNOWN, reason="nobody answered")

    quote(gate, "BTC/USDT", 44_999, 45_000)

    async def silent(*_about: object) -> Lookup:
        return Lookup(presence=Presence.UNAVAILABLE)

    for name, answer in (("submit", lost), ("cancel", lost), ("lookup", silent)):
        monkeypatch.setattr(gate.brokers["paper"], name, answer)
    manager = ExecutionManager(VenueInterfaceManager(gate, timeout_s=0.1), gate=gate)
    done = manager.process_orders(AT, [member(1), member(2, venue="paper")])
    assert [one.status for one in done] == ["rolled_back", "pending"]
    (item,) = [one for one in breaks(gate) if one.kind is BreakKind.NOT_UNDONE]
    assert "it is SUBMITTED, and may still be executed" in item.detail
    assert done[1].venue_metadata["breaks"] == [item.break_id]
