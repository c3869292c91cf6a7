"""RSK-27: the watch halts a strategy within a second of the end of its time to be silent, on any node."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from ordergate.adapters.clock import run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.bootstrap import Gate
from ordergate.config import Config, FundSection
from ordergate.config.limits import LimitSections
from ordergate.domain.errors import Conflict
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.states import RequestKind
from ordergate.domain.risk.commands import Heartbeat, LiftHalt, SetLimits, ThrowSwitch
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level, Limits
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.unit.application.gates import START, buy
from tests.unit.application.guards import entries, now_is
from tests.unit.application.nodes import two
from tests.unit.application.test_watching import OTHER, SECOND, run, working

TREND = (Level.STRATEGY, "trend")
MOST_S = 60
BEAT = Heartbeat(strategy_id="trend")
LIFT = LiftHalt(level=Level.STRATEGY, name="trend", reason="it runs again")
WATCHED = Config(
    funds={"paper-momentum": FundSection(unlimited=True)},
    limits=LimitSections(strategies={"trend": Limits(max_silence_s=MOST_S)}),
)


def is_halted(gate: Gate) -> bool:
    halt = gate.runner.engine.state.halts.get(TREND)
    return halt is not None and halt.holds


async def halts(gate: Gate) -> list[Any]:
    return await entries(gate, "TradingHalted")


class TestOneNode:
    @pytest.mark.parametrize("by", ["heartbeat", "order"])
    def test_it_halts_within_a_second_and_not_before(self, by: str) -> None:
        async def silent(gate: Gate, broker: ScriptedBroker) -> None:
            other = await working(gate, broker)
            await gate.clock.sleep(7.3)
            given = BEAT if by == "heartbeat" else buy("own", strategy_id="trend")
            await gate.execute(given)
            seen_at = gate.runner.engine.state.strategies.rows["trend"].seen_at
            await gate.clock.sleep(MOST_S - 0.1)
            assert not is_halted(gate)
            await gate.clock.sleep(1.1)
            (entry,) = await halts(gate)
            end = seen_at + timedelta(seconds=MOST_S)
            assert end <= entry.time < end + SECOND
            assert entry.event.halt.trigger is Trigger.SILENCE
            assert (await gate.execute(buy("c", strategy_id="trend"))).order.reason_code == RiskCode.HALTED
            assert not (await now_is(gate, other.order_id)).open_request(RequestKind.CANCEL)

        run(WATCHED, silent)

    def test_who_gives_signs_of_life_is_not_halted(self) -> None:
        async def alive(gate: Gate, _broker: ScriptedBroker) -> None:
            for _ in range(200):
                await gate.execute(BEAT)
                await gate.clock.sleep(5)
            assert await halts(gate) == []
            written = await entries(gate, "StrategySeen")
            assert len(written) == 100, "every other one comes within a tenth"

        run(WATCHED, alive)

    def test_before_the_first_sign_of_life_nothing_happens_and_nobody_looks(self) -> None:
        async def rests(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.clock.sleep(2)
            size, looks = (await gate.journal.head()).size, []
            is_due = gate.runner.engine.is_due
            gate.runner.engine.is_due = lambda now: looks.append(now) or is_due(now)
            await gate.clock.sleep(30 * 24 * 3_600)
            assert (looks, (await gate.journal.head()).size) == ([], size)
            await gate.execute(BEAT)
            await gate.clock.sleep(MOST_S - 1)
            assert len(looks) <= 2, "it waits for the moment, and does not poll"

        run(WATCHED, rests)

    def test_a_silence_halts_once(self) -> None:
        async def once(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(BEAT)
            await gate.clock.sleep(MOST_S + 1)
            assert is_halted(gate)
            await gate.execute(LIFT, OTHER)
            await gate.clock.sleep(10 * MOST_S)
            assert not is_halted(gate)
            await gate.execute(BEAT)
            await gate.clock.sleep(MOST_S + 1)
            assert len(await halts(gate)) == 2

        run(WATCHED, once)

    def test_while_it_is_halted_already_nobody_looks(self) -> None:
        async def rests(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(ThrowSwitch(level=Level.STRATEGY, name="trend", reason="drill"))
            await gate.execute(BEAT)
            await gate.clock.sleep(2)
            looks = []
            is_due = gate.runner.engine.is_due
            gate.runner.engine.is_due = lambda now: looks.append(now) or is_due(now)
            await gate.clock.sleep(10 * MOST_S)
            assert (looks, len(await halts(gate))) == ([], 1)

        run(WATCHED, rests)

    @pytest.mark.parametrize("away_s", [MOST_S - 20, MOST_S + 20])
    def test_it_survives_a_restart(self, away_s: int) -> None:
        journal = MemoryJournal()

        async def before(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.clock.sleep(1)
            await gate.execute(BEAT)

        async def after(gate: Gate, _broker: ScriptedBroker) -> None:
            assert is_halted(gate) is (away_s > MOST_S)
            await gate.clock.sleep(MOST_S - away_s if away_s < MOST_S else 0)
            assert is_halted(gate) is (away_s > MOST_S)
            await gate.clock.sleep(2)
            assert is_halted(gate)
            assert len(await halts(gate)) == 1

        run(WATCHED, before, journal)
        run(WATCHED, after, journal, START + timedelta(seconds=away_s))


class TestTwoNodes:
    async def watch(self, gate: Gate) -> None:
        limits = Limits(max_silence_s=MOST_S)
        await gate.execute(
            SetLimits(level=Level.STRATEGY, name="trend", limits=limits, reason="it runs alone")
        )

    def test_a_sign_of_life_at_one_counts_at_the_other(self) -> None:
        async def main() -> None:
            async with two() as (_one, first, _other, second, _store):
                await self.watch(first)
                for turn in range(8):
                    await (first, second)[turn % 2].execute(BEAT)
                    await asyncio.sleep(MOST_S - 15)
                assert await halts(first) == []
                await asyncio.sleep(MOST_S)
                assert len(await halts(second)) == 1
                assert is_halted(first)
                assert is_halted(second)

        run_virtual(main())

    def test_one_that_does_not_know_of_it_yet_finds_out_before_it_halts(self) -> None:
        """Its news have not come: it looks at what stands in the journal before it decides."""

        async def main() -> None:
            async with two() as (_one, first, _other, second, store):
                await self.watch(first)
                await first.execute(BEAT)
                await asyncio.sleep(1)
                store.forget("other")
                await asyncio.sleep(MOST_S - 15)
                await first.execute(BEAT)
                known = (
                    gate.runner.engine.state.strategies.rows["trend"].seen_at for gate in (first, second)
                )
                assert len({*known}) == 2, "the second has not heard of it"
                await asyncio.sleep(20)
                assert await halts(first) == []
                await asyncio.sleep(MOST_S)
                assert len(await halts(first)) == 1

        run_virtual(main())

    def test_when_one_dies_the_other_halts(self) -> None:
        async def main() -> None:
            async with two() as (one, first, _other, second, _store):
                await self.watch(first)
                await first.execute(BEAT)
                await asyncio.sleep(1)
                await one.die()
                await asyncio.sleep(MOST_S + 1)
                assert is_halted(second)

        run_virtual(main())


def test_a_strategy_that_nobody_watches_is_told_so() -> None:
    async def refused(gate: Gate, _broker: ScriptedBroker) -> None:
        with pytest.raises(Conflict, match="max_silence_s"):
            await gate.execute(Heartbeat(strategy_id="carry"))

    run(WATCHED, refused)
