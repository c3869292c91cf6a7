"""The reconciler against a real paper venue: what is planted is found, what is under way is not, nothing is traded."""

import asyncio
import random
import shutil
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ordergate.adapters.brokers.paper import Faults, PaperSettings
from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.api.recon import compare, show_break
from ordergate.application.comparison import Found, Policy
from ordergate.application.entry import Origin
from ordergate.application.ports.brokers import Lookup, Presence
from ordergate.bootstrap import Gate, open_gate
from ordergate.domain.breaks import BreakKind, Cause, Resolution
from ordergate.domain.errors import Conflict, Invalid, NotFound
from ordergate.domain.instruments import built_in
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import ExecutionKind, OrderType, Side, State, TimeInForce
from ordergate.domain.recon.commands import AdjustBreak, AssignBreak, ResolveBreak
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.commands import LiftHalt
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level
from tests.unit.application.accounts import LyingBroker, account, bought, breaks, config, market
from tests.unit.application.gates import START, buy
from tests.unit.application.guards import entries

BROKER = (Level.BROKER, "paper")
PERSON = Origin(source="sdk", principal="ann")


def of(told: Statement, order_id: str) -> Executed:
    return next(said for said in told.executions or () if (said.client_id or "").startswith(order_id))


def without(told: Statement, said: Executed) -> Statement:
    """The account as if that had never been executed."""
    return moved(replace(told, executions=tuple(one for one in told.executions if one is not said)), said, -1)


def plus(told: Statement, said: Executed) -> Statement:
    return moved(replace(told, executions=(*told.executions, said)), said, 1)


def moved(told: Statement, said: Executed, sign: int) -> Statement:
    quantity = said.quantity * said.side.sign * sign
    held = told.positions.get(said.symbol, Decimal(0)) + quantity
    cash = told.balances["USD"] - quantity * said.price
    return replace(
        told,
        positions={**told.positions, said.symbol: held},
        balances={**told.balances, "USD": cash},
    )


def execution(client_id: str, exec_id: str, at, quantity: int = 10, price: int = 181, **more) -> Executed:
    fields = {"symbol": "AAPL", "side": Side.BUY} | more
    return Executed(
        broker="paper", client_id=client_id, exec_id=exec_id, time=at - timedelta(minutes=1),
        quantity=Decimal(quantity), price=Decimal(price), **fields,
    )  # fmt: skip


async def kinds(gate: Gate) -> list[BreakKind]:
    return [row.kind for row in await breaks(gate)]


async def later(gate: Gate, seconds: float = 60) -> None:
    """So that nothing is under way."""
    await gate.clock.sleep(seconds)


def test_an_account_that_agrees_raises_nothing_and_is_compared_every_five_minutes():
    async def main():
        async with account() as (gate, broker):
            order = await bought(gate, "one")
            assert order.state is State.CLOSED  # filled, and the broker's own record says so
            found = await gate.compare("paper")
            assert (found.found, found.breaks, found.under_way) == (Found.AGREES, (), 0)
            asked, size = broker.asked, gate.runner.engine.size
            await later(gate, 3_010)
            assert broker.asked == asked + 10
            assert gate.runner.engine.size == size

    run_virtual(main())


def test_every_planted_break_is_found_in_one_cycle_and_nothing_else():
    async def main():
        async with account() as (gate, broker):
            gone, wrong, dear, told, busted = [await bought(gate, f"key-{n}") for n in range(5)]
            await later(gate)
            now, size = gate.clock.now(), gate.runner.engine.size
            traded = len(await gate.journal.select("orders"))
            held = (await gate.journal.select("positions"))[0].quantity

            def plant(true: Statement) -> Statement:
                lie = without(true, of(true, gone.order_id))
                lie = moved(lie, replace(of(true, wrong.order_id), quantity=Decimal(7)), 1)
                changed = {
                    of(true, wrong.order_id).exec_id: {"quantity": Decimal(107)},
                    of(true, dear.order_id).exec_id: {"price": Decimal(182)},
                }
                lie = replace(
                    lie, executions=tuple(replace(s, **changed.get(s.exec_id, {})) for s in lie.executions)
                )
                lie = replace(
                    lie, balances={"USD": lie.balances["USD"] - 100 - 50}
                )  # dearer; and 50 are gone
                lie = plus(lie, execution(f"{told.order_id}.1", "more", now))
                lie = plus(lie, execution("stranger", "S1", now))
                bust = execution(
                    f"{busted.order_id}.1", "B1", now, execution_kind=ExecutionKind.BUST,
                    refers_to=of(true, busted.order_id).exec_id,
                )  # fmt: skip
                lie = moved(lie, of(true, busted.order_id), -1)
                return replace(lie, executions=(*lie.executions, bust))

            broker.edits.append(plant)
            found = await gate.compare("paper")
            assert found.found is Found.BREAKS
            assert sorted(item.kind for item in found.breaks) == [
                BreakKind.BALANCE, BreakKind.BUSTED_FILL, BreakKind.EXTRA_FILL, BreakKind.MISSING_FILL,
                BreakKind.UNKNOWN_ORDER, BreakKind.WRONG_PRICE, BreakKind.WRONG_QUANTITY,
            ]  # fmt: skip
            by_kind = {item.kind: item for item in found.breaks}
            cash = by_kind[BreakKind.BALANCE]
            assert by_kind[BreakKind.EXTRA_FILL].order_id == gone.order_id
            assert (by_kind[BreakKind.WRONG_QUANTITY].ours, by_kind[BreakKind.WRONG_QUANTITY].theirs) == (
                100,
                107,
            )
            assert by_kind[BreakKind.UNKNOWN_ORDER].cause is Cause.FOREIGN
            assert by_kind[BreakKind.MISSING_FILL].cause is Cause.NOT_TOLD
            assert cash.symbol == "USD"
            # Each once, however often it is found; and nobody traded, nor booked anything.
            for _cycle in range(3):
                await gate.compare("paper")
            assert len(await breaks(gate)) == 7
            assert gate.runner.engine.size == size + 7
            assert len(await gate.journal.select("orders")) == traded
            assert (await gate.journal.select("positions"))[0].quantity == held
            # And once it is gone, that is said.
            broker.edits.clear()
            assert (await gate.compare("paper")).found is Found.AGREES
            ended = await breaks(gate)
            assert {item.resolution for item in ended} <= {Resolution.GONE, Resolution.FETCHED}
            assert {item.resolved_by for item in ended} == {"reconciliation"}

    run_virtual(main())


class Deaf(LyingBroker):
    """Reports of executions are lost on their way, or lookups have no answer, as long as it is so."""

    deaf = silent = False

    async def lookup(self, client_id, broker_order_id=None):
        if self.silent:
            return Lookup(presence=Presence.UNAVAILABLE)
        return await super().lookup(client_id, broker_order_id)

    async def connect(self, sink, cursor):
        broker = self

        class Ear:
            def report(self, report):
                if not (broker.deaf and isinstance(report, Executed)):
                    sink.report(report)

            def quote(self, quote):
                sink.quote(quote)

        await super().connect(Ear(), cursor)


def deaf() -> Deaf:
    return Deaf("paper", PaperSettings(), None, VirtualClock(START), built_in)


def test_a_fill_that_was_not_told_is_fetched_and_booked():
    async def main():
        async with account(broker=deaf()) as (gate, broker):
            broker.deaf = True
            order = await bought(gate, "one")
            assert order.state is State.SUBMITTED
            soon = await gate.compare("paper")
            assert (soon.found, soon.under_way) == (Found.UNDER_WAY, 1)  # its report may be on its way
            assert await breaks(gate) == []
            await later(gate, 30)  # it looks again by itself
            (item,) = await breaks(gate)
            assert (item.kind, item.cause, item.resolution) == (
                BreakKind.MISSING_FILL, Cause.NOT_TOLD, Resolution.FETCHED
            )  # fmt: skip
            assert (await gate.queries.order(order.order_id)).state is State.CLOSED
            assert [fill.quantity for fill in await gate.queries.fills()] == [100]
            assert (await gate.compare("paper")).found is Found.AGREES

    run_virtual(main())


def test_what_cannot_be_fetched_stays_a_break_and_is_not_invented():
    async def main():
        async with account(broker=deaf()) as (gate, broker):
            broker.deaf = broker.mute = True
            await bought(gate, "one")
            await later(gate, 400)
            items = [item for item in await breaks(gate) if item.is_open]
            assert BreakKind.MISSING_FILL in {item.kind for item in items}
            assert await gate.queries.fills() == []
            assert await gate.journal.select("positions") == []

    run_virtual(main())


def test_half_a_statement_is_not_read_as_an_empty_account():
    async def main():
        async with account() as (gate, broker):
            await bought(gate, "one")
            await later(gate)
            broker.edits.append(
                lambda told: replace(told, complete=False, positions={}, executions=(), working=frozenset())
            )
            assert (await gate.compare("paper")).found is Found.NOT_COMPARED
            assert await breaks(gate) == []

            async def broken(since):
                raise RuntimeError("no")

            broker.statement = broken
            found = await gate.compare("paper")
            assert (found.found, found.why) == (Found.NOT_COMPARED, "RuntimeError('no')")
            assert await breaks(gate) == []

    run_virtual(main())


def test_an_account_that_cannot_be_read_is_said_and_asked_for_more_often_until_it_can_be():
    async def main():
        async with account() as (gate, broker):
            await later(gate)
            broker.edits.append(lambda told: replace(told, complete=False, why="it has no time"))
            asked, health = broker.asked, gate.health.of["paper"]
            await later(gate, 360)
            assert health.why_down == "its account cannot be read: it has no time"
            assert broker.asked >= asked + 5
            broker.edits.clear()
            await later(gate, 31)
            assert health.why_down is None
            asked = broker.asked
            await later(gate, 290)
            assert broker.asked <= asked + 1

    with capture_logs() as logs:
        run_virtual(main())
    said = [one for one in logs if one["event"] == "the account could not be compared"]
    assert [(one["broker"], one["why"]) for one in said] == [("paper", "it has no time")]


def test_new_orders_wait_for_the_first_comparison_and_then_leave_aloud():
    async def main():
        clock = VirtualClock(START)
        broker = LyingBroker("paper", PaperSettings(), None, clock, built_in)
        broker.edits.append(lambda told: replace(told, complete=False, why="it has no time"))
        async with account(broker=broker) as (gate, _broker):
            health, order = gate.health.of["paper"], await bought(gate, "one")
            await later(gate, 5)
            assert (await gate.queries.order(order.order_id)).state is State.ACCEPTED
            assert health.why_down == "new orders wait until its account was compared: it has no time"
            await later(gate, 30)
            assert (await gate.queries.order(order.order_id)).state is State.CLOSED
            assert health.why_down is None  # it answers
            await later(gate, 600)
            assert health.why_down is None

    with capture_logs() as logs:
        run_virtual(main())
    assert "new orders leave, though the account was not compared" in [one["event"] for one in logs]


def test_what_is_open_is_told_where_nothing_can_be_compared():
    async def main():
        async with account() as (gate, broker):
            await bought(gate, "one")
            await later(gate)
            broker.edits.append(more_held)
            (item,) = (await gate.compare("paper")).breaks
            broker.edits.append(lambda told: replace(told, complete=False))
            (found,) = await compare(gate, "paper")
            assert (found["found"], found["breaks"]) == ("not_compared", [show_break(item)])
            assert (await gate.compare("paper")).breaks == ()  # nothing follows from it

    run_virtual(main())


def more_held(told: Statement) -> Statement:
    return replace(told, positions={**told.positions, "AAPL": Decimal(5) + told.positions.get("AAPL", 0)})


@pytest.mark.parametrize("policy", [Policy.ALERT, Policy.HALT])
def test_a_position_that_differs_is_a_break_and_halts_where_that_is_the_policy(policy):
    async def main():
        async with account(policy=policy) as (gate, broker):
            await bought(gate, "one")
            working = await bought(gate, "rest", order_type=OrderType.LIMIT, limit_price=Decimal(100))
            await later(gate)
            broker.edits.append(more_held)
            before = gate.clock.now()
            found = await gate.compare("paper")
            took = (gate.clock.now() - before).total_seconds()
            halt = gate.runner.engine.state.halts.get(BROKER)
            (item,) = await breaks(gate)
            assert (item.kind, item.ours, item.theirs) == (BreakKind.POSITION, 100, 105)
            assert found.halted is (policy is Policy.HALT)
            if policy is Policy.ALERT:
                assert halt is None
                assert took < 1
                return
            assert took == pytest.approx(7, abs=0.1)  # after 1, 2 and 4 seconds
            assert (halt.trigger, halt.by) == (Trigger.RECONCILIATION, "trigger/reconciliation")
            assert "100 AAPL here, 105 at the broker" in halt.reason
            (entry,) = await entries(gate, "TradingHalted")
            assert entry.source == "reconciliation"
            await gate.quiet()
            assert (await gate.queries.order(working.order_id)).state is State.CANCELED

    run_virtual(main())


async def balance(gate: Gate, name: str) -> Decimal:
    """What the funds together have of an asset, by the ledger."""
    rows = await gate.journal.select("balances")
    return sum((row.amount for row in rows if row.position_key == f"paper:BaseToken:{name}"), Decimal(0))


@pytest.mark.parametrize("quantity", [5, -5, -150])
def test_a_balance_is_what_the_broker_has_whatever_price_a_position_is_adjusted_at(quantity: int):
    """A trade that nobody told: shares and money differ, and each is adjusted by itself, once."""

    async def main():
        async with account(policy=Policy.CORRECT) as (gate, broker):
            await bought(gate, "one")
            await later(gate)
            market(gate)
            side = Side.BUY if quantity > 0 else Side.SELL
            hidden = execution(
                "x", "X1", gate.clock.now(), quantity=abs(quantity), price=170, symbol="AAPL", side=side
            )
            broker.edits.append(lambda told: moved(told, hidden, 1))
            await gate.compare("paper")
            assert len(await entries(gate, "PositionAdjusted")) == 2
            assert (await gate.compare("paper")).found is Found.AGREES
            theirs = await broker.statement(gate.clock.now())
            assert await balance(gate, "AAPL") == theirs.positions.get("AAPL", 0) == 100 + quantity
            assert await balance(gate, "USD") == theirs.balances["USD"] - theirs.paid_in["USD"]
            (position,) = await gate.journal.select("positions")
            assert position.cost - position.realized_pnl == 100 * 181 + quantity * Decimal(
                "180.5"
            )  # of the lots

    run_virtual(main())


@pytest.mark.parametrize(
    "edit",
    [
        lambda told: replace(told, positions={"AAPL": Decimal("NaN")}),
        lambda told: replace(told, balances={"USD": 0.5}),
        lambda told: replace(told, positions=["AAPL"]),
        lambda told: replace(
            told,
            executions=tuple(replace(one, time=one.time.replace(tzinfo=None)) for one in told.executions),
        ),
    ],
    ids=["NaN", "float", "list", "no offset"],
)
def test_a_statement_that_cannot_be_says_nothing_and_ends_nothing(edit):
    async def main():
        async with account(every_s=60) as (gate, broker):
            await bought(gate, "one")
            await gate.clock.sleep(15)
            broker.edits, asked = [edit], broker.asked
            assert (await gate.compare("paper")).found is Found.NOT_COMPARED
            await gate.clock.sleep(120)
            assert broker.asked > asked + 2  # by itself, too
            broker.edits.clear()
            assert (await gate.compare("paper")).found is Found.AGREES
            await bought(gate, "two")
            assert await breaks(gate) == []

    run_virtual(main())


def test_what_comes_right_within_the_looks_halts_nobody():
    async def main():
        async with account(policy=Policy.HALT) as (gate, broker):
            await later(gate)
            broker.edits.append(more_held)
            comparing = asyncio.ensure_future(gate.compare("paper"))
            await later(gate, 2)
            broker.edits.clear()
            found = await comparing
            assert (found.found, found.halted) == (Found.AGREES, False)
            (item,) = await breaks(gate)
            assert item.resolution is Resolution.GONE
            assert gate.runner.engine.state.halts.get(BROKER) is None

    run_virtual(main())


def test_an_explained_difference_is_not_raised_again_and_another_is():
    async def main():
        async with account(policy=Policy.HALT) as (gate, broker):
            await later(gate)
            broker.edits.append(more_held)
            await gate.compare("paper")
            (item,) = await breaks(gate)
            await gate.execute(AssignBreak(break_id=item.break_id, owner="bea"), PERSON)
            with pytest.raises(Invalid, match="why"):
                await gate.execute(ResolveBreak(break_id=item.break_id, why=" "), PERSON)
            done = await gate.execute(ResolveBreak(break_id=item.break_id, why="a gift"), PERSON)
            assert (done.owner, done.resolved_by, done.resolution, done.why) == (
                "bea", "ann", Resolution.EXPLAINED, "a gift"
            )  # fmt: skip
            with pytest.raises(Conflict, match="resolved by ann: a gift"):
                await gate.execute(ResolveBreak(break_id=item.break_id, why="again"), PERSON)
            with pytest.raises(NotFound):
                await gate.execute(AssignBreak(break_id="brk-999999", owner="bea"), PERSON)
            await gate.execute(LiftHalt(level=Level.BROKER, name="paper", reason="seen"), PERSON)
            found = await gate.compare("paper")
            assert (found.found, found.halted) == (Found.AGREES, False)
            broker.edits.append(more_held)
            found = await gate.compare("paper")
            assert [item.theirs for item in found.breaks] == [10]
            assert found.halted
            broker.edits.clear()
            await gate.compare("paper")
            first, second = await breaks(gate)
            assert (first.resolution, first.is_watched) == (Resolution.EXPLAINED, False)
            assert second.resolution is Resolution.GONE
            broker.edits.append(more_held)  # the first one has been over in the meantime
            assert len((await gate.compare("paper")).breaks) == 1

    run_virtual(main())


def test_correcting_books_a_journalled_adjustment_that_names_the_break():
    async def main():
        async with account(policy=Policy.CORRECT) as (gate, broker):
            await bought(gate, "one")
            await later(gate)
            market(gate)
            broker.edits.append(more_held)
            await gate.compare("paper")
            item = (await breaks(gate))[0]
            assert (item.resolution, item.resolved_by) == (Resolution.ADJUSTED, "reconciliation")
            (entry, *_cash) = await entries(gate, "PositionAdjusted")
            assert entry.event.break_id == item.break_id
            (position,) = await gate.journal.select("positions")
            assert position.quantity == 105
            assert [fill.quantity for fill in await gate.queries.fills()] == [100]  # none was invented
            again = await gate.compare("paper")
            assert BreakKind.POSITION not in [one.kind for one in again.breaks]

    run_virtual(main())


def sums(told: Statement) -> Statement:
    return Statement(
        as_of=told.as_of,
        complete=True,
        positions=told.positions,
        balances=told.balances,
        paid_in=told.paid_in,
    )


def test_where_only_sums_are_told_the_orders_that_may_explain_them_are_asked_for_before_anything_is_booked():
    """MT5 and the like: a fill that was never told of a working order is fetched, and not booked a second time."""

    async def main():
        broker = deaf()
        async with account(broker=broker, policy=Policy.CORRECT, every_s=5) as (gate, _):
            broker.edits.append(sums)
            order = await bought(gate, "one", 100, order_type=OrderType.LIMIT, limit_price=Decimal(170))
            broker.deaf = True
            market(gate, 168, size=40)
            await later(gate, 3)
            assert (await gate.queries.order(order.order_id)).filled_quantity == 0
            broker.silent = True
            await later(gate, 60)
            assert await gate.journal.select("positions") == []  # it cannot be asked: nothing is booked
            assert set(await kinds(gate)) == {BreakKind.POSITION, BreakKind.BALANCE}
            broker.silent = False
            await later(gate, 30)
            assert (await gate.queries.order(order.order_id)).filled_quantity == 40
            (position,) = await gate.journal.select("positions")
            assert position.quantity == 40
            assert await entries(gate, "PositionAdjusted") == []
            assert {row.resolution for row in await breaks(gate)} <= {Resolution.FETCHED, Resolution.GONE}

    run_virtual(main())


def test_where_only_sums_are_told_the_last_fill_of_an_order_that_just_ended_may_be_under_way():
    async def main():
        async with account(broker=deaf()) as (gate, broker):
            broker.edits.append(sums)
            await later(gate)
            market(gate, size=40)
            broker.deaf = True
            order = await bought(gate, "one", 100, tif=TimeInForce.IOC)
            assert (order.state, order.filled_quantity) == (State.CANCELED, 0)
            found = await gate.compare("paper")
            assert (found.found, found.under_way) == (Found.UNDER_WAY, 2)
            await later(gate)
            assert set(await kinds(gate)) == {BreakKind.POSITION, BreakKind.BALANCE}

    run_virtual(main())


def test_a_foreign_trade_in_what_we_never_traded_is_one_break():
    async def main():
        async with account() as (gate, broker):
            await later(gate)
            said = execution("stranger", "F1", gate.clock.now(), symbol="MSFT")
            broker.edits.append(lambda told: plus(told, said))
            found = await gate.compare("paper")
            assert [item.kind for item in found.breaks] == [BreakKind.UNKNOWN_ORDER]

    run_virtual(main())


def test_an_adjustment_by_a_person_needs_a_price_a_fund_and_the_right_kind_of_break():
    async def main():
        async with account() as (gate, broker):
            await later(gate)
            gate.runner.engine.view.quotes.clear()
            stranger = execution("stranger", "S1", gate.clock.now(), quantity=0)
            broker.edits += [more_held, lambda told: replace(told, executions=(*told.executions, stranger))]
            held = {item.kind: item.break_id for item in (await gate.compare("paper")).breaks}
            adjust = AdjustBreak(break_id=held[BreakKind.POSITION], why="seen")
            with pytest.raises(Invalid, match="at which price"):
                await gate.execute(adjust, PERSON)
            with pytest.raises(Invalid, match="is no fund"):
                await gate.execute(replace(adjust, fund_id="nobody"), PERSON)
            with pytest.raises(Conflict, match="only a position or balance"):
                await gate.execute(replace(adjust, break_id=held[BreakKind.UNKNOWN_ORDER]), PERSON)
            done = await gate.execute(replace(adjust, price=Decimal(180)), PERSON)
            assert (done.resolution, done.resolved_by) == (Resolution.ADJUSTED, "ann")
            (lot,) = await gate.journal.select("lots")
            assert (lot.remaining, lot.price) == (5, 180)

    run_virtual(main())


@pytest.mark.parametrize("policy", [Policy.ALERT, Policy.HALT])
@pytest.mark.parametrize(
    ("kind", "lie"),
    [
        (BreakKind.WRONG_SIDE, {"side": Side.SELL}),
        (BreakKind.WRONG_INSTRUMENT, {"symbol": "MSFT"}),
        (BreakKind.BAD_EXECUTION, {"quantity": Decimal(-10)}),
        (BreakKind.OVERFILL, {"quantity": Decimal(150)}),
    ],
)
def test_a_broker_that_lies_about_a_trade_is_halted_where_that_is_the_policy(policy, kind, lie):
    async def main():
        async with account(policy=policy) as (gate, _broker):
            order = await bought(gate, "rest", order_type=OrderType.LIMIT, limit_price=Decimal(100))
            await later(gate)
            said = replace(execution(f"{order.order_id}.1", "L1", gate.clock.now()), **lie)
            before = gate.clock.now()
            await gate.runner.deliver(said)
            assert kind in await kinds(gate)
            booked = [fill.quantity for fill in await gate.queries.fills()]
            assert booked == ([150] if kind is BreakKind.OVERFILL else [])  # too much did happen
            await later(gate, 0.5)
            halt = gate.runner.engine.state.halts.get(BROKER)
            assert (halt is None) == (policy is Policy.ALERT)
            if halt is not None:
                assert halt.trigger is Trigger.RECONCILIATION
                assert (halt.since - before).total_seconds() < 1
                assert kind in halt.reason

    run_virtual(main())


def test_too_much_of_an_order_that_is_over_halts_too_where_that_is_the_policy():
    async def main():
        async with account(policy=Policy.HALT) as (gate, _broker):
            order = await bought(gate, "one")
            assert order.state is State.CLOSED
            await gate.runner.deliver(execution(order.client_id, "L1", gate.clock.now()))
            assert await kinds(gate) == [BreakKind.OVERFILL]
            await later(gate, 0.5)
            assert gate.runner.engine.state.halts.rows[BROKER].reason.startswith("overfill")

    run_virtual(main())


def test_a_lie_halts_at_once_whatever_comparison_is_under_way():
    async def main():
        async with account(policy=Policy.HALT) as (gate, broker):
            order = await bought(gate, "one")
            await later(gate)
            broker.edits.append(more_held)
            comparing = asyncio.ensure_future(gate.compare("paper"))  # looks again for 7 s
            await later(gate, 0.5)
            gate.runner.report(execution(order.client_id, "lie", gate.clock.now(), side=Side.SELL))
            await later(gate, 0.1)
            assert not comparing.done()
            assert gate.runner.engine.state.halts.rows[BROKER].reason.startswith("wrong_side")
            assert (await comparing).halted

    run_virtual(main())


def test_in_strict_mode_every_order_is_compared():
    async def main():
        async with account(strict=True) as (gate, broker):
            await later(gate)
            asked = broker.asked
            await bought(gate, "one")
            await later(gate, 0.5)
            assert broker.asked > asked
            broker.edits.append(more_held)
            await bought(gate, "two")
            await later(gate, 20)
            assert await kinds(gate) == [BreakKind.POSITION]

    run_virtual(main())


def test_an_order_that_ended_without_a_word_is_looked_up():
    async def main():
        async with account(broker=deaf()) as (gate, broker):
            order = await bought(gate, "rest", order_type=OrderType.LIMIT, limit_price=Decimal(100))
            broker.edits.append(lambda told: replace(told, working=frozenset()))
            broker.mute = True
            await later(gate, 400)
            assert await kinds(gate) == [BreakKind.NOT_WORKING]
            assert (await gate.queries.order(order.order_id)).state is State.SUBMITTED
            broker.edits.clear()
            await gate.compare("paper")
            assert (await breaks(gate))[0].resolution is Resolution.GONE

    run_virtual(main())


def test_a_broker_that_works_an_order_which_ended_here_is_told_apart():
    async def main():
        async with account() as (gate, broker):
            order = await bought(gate, "rest", order_type=OrderType.LIMIT, limit_price=Decimal(100))
            await gate.execute(CancelOrder(order_id=order.order_id))
            await gate.quiet()
            await later(gate)
            broker.edits.append(
                lambda told: replace(told, working=frozenset({f"{order.order_id}.1", "foreign"}))
            )
            found = await gate.compare("paper")
            assert {item.kind for item in found.breaks} == {BreakKind.STILL_WORKING, BreakKind.UNKNOWN_ORDER}

    run_virtual(main())


async def trade(gate: Gate, key: str) -> None:
    quote = Quote("AAPL", gate.clock.now(), Decimal(180), Decimal(181), pinned=True)
    await gate.set_quote("paper", quote)
    await bought(gate, key)


def test_a_journal_from_a_backup_is_found_and_halted_under_any_policy(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    how, url = config(policy=Policy.ALERT), f"sqlite:///{tmp_path / 'gate.db'}"

    async def main():
        async with open_gate(how, url) as gate:
            await trade(gate, "in the backup")
        shutil.copy(tmp_path / "gate.db", tmp_path / "backup.db")
        async with open_gate(how, url) as gate:
            await trade(gate, "lost")
            assert (await gate.compare("paper")).found is Found.AGREES
        (tmp_path / "gate.db").unlink()
        shutil.copy(tmp_path / "backup.db", tmp_path / "gate.db")
        async with open_gate(how, url) as gate:
            async with asyncio.timeout(30):
                while BROKER not in gate.runner.engine.state.halts.rows:
                    await asyncio.sleep(0.01)
            halt = gate.runner.engine.state.halts.rows[BROKER]
            assert (halt.trigger, "the journal is older than the account" in halt.reason) == (
                Trigger.RECONCILIATION, True
            )  # fmt: skip
            behind = [row for row in await breaks(gate) if row.cause is Cause.JOURNAL_BEHIND]
            assert [row.kind for row in behind] == [BreakKind.UNKNOWN_ORDER]
            assert [position.quantity for position in await gate.journal.select("positions")] == [100]

    asyncio.run(main())


async def busy(gate: Gate, cycles: int, seed: int) -> None:
    """Orders of all sorts in flight while the account is compared, again and again."""
    dice, live = random.Random(seed), []
    for cycle in range(cycles):
        market(gate, 180 + dice.randrange(-2, 3), dice.choice((30, 60, 500)))
        for number in range(dice.randrange(3)):
            limit = dice.choice((None, Decimal(178), Decimal(181), Decimal(184)))
            side = dice.choice((Side.BUY, Side.SELL))
            kind = OrderType.MARKET if limit is None else OrderType.LIMIT
            command = buy(
                f"key-{cycle}-{number}", side=side, quantity=Decimal(dice.randrange(10, 200)), order_type=kind,
                limit_price=limit,
            )  # fmt: skip
            made = await gate.execute(command)
            live.append(made.order.order_id)
        if live and dice.random() < 0.4:
            order_id = live.pop(dice.randrange(len(live)))
            with suppress(Conflict):
                await gate.execute(CancelOrder(order_id=order_id))
        found = await gate.compare("paper")
        assert not found.breaks, (cycle, found)
        await gate.clock.sleep(dice.choice((0, 0.001, 0.02, 0.3)))


TEN_THOUSAND = [
    pytest.param(cycles, seed, marks=pytest.mark.slow) for seed, cycles in enumerate([1_000, *[250] * 36])
]
"""One long day and many short ones: each comparison goes through all orders of its day."""


@pytest.mark.slow
@pytest.mark.parametrize(("cycles", "seed"), [(150, 6), *TEN_THOUSAND])
@pytest.mark.parametrize("faults", [False, True])
def test_clean_cycles_with_orders_in_flight_raise_no_alarm(cycles, seed, faults):
    fifth = Decimal("0.2")
    wrong = Faults(duplicate_report=fifth, reorder_report=fifth, late_answer=fifth, incomplete_snapshot=fifth)
    settings = PaperSettings(latency_ms=20, fee_bps=Decimal("0.7"), faults=wrong if faults else Faults())

    async def main():
        async with account(settings=settings) as (gate, _broker):
            await busy(gate, cycles, seed)
            await later(gate, 600)
            raised = [row for row in await breaks(gate) if row.key is not None]
            assert raised == []

    run_virtual(main())
