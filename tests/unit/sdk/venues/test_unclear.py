"""What is not clear when a handshake is given: it is never called a failure, can be asked for again, and is undone."""

import threading
from decimal import Decimal

import pytest

from ordergate.application.ports.brokers import Answer
from ordergate.bootstrap import Gate
from ordergate.config import Config, FundSection
from ordergate.domain.breaks import BreakKind
from ordergate.domain.errors import OutcomeUnknown, StoreError
from ordergate.domain.instruments import built_in
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.reports import Outcome
from ordergate.sdk.venues import ExecutionHandshake, ExecutionManager, Order, VenueInterfaceManager
from ordergate.sdk.venues.opposites import opposite_of
from tests.unit.sdk.venues.gates import AT, on_loop, quote, running, spot
from tests.unit.sdk.venues.test_groups import breaks, member, orders, positions


def until(gate: Gate, holds) -> None:
    """Waits for it, on the gate's loop."""

    async def work() -> None:
        while not await holds():
            await gate.clock.sleep(0.01)

    on_loop(gate, work())


def test_an_order_whose_gate_is_closed_meanwhile_is_pending() -> None:
    done: list[ExecutionHandshake] = []
    with running() as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        routing = VenueInterfaceManager(gate)
        waits = threading.Thread(
            target=lambda: done.append(routing.route_to_venue(AT, spot(order_type="limit", price=40_000)))
        )
        waits.start()
        until(gate, gate.queries.orders)
    waits.join(20)
    assert done[0].is_pending()
    assert "closed" in done[0].venue_metadata["reason"]  # the gate, or already its database


def test_what_is_pending_says_by_which_key_it_is_asked_for(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, lost = gate.execute, [True]

    async def execute(command, origin):
        made = await inner(command, origin)
        if lost.pop() if lost else False:
            raise OutcomeUnknown("the answer is lost")
        return made

    monkeypatch.setattr(gate, "execute", execute)
    routing = VenueInterfaceManager(gate)
    pending = routing.route_to_venue(AT, spot())
    assert pending.is_pending()
    key = pending.venue_metadata["idempotency_key"]
    again = routing.route_to_venue(AT, spot(metadata={"idempotency_key": key}))
    assert again.was_successful()
    assert len(orders(gate)) == 1


def test_a_member_whose_answer_is_lost_is_found_by_its_key(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = ExecutionManager(gate=gate)
    inner = gate.execute

    async def execute(command, origin):
        made = await inner(command, origin)
        if isinstance(command, SubmitOrder) and command.broker == "bybit":
            monkeypatch.setattr(gate, "execute", inner)
            raise OutcomeUnknown("the answer is lost")
        return made

    monkeypatch.setattr(gate, "execute", execute)
    done = manager.process_orders(AT, [member(1), member(2, venue="bybit")])
    assert [one.status for one in done] == ["rolled_back", "rolled_back"]
    assert [order.broker for order in orders(gate)] == ["binance", "bybit", "bybit", "binance"]
    assert not breaks(gate)


def test_a_member_that_may_have_been_made_is_a_break(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ExecutionManager(gate=gate)
    inner = gate.execute

    async def execute(command, origin):
        if isinstance(command, SubmitOrder) and command.broker == "bybit":
            raise OutcomeUnknown("the answer is lost")
        return await inner(command, origin)

    monkeypatch.setattr(gate, "execute", execute)
    done = manager.process_orders(AT, [member(1), member(2, venue="bybit")])
    assert [one.status for one in done] == ["rolled_back", "pending"]
    (item,) = breaks(gate)
    assert (item.kind, item.broker, item.order_id) == (BreakKind.NOT_UNDONE, "bybit", None)
    assert "whether it was made is not known: the answer is lost" in item.detail
    assert done[1].venue_metadata["breaks"] == [item.break_id]


def test_what_keeps_one_from_being_undone_keeps_no_other(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ExecutionManager(gate=gate)
    inner = gate.execute

    async def execute(command, origin):
        if (
            isinstance(command, SubmitOrder)
            and command.key_kind == "compensates"
            and command.broker == "bybit"
        ):
            raise StoreError("the disk is away")
        return await inner(command, origin)

    monkeypatch.setattr(gate, "execute", execute)
    done = manager.process_orders(AT, [member(1), member(2, venue="bybit"), member(3, pair="ETH/USDT")])
    assert [one.status for one in done] == ["rolled_back", "executed", "failed"]
    assert [item.detail.rpartition(": ")[2] for item in breaks(gate)] == ["the disk is away"]
    assert done[0].venue_metadata["rolled_back"] is False


def test_a_group_that_cannot_be_undone_for_now_is_told_of(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = ExecutionManager(gate=gate)

    async def away(*_args: object) -> None:
        raise StoreError("the disk is away")

    monkeypatch.setattr("ordergate.sdk.venues.groups.undo", away)
    done = manager.process_orders(AT, [member(1), member(2, pair="ETH/USDT")])
    assert [one.status for one in done] == ["executed", "failed"]
    assert [one.venue_metadata["rolled_back"] for one in done] == [False, False]


def test_a_group_that_was_undone_is_not_half_done_by_its_repetition(gate: Gate) -> None:
    manager = ExecutionManager(gate=gate)
    wanted = [member(1, operation_id="a"), member(2, pair="ETH/USDT", operation_id="b")]
    first = manager.process_orders(AT, wanted)
    assert [one.status for one in first] == ["rolled_back", "failed"]
    quote(gate, "ETH/USDT", 2_999, 3_000)
    again = manager.process_orders(AT, wanted)
    assert [one.status for one in again] == ["rolled_back", "failed"]
    assert [one.error_code for one in again] == [None, "VIM-006"]
    assert len(orders(gate)) == 2
    assert "binance:BaseToken:ETH" not in positions(manager)
    alone = VenueInterfaceManager(gate).route_to_venue(AT, wanted[0])
    assert (alone.status, alone.position_deltas) == ("rolled_back", {"USDT": -0.5})


def test_no_member_of_a_group_is_begun_after_its_batch(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ExecutionManager(gate=gate)
    left = iter([9.0, 9.0, 9.0, 0.0])
    monkeypatch.setattr(manager, "_left", lambda: next(left, 0.0))
    done = manager.process_orders(AT, [member(1), member(2)])
    assert [(one.status, one.error_code) for one in done] == [("rolled_back", None), ("failed", "EXEC-002")]


def test_deltas_that_are_none_are_a_failure_and_no_exception(gate: Gate) -> None:
    class Wrong(ExecutionManager):
        def _convert_trade_to_execution_deltas(self, trade):
            return [{"position_key": "BTC", "delta_amount": 0.5}]

    manager = Wrong(gate=gate)
    (done,) = manager.process_orders(AT, [spot()])
    assert done.was_successful()
    assert "'BTC' is no position key" in (manager.system_failure or "")


def test_what_is_worked_in_slices_tells_what_they_have_moved() -> None:
    fund = FundSection(broker="paper", unlimited=True, split_above=Decimal(10_000), horizon_minutes=3)
    with running(Config(funds={"paper-momentum": fund})) as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        manager = ExecutionManager(VenueInterfaceManager(gate, timeout_s=1), gate=gate)
        (done,) = manager.process_orders(AT, [spot(amount=0.6)])
        assert done.is_pending()
        assert done.executed_amount > 0
        assert done.position_deltas == {
            "BTC": done.executed_amount,
            "USDT": pytest.approx(-45_000 * done.executed_amount),
        }
        assert done.venue_metadata["fills"]
        assert manager.system_failure is None


@pytest.mark.parametrize(("fee", "currency", "left"), [
    ("0.0005", "BTC", "0.49950"), ("0.000501", "BTC", "0.49949"), ("22.5", "USDT", "0.5"), ("0.0005", "BNB", "0.5"),
])  # fmt: skip
def test_a_purchase_whose_fee_was_taken_of_it_is_undone_as_far_as_there_is_some(
    gate: Gate, fee: str, currency: str, left: str
) -> None:
    VenueInterfaceManager(gate).route_to_venue(AT, spot())
    (order,) = orders(gate)
    (fill,) = on_loop(gate, gate.queries.fills())
    fills: list[Fill] = [type(fill)(**{
        **{name: getattr(fill, name) for name in fill.__struct_fields__}, "fee": Decimal(fee), "fee_currency": currency,
    })]  # fmt: skip
    opposite = opposite_of(order, fills, built_in("BTC/USDT"))
    assert opposite is not None
    assert opposite.quantity == Decimal(left)


def test_a_bundle_that_is_not_known_is_no_failed_group(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    def leg(at: int, operation: str, **given) -> Order:
        return Order(
            operation=operation, venue="aave_v3", amount=10, execution_mode="atomic", atomic_group_id="g",
            sequence_in_group=at, **given,
        )  # fmt: skip

    routing = VenueInterfaceManager(gate, timeout_s=0.2)
    manager = ExecutionManager(routing, gate=gate)
    manager.process_orders(AT, [Order(operation="supply", venue="aave_v3", amount=1, token_in="USDT")])

    async def lost(_send: object) -> Answer:
        return Answer(outcome=Outcome.UNKNOWN, reason="nobody answered")

    monkeypatch.setattr(gate.brokers["wallet"], "submit", lost)
    done = manager.process_orders(AT, [leg(1, "supply", token_in="USDT"), leg(2, "borrow", token_out="USDT")])
    assert [(one.status, one.venue_metadata["group_status"]) for one in done] == [("pending", "pending")] * 2
