"""What is delivered at least once: a report that changes nothing is one break, however often and whenever it comes."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.comparison import Found, Policy
from ordergate.application.entry import Origin
from ordergate.application.recovery import load_state
from ordergate.bootstrap import Gate
from ordergate.domain import breaks as domain
from ordergate.domain.breaks import Break, BreakKind, ReportedBreaks, Resolution
from ordergate.domain.instruments import built_in
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import ExecutionKind, Side, State
from ordergate.domain.recon.commands import ResolveBreak
from ordergate.domain.risk.commands import LiftHalt
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level
from tests.unit.application.accounts import LyingBroker, account, bought, breaks
from tests.unit.application.gates import START
from tests.unit.application.guards import entries
from tests.unit.application.test_lying_broker import resting, trade

D = Decimal
PERSON = Origin(source="sdk", principal="ann")
Lie = Callable[[Order], r.AnyReport]
LIES: list[tuple[str, Lie, BreakKind]] = [
    ("the wrong side", lambda o: trade(o, side=Side.SELL), BreakKind.WRONG_SIDE),
    ("another symbol", lambda o: trade(o, symbol="MSFT"), BreakKind.WRONG_INSTRUMENT),
    ("no number", lambda o: trade(o, quantity=D("NaN")), BreakKind.BAD_EXECUTION),
    ("a bust of nothing", lambda o: trade(o, execution_kind=ExecutionKind.BUST), BreakKind.BAD_EXECUTION),
    ("nobody's order", lambda o: trade(o, client_id="manual"), BreakKind.UNKNOWN_ORDER),
    ("no order", lambda o: trade(o, client_id=None), BreakKind.UNKNOWN_ORDER),
    ("terms of none", lambda o: r.Restated(broker="paper", client_id=o.client_id, reason="?", quantity=D(-1)),
     BreakKind.ILLEGAL_REPORT),
    ("no request", lambda o: r.RequestRefused(broker="paper", client_id=f"{o.order_id}.77"), BreakKind.ILLEGAL_REPORT),
]  # fmt: skip


def delivered_again(said: r.AnyReport) -> r.AnyReport:
    """The same, in another delivery."""
    return replace(said, cursor="another place", raw="another payload")


@pytest.mark.parametrize(("lie", "kind"), [case[1:] for case in LIES], ids=[case[0] for case in LIES])
def test_the_same_report_is_one_break_before_and_after_a_restart_and_once_it_is_explained(
    lie: Lie, kind: BreakKind, tmp_path: Path
) -> None:
    journal = MemoryJournal()

    def at(hours: int) -> AbstractAsyncContextManager[tuple[Gate, LyingBroker]]:
        start = START + timedelta(hours=hours)
        venue = LyingBroker("paper", PaperSettings(), tmp_path / "venue.db", VirtualClock(start), built_in)
        return account(journal, start=start, broker=venue)

    async def first() -> None:
        async with at(0) as (gate, _broker):
            said = lie(await resting(gate))
            await gate.runner.deliver(said)
            size = gate.runner.engine.size
            await gate.runner.deliver(said)
            await gate.runner.deliver(delivered_again(said))
            assert gate.runner.engine.size == size
            assert (await gate.compare("paper")).found is Found.AGREES  # no difference between the records
            (item,) = await breaks(gate)
            of_an_order = item.key.startswith(domain.ORDER)  # which a comparison would have found
            assert (item.kind, item.is_open) == (kind, not of_an_order)

    async def second() -> None:
        async with at(1) as (gate, _broker):
            order = next(iter(gate.runner.engine.state.orders.rows.values()))
            await gate.runner.deliver(lie(order))
            (item,) = await breaks(gate)
            if item.is_open:
                await gate.execute(ResolveBreak(break_id=item.break_id, why="their test system"), PERSON)
            await gate.runner.deliver(lie(order))
            (item,) = await breaks(gate)
            assert item.resolution in (Resolution.EXPLAINED, Resolution.GONE)

    async def third() -> None:
        async with at(2) as (gate, _broker):
            order = next(iter(gate.runner.engine.state.orders.rows.values()))
            await gate.runner.deliver(lie(order))
            assert len(await breaks(gate)) == 1

    for run in (first, second, third):
        run_virtual(run())


def test_the_first_end_stands_and_what_contradicts_it_is_one_break_a_claim() -> None:
    async def main() -> None:
        async with account() as (gate, _broker):
            order = await bought(gate, "held")
            assert order.state is State.CLOSED
            for end in (r.End.CANCELED, r.End.CANCELED, r.End.REJECTED, r.End.CANCELED):
                await gate.runner.deliver(r.Ended(broker="paper", client_id=order.client_id, end=end))
            for asked_after in (None, order.created_at, None):
                said = r.Working(broker="paper", client_id=order.client_id, asked_after=asked_after)
                await gate.runner.deliver(said)
            kinds = [item.kind for item in await breaks(gate)]
            assert kinds == [BreakKind.CONFLICTING_END] * 2 + [BreakKind.STILL_WORKING]

    run_virtual(main())


def test_another_lie_is_another_break() -> None:
    async def main() -> None:
        async with account() as (gate, _broker):
            order = await resting(gate)
            for exec_id in ("L1", "L2", "L1"):
                await gate.runner.deliver(trade(order, exec_id=exec_id, side=Side.SELL))
            await gate.runner.deliver(trade(order, quantity=D(0)))
            assert [item.kind for item in await breaks(gate)] == [
                BreakKind.WRONG_SIDE, BreakKind.WRONG_SIDE, BreakKind.BAD_EXECUTION,
            ]  # fmt: skip
            await gate.runner.deliver(trade(order))  # the truth under the same name is booked
            assert (await gate.queries.order(order.order_id)).filled_quantity == 10

    run_virtual(main())


def test_a_lie_that_is_delivered_again_does_not_halt_again() -> None:
    async def main() -> None:
        async with account(policy=Policy.HALT) as (gate, _broker):
            order = await resting(gate)
            for _ in range(2):
                await gate.runner.deliver(trade(order, side=Side.SELL))
                await gate.clock.sleep(0.5)
                halt = gate.runner.engine.state.halts.rows[Level.BROKER, "paper"]
                if halt.holds:
                    lift = LiftHalt(level=Level.BROKER, name="paper", reason="they know")
                    await gate.execute(lift, PERSON)
            halts = [one.event.halt.trigger for one in await entries(gate, "TradingHalted")]
            assert halts == [Trigger.RECONCILIATION]

    run_virtual(main())


def test_what_cannot_be_handled_is_kept_once(monkeypatch) -> None:
    def broken(*_given: object) -> None:
        raise ZeroDivisionError("planted")

    async def main() -> None:
        async with account() as (gate, _broker):
            order = await resting(gate)
            monkeypatch.setattr("ordergate.application.decide.executing.filled_after", broken)
            for exec_id in ("L1", "L1", "L2"):
                await gate.runner.deliver(trade(order, exec_id=exec_id))
            assert [item.kind for item in await breaks(gate)] == [BreakKind.QUARANTINED] * 2

    run_virtual(main())


def test_memory_knows_the_last_ones_and_no_rows(monkeypatch) -> None:
    monkeypatch.setattr(domain, "MOST_REPORTED", 3)

    async def main() -> None:
        async with account() as (gate, _broker):
            order = await resting(gate)
            for number in range(5):
                await gate.runner.deliver(trade(order, exec_id=f"L{number}", side=Side.SELL))
            state = gate.runner.engine.state
            assert not state.breaks.rows
            recovered = await load_state(gate.journal)
            for known in (state.reported, recovered.reported):
                keys = [(item.broker, item.key or "") for item in await breaks(gate)]
                assert [key in known for key in keys] == [False, False, True, True, True]

    run_virtual(main())


def test_what_was_undone_was_never_reported() -> None:
    known = ReportedBreaks()
    item = Break(
        break_id="b",
        kind=BreakKind.WRONG_SIDE,
        broker="paper",
        detail="",
        raised_at=START,
        key="report/wrong_side/1",
    )
    known.break_changed(None, item)
    known.break_changed(item, replace(item, owner="ann"))
    assert len(known) == 1
    known.break_changed(replace(item, owner="ann"), item)
    assert ("paper", "report/wrong_side/1") in known
    known.break_changed(item, None)
    assert len(known) == 0
    known.break_changed(None, replace(item, key="position/AAPL"))
    known.break_changed(None, replace(item, key=None))
    assert len(known) == 0
