"""What a person has explained: the sums show what is left of it, it can be booked, and is counted once."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.comparison import Comparison, Found, Policy
from ordergate.application.entry import Origin
from ordergate.bootstrap import Gate
from ordergate.domain.breaks import BreakKind, Resolution
from ordergate.domain.errors import Conflict
from ordergate.domain.instruments import built_in
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import Side
from ordergate.domain.recon.commands import AdjustBreak, ResolveBreak
from ordergate.domain.recon.statement import Statement
from ordergate.sdk.signals.positions import PositionReconciler
from tests.unit.application.accounts import LyingBroker, account, bought, breaks
from tests.unit.application.gates import START

PERSON = Origin(source="sdk", principal="ann")
Hidden = Callable[[Statement], Statement]


def traded(said: Executed) -> Hidden:
    """The account as if that had been executed there, too."""

    def edit(told: Statement) -> Statement:
        assert told.positions is not None
        assert told.balances is not None
        assert told.executions is not None
        held, cash = told.positions.get("AAPL", Decimal(0)), told.balances["USD"]
        named = said.time >= (told.executions_since or said.time)
        return replace(
            told,
            executions=(*told.executions, said) if named else told.executions,
            positions={**told.positions, "AAPL": held + said.quantity},
            balances={**told.balances, "USD": cash - said.quantity * said.price},
        )

    return edit


def execution(gate: Gate, client_id: str | None) -> Executed:
    return Executed(
        broker="paper", client_id=client_id, exec_id="H1", time=gate.clock.now() - timedelta(seconds=30),
        quantity=Decimal(100), price=Decimal(181), symbol="AAPL", side=Side.BUY,
    )  # fmt: skip


async def opened(gate: Gate) -> dict[BreakKind, str]:
    return {item.kind: item.break_id for item in await breaks(gate) if item.is_open}


async def explain(gate: Gate) -> Comparison:
    """Every break that is open."""
    for break_id in (await opened(gate)).values():
        await gate.execute(ResolveBreak(break_id=break_id, why="booked by hand"), PERSON)
    return await gate.compare("paper")


async def adjust(gate: Gate) -> Comparison:
    """Every sum that differs."""
    for kind, break_id in (await opened(gate)).items():
        if kind not in (BreakKind.POSITION, BreakKind.BALANCE):
            continue
        price = Decimal(181) if break_id == (await opened(gate)).get(BreakKind.POSITION) else None
        await gate.execute(AdjustBreak(break_id=break_id, why="booked by hand", price=price), PERSON)
    await gate.clock.sleep(1)  # what is booked while the broker looks is under way
    return await gate.compare("paper")


async def held(gate: Gate) -> Decimal:
    return sum((row.quantity for row in await gate.journal.select("positions")), Decimal(0))


@pytest.mark.parametrize(
    "foreign", [True, False], ids=["an order that nobody knows", "a fill that cannot be had"]
)
def test_what_is_explained_appears_in_the_sums_is_booked_once_and_agrees_after_a_restart(
    foreign: bool, tmp_path: Path
) -> None:
    journal, edits = MemoryJournal(), list[Hidden]()

    def at(hours: float):
        start = START + timedelta(hours=hours)
        venue = LyingBroker("paper", PaperSettings(), tmp_path / "venue.db", VirtualClock(start), built_in)
        venue.edits += edits
        return account(journal, start=start, broker=venue)

    async def first() -> None:
        async with at(0) as (gate, broker):
            order = await bought(gate, "one")
            await gate.clock.sleep(60)
            hidden = execution(gate, "manual" if foreign else order.client_id)
            edits.append(traded(hidden))
            broker.edits += edits
            await gate.compare("paper")
            assert set(await opened(gate)) == {BreakKind.UNKNOWN_ORDER if foreign else BreakKind.MISSING_FILL}
            found = await explain(gate)
            assert (found.found, found.explained) == (Found.BREAKS, 1)
            assert set(await opened(gate)) == {BreakKind.POSITION, BreakKind.BALANCE}
            found = await adjust(gate)
            assert (found.found, found.explained, await held(gate)) == (Found.AGREES, 1, 200)
            size = gate.runner.engine.size
            await gate.clock.sleep(1_000)
            assert gate.runner.engine.size == size
            if (
                not foreign
            ):  # told after all: it is booked, so the adjustment is one too many, and that is found
                await gate.runner.deliver(hidden)
                assert await held(gate) == 300
                await gate.clock.sleep(1)
                found = await gate.compare("paper")
                assert {item.kind for item in found.breaks} == {BreakKind.POSITION, BreakKind.BALANCE}
                assert (await adjust(gate)).found is Found.AGREES
                assert await held(gate) == 200

    async def again(hours: float) -> None:
        async with at(hours) as (gate, _broker):
            before = await breaks(gate)
            assert (await gate.compare("paper")).found is Found.AGREES
            assert await held(gate) == 200
            assert {item.kind for item in before if item.is_open} <= {BreakKind.OVERFILL}
            await gate.clock.sleep(1_000)
            assert await breaks(gate) == before

    run_virtual(first())
    run_virtual(again(2))
    run_virtual(again(48))  # the statement no longer names it


def test_the_difference_of_an_order_is_known_again_when_a_statement_names_it_again() -> None:
    async def main() -> None:
        async with account() as (gate, broker):
            await bought(gate, "one")
            await gate.clock.sleep(60)
            edit = traded(execution(gate, "manual"))
            broker.edits.append(edit)
            await gate.compare("paper")
            await explain(gate)
            await adjust(gate)
            broker.edits.clear()
            broker.edits.append(lambda told: replace(edit(told), executions=told.executions))
            assert (await gate.compare("paper")).explained == 0
            broker.edits[:] = [edit]
            found = await gate.compare("paper")
            assert (found.found, found.explained) == (Found.AGREES, 1)
            assert [item.resolution for item in await breaks(gate)] == [
                Resolution.EXPLAINED, Resolution.ADJUSTED, Resolution.ADJUSTED,
            ]  # fmt: skip

    run_virtual(main())


@pytest.mark.slow
def test_what_is_explained_is_not_looked_back_for() -> None:
    async def main() -> None:
        async with account() as (gate, broker):
            asked = list[timedelta]()
            order = await bought(gate, "one")
            edit = traded(execution(gate, order.client_id))
            broker.mute = True
            broker.edits.append(edit)
            true = broker.statement

            async def statement(since) -> Statement:
                asked.append(gate.clock.now() - since)
                return await true(since)

            broker.statement = statement  # type: ignore[method-assign]
            await gate.clock.sleep(3 * 86_400)
            assert asked[-1] > timedelta(days=3)  # it is open still
            await explain(gate)
            await adjust(gate)
            await gate.clock.sleep(1_000)
            assert asked[-1] < timedelta(minutes=10)

    run_virtual(main())


def test_correcting_books_what_was_explained() -> None:
    async def main() -> None:
        async with account(policy=Policy.CORRECT) as (gate, broker):
            await bought(gate, "one")
            await gate.clock.sleep(60)
            broker.edits.append(traded(execution(gate, "manual")))
            await gate.compare("paper")
            assert await held(gate) == 100
            assert (await explain(gate)).found is Found.AGREES
            assert await held(gate) == 200

    run_virtual(main())


def test_the_sdk_says_which_break_explains_a_position() -> None:
    async def main() -> None:
        async with account() as (gate, broker):
            await bought(gate, "one")
            broker.edits.append(traded(execution(gate, "manual")))
            await gate.clock.sleep(60)
            reconciler = PositionReconciler(gate)
            found = await reconciler.compare_positions(
                await reconciler.get_db_positions(), await reconciler.get_broker_positions()
            )
            assert [(one.ours, one.theirs) for one in found] == [(100, 200)]
            with pytest.raises(Conflict, match=r"AAPL was not corrected: brk-\d+ \(unknown_order"):
                await reconciler.correct_positions(found)
            assert await held(gate) == 100
            await explain(gate)
            assert await reconciler.correct_positions(found) == found
            assert await held(gate) == 200

    run_virtual(main())
