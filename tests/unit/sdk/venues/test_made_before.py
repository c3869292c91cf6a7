"""What was made before is never called not sent: its group undoes it, and is undone once, whoever asks."""

from contextlib import nullcontext
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.application.ports.brokers import Answer, Lookup, Presence
from ordergate.bootstrap import Gate
from ordergate.config import Config, FundSection
from ordergate.domain.breaks import BreakKind
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.reports import Outcome
from ordergate.sdk.venues import ExecutionManager, Order, VenueInterfaceManager, compensating, groups
from tests.unit.sdk.venues.gates import AT, HastyClock, on_loop, quote, running, spot
from tests.unit.sdk.venues.test_groups import breaks, member, orders, positions
from tests.unit.sdk.venues.test_unclear import until


class Brief(VenueInterfaceManager):
    """Does not wait long for limit orders, which wait for their price."""

    def route_to_venue(self, timestamp, order):
        with self.desk.within(0.1) if order.order_type == "limit" else nullcontext():
            return super().route_to_venue(timestamp, order)


def made(gate: Gate, *wanted: Order) -> None:
    """Each is executed; nobody is told."""
    for order in wanted:
        assert VenueInterfaceManager(gate).route_to_venue(AT, order).was_successful()


def test_a_member_after_the_one_that_fails_is_undone_too(gate: Gate) -> None:
    wanted = [
        member(1, operation_id="a"),
        member(2, pair="ETH/USDT"),
        member(3, venue="bybit", operation_id="c"),
        member(4, operation_id="d"),
    ]
    made(gate, wanted[0], wanted[2])
    manager = ExecutionManager(gate=gate)
    done = manager.process_orders(AT, wanted)
    assert [one.status for one in done] == ["rolled_back", "failed", "rolled_back", "failed"]
    assert [one.error_code for one in done] == [None, "DATA-001", None, "VIM-006"]
    assert {one.venue_metadata["rolled_back"] for one in done} == {True}
    assert [order.broker for order in orders(gate)] == ["binance", "bybit", "bybit", "binance"]
    assert manager.system_failure is None
    assert positions(manager)["bybit:BaseToken:BTC"] == 0
    assert not breaks(gate)


def test_a_member_of_other_content_is_a_break(gate: Gate) -> None:
    made(gate, member(1, operation_id="a"), member(2, venue="bybit", operation_id="b", price=45_000))
    again = [member(1, operation_id="a"), member(2, venue="bybit", operation_id="b", price=45_010)]
    for _ in range(2):
        done = ExecutionManager(gate=gate).process_orders(AT, again)
        assert [(one.status, one.error_code) for one in done] == [
            ("rolled_back", None),
            ("failed", "VIM-012"),
        ]
        (item,) = breaks(gate)
        assert (item.kind, item.broker, item.order_id, item.ours, item.theirs) == (
            BreakKind.NOT_UNDONE, "bybit", orders(gate)[1].order_id, 0, Decimal("0.5"),
        )  # fmt: skip
        assert item.detail.endswith("with other content: a new order needs a new key")
        said = done[1].venue_metadata
        assert (said["rolled_back"], said["breaks"]) == (False, [item.break_id])
    assert len(orders(gate)) == 3


def test_a_member_of_other_content_that_has_moved_nothing_is_no_break(gate: Gate) -> None:
    routing = VenueInterfaceManager(gate)
    assert routing.route_to_venue(AT, spot(operation_id="b", amount=100)).was_failed()
    done = ExecutionManager(routing, gate=gate).process_orders(AT, [member(1), member(2, operation_id="b")])
    assert [(one.status, one.error_code) for one in done] == [("rolled_back", None), ("failed", "VIM-012")]
    assert done[1].venue_metadata["rolled_back"] is True
    assert not breaks(gate)


def test_what_was_executed_after_all_is_undone_and_its_break_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_UNDO_S", 0.2)
    with running() as gate:  # whose quotes do not grow old meanwhile
        check_what_was_executed_after_all(gate, monkeypatch)


def check_what_was_executed_after_all(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = gate.brokers["paper"]
    inner = broker.submit

    async def lost(request: object) -> Answer:
        return Answer(outcome=Outcome.UNKNOWN, reason="nobody answered")

    async def taken(send) -> Answer:
        await inner(send)
        return await lost(send)

    async def silent(*_about: object) -> Lookup:
        return Lookup(presence=Presence.UNAVAILABLE)

    quote(gate, "BTC/USDT", 44_999, 45_000)
    wanted = [
        member(1, operation_id="a"),
        member(2, venue="paper", operation_id="b", order_type="limit", price=40_000),
    ]
    manager = ExecutionManager(Brief(gate), gate=gate)
    with monkeypatch.context() as patch:
        for name, answer in (("submit", taken), ("cancel", lost), ("lookup", silent)):
            patch.setattr(broker, name, answer)
        first = manager.process_orders(AT, wanted)
    assert [one.status for one in first] == ["rolled_back", "pending"]
    (item,) = breaks(gate)
    quote(gate, "BTC/USDT", 39_000, 39_001)

    async def executed() -> bool:
        return (await gate.queries.order(first[1].venue_metadata["order_id"])).state == "CLOSED"

    until(gate, executed)
    monkeypatch.setattr(groups, "_UNDO_S", 30.0)
    again = manager.process_orders(AT, wanted)
    assert [one.status for one in again] == ["rolled_back", "rolled_back"]
    assert (again[1].venue_metadata["rolled_back"], again[1].venue_metadata["breaks"]) == (True, [])
    assert positions(manager)["paper:BaseToken:BTC"] == 0
    (ended,) = breaks(gate)
    assert (ended.break_id, ended.is_open) == (item.break_id, False)
    assert ended.why == f"{again[1].venue_metadata['undone_by']} has undone it"


def test_what_was_undone_before_all_was_executed_is_told_as_far(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = compensating.opposite_of
    wanted = [member(1, operation_id="a"), member(2, pair="ETH/USDT")]
    manager = ExecutionManager(gate=gate)
    with monkeypatch.context() as patch:  # then, only that much was executed
        patch.setattr(compensating, "opposite_of", lambda *of: replace(inner(*of), quantity=Decimal("0.2")))
        manager.process_orders(AT, wanted)
    done = manager.process_orders(AT, wanted)
    bought, sold = orders(gate)
    (item,) = breaks(gate)
    assert (item.ours, item.theirs) == (Decimal("0.2"), Decimal("0.5"))
    assert f"was used for order {sold.order_id}" in item.detail
    assert (done[0].status, done[0].position_deltas["BTC"]) == ("executed", 0.3)
    assert (done[0].venue_metadata["order_id"], done[0].venue_metadata["undone_by"]) == (
        bought.order_id, sold.order_id,
    )  # fmt: skip
    assert done[0].venue_metadata["rolled_back"] is False
    assert manager.system_failure is None


def test_what_was_undone_is_undone_whoever_asks(gate: Gate) -> None:
    def legs(group: str) -> list[Order]:
        return [member(1, group, operation_id="a"), member(2, group, pair="ETH/USDT", operation_id="b")]

    manager = ExecutionManager(gate=gate)
    assert manager.process_orders(AT, legs("g-1"))[0].status == "rolled_back"
    quote(gate, "ETH/USDT", 2_999, 3_000)
    done = manager.process_orders(AT, legs("g-2"))
    assert [one.status for one in done] == ["rolled_back", "failed"]
    assert {one.venue_metadata["group_status"] for one in done} == {"failed"}
    assert len(orders(gate)) == 2
    alone = VenueInterfaceManager(gate).route_to_venue(AT, spot(operation_id="a"))
    assert (alone.status, alone.position_deltas) == ("rolled_back", {"USDT": -0.5})


def test_an_order_that_is_not_sent_any_more_but_was_is_told() -> None:
    with running() as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        check_what_is_not_sent_any_more(gate)


def check_what_is_not_sent_any_more(gate: Gate) -> None:
    dip, new = (
        spot(venue="bybit", operation_id="dip", order_type="limit", price=40_000),
        spot(operation_id="new"),
    )
    routing = Brief(gate)
    manager = ExecutionManager(routing, gate=gate, subscriptions=["binance:BaseToken:USDT"])
    (first,) = manager.process_orders(AT, [dip])
    late, not_sent = ExecutionManager(routing, gate=gate, total_s=0).process_orders(AT, [dip, new])
    assert late.is_pending()
    assert late.venue_metadata["order_id"] == first.venue_metadata["order_id"]
    assert not_sent.error_code == "EXEC-002"
    _bought, told, not_sent = manager.process_orders(AT, [spot(), dip, new])
    assert manager.system_failure is not None
    assert told.venue_metadata["order_id"] == first.venue_metadata["order_id"]
    assert (told.error_code, not_sent.error_code) == (None, "EXEC-004")
    assert len(orders(gate)) == 2


def test_a_group_that_is_done_is_completed_without_time(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [member(1, operation_id="a"), member(2, venue="bybit", operation_id="b")]
    made(gate, *wanted)
    manager = ExecutionManager(gate=gate)
    left = iter([9.0, 9.0])
    monkeypatch.setattr(manager, "_left", lambda: next(left, 0.0))
    done = manager.process_orders(AT, wanted)
    assert [(one.status, one.venue_metadata["group_status"]) for one in done] == [
        ("executed", "completed")
    ] * 2


def test_a_bundle_that_was_made_is_told(gate: Gate) -> None:
    def leg(at: int, operation: str, **given) -> Order:
        return Order(
            operation=operation, venue="aave_v3", amount=10, execution_mode="atomic", atomic_group_id="g",
            sequence_in_group=at, operation_id=f"op-{at}", **given,
        )  # fmt: skip

    wanted = [leg(1, "supply", token_in="USDT"), leg(2, "borrow", token_out="USDT")]
    late = ExecutionManager(gate=gate, total_s=0)
    assert [one.error_code for one in late.process_orders(AT, wanted)] == ["EXEC-002"] * 2
    first = ExecutionManager(gate=gate).process_orders(AT, wanted)
    again = late.process_orders(AT, wanted)
    assert [one.status for one in first] == [one.status for one in again] == ["executed"] * 2
    assert {one.venue_metadata["bundle"] for one in (*first, *again)} == {orders(gate)[0].order_id}
    assert len(orders(gate)) == 1


@pytest.mark.parametrize("named", [True, False])
def test_what_cannot_be_looked_up_may_have_been_made(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    async def away(*_args: object) -> None:
        raise StoreError("the store did not say")

    monkeypatch.setattr("ordergate.sdk.venues.again.made_by", away)
    order = spot(operation_id="a") if named else spot()
    (done,) = ExecutionManager(gate=gate, total_s=0).process_orders(AT, [order])
    assert done.status == ("pending" if named else "failed")
    assert done.venue_metadata.get("reason") == ("the store did not say" if named else None)


def test_a_key_stands_for_its_order_as_long_as_its_fund_says() -> None:
    fund = FundSection(broker="paper", unlimited=True, dedupe_window="1m")
    with running(Config(funds={"paper-momentum": fund}), HastyClock()) as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        made(gate, spot(operation_id="a"))
        on_loop(gate, gate.clock.sleep(61))  # which hastens
        (done,) = ExecutionManager(gate=gate, total_s=0).process_orders(AT, [spot(operation_id="a")])
        assert done.error_code == "EXEC-002"


def test_what_undoes_is_never_worked_in_slices() -> None:
    class Rises(VenueInterfaceManager):
        def route_to_venue(self, timestamp, order):
            done = super().route_to_venue(timestamp, order)
            quote(gate, "BTC/USDT", 20_200, 20_201)
            return done

    fund = FundSection(broker="paper", unlimited=True, split_above=Decimal(10_000), horizon_minutes=3)
    with running(Config(funds={"paper-momentum": fund})) as gate:
        quote(gate, "BTC/USDT", 19_999, 20_000)
        manager = ExecutionManager(Rises(gate), gate=gate)
        done = manager.process_orders(AT, [member(1, amount=0.497), member(2, pair="ETH/USDT")])
        assert [one.status for one in done] == ["rolled_back", "failed"]
        assert done[0].venue_metadata["rolled_back"] is True
        assert [(order.quantity, order.algo) for order in orders(gate)] == [(Decimal("0.497"), None)] * 2


def test_a_break_names_the_opposite_order_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_UNDO_S", 0.2)
    with running() as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        check_what_goes_on(gate, monkeypatch)


def check_what_goes_on(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    made(gate, spot())

    async def waits(_send: object) -> Answer:
        return Answer(outcome=Outcome.ACCEPTED, broker_order_id="b-1")

    class Slow(VenueInterfaceManager):
        def route_to_venue(self, timestamp, order):
            done = super().route_to_venue(timestamp, order)
            monkeypatch.setattr(gate.brokers["binance"], "submit", waits)
            return done

    manager = ExecutionManager(Slow(gate), gate=gate)
    done = manager.process_orders(AT, [member(1), member(2, pair="ETH/USDT")])
    assert [one.status for one in done] == ["executed", "failed"]
    opposite = orders(gate)[-1]
    (item,) = breaks(gate)
    assert item.detail.endswith(
        f"0 of 0.5 undone: {opposite.order_id} is {opposite.state} and goes on: wait for its end, and trade nothing back"
    )
