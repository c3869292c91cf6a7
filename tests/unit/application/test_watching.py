"""The watch: what time brings is done, and each trigger halts within a second of what it is for."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from ordergate.adapters.clock import run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.entry import Origin
from ordergate.application.ports.brokers import Answer
from ordergate.application.triggers import Triggers
from ordergate.bootstrap import Gate
from ordergate.config import Config, ConfigError, FundSection, load
from ordergate.config.limits import LimitSections
from ordergate.domain.errors import ClockError, OutcomeUnknown, StoreError
from ordergate.domain.market import Quote
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Acknowledged, End, Ended, Executed, Outcome
from ordergate.domain.orders.states import OrderType, RequestKind, Side, State
from ordergate.domain.risk.account import PeriodKind
from ordergate.domain.risk.commands import AnswerGate, LiftHalt, SetLimits, ThrowSwitch
from ordergate.domain.risk.kill_switch import Halt, Mode, Trigger
from ordergate.domain.risk.limits import Level, Limits
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.unit.application.gates import START, buy
from tests.unit.application.guards import entries, guarded, now_is
from tests.unit.application.nodes import two
from tests.unit.application.test_runner import FailingJournal, refused

FIRM = (Level.FIRM, "")
FUND = (Level.FUND, "paper-momentum")
BROKER = (Level.BROKER, "paper")
SECOND = timedelta(seconds=1)
OTHER = Origin(source="sdk", principal="bert")
NONE = Triggers()
REJECTED = Answer(outcome=Outcome.REJECTED, reason="no")


def configured(triggers: Triggers = NONE, fund: Limits | None = None, broker: Limits | None = None) -> Config:
    funds = {} if fund is None else {"paper-momentum": fund}
    brokers = {} if broker is None else {"paper": broker}
    return Config(
        funds={"paper-momentum": FundSection(unlimited=fund is None)},
        limits=LimitSections(funds=funds, brokers=brokers),
        triggers=triggers,
    )


def run(config: Config, test, journal: MemoryJournal | None = None, start: datetime = START):
    broker = ScriptedBroker()

    async def main():
        async with guarded(config, broker, journal, start) as gate:
            return await test(gate, broker)

    return run_virtual(main())


def halt_of(gate: Gate, scope) -> Halt | None:
    halt = gate.runner.engine.state.halts.get(scope)
    return halt if halt is not None and halt.holds else None


def quote(gate: Gate, bid: str | int, symbol: str = "AAPL", **more) -> None:
    price = Decimal(bid)
    gate.runner.quote(Quote(symbol=symbol, time=gate.clock.now(), bid=price, ask=price, **more))


async def held(gate: Gate, broker: ScriptedBroker, quantity: int = 100, price: int = 180) -> Order:
    """A position of so many at that price."""
    order = (await gate.execute(buy(f"held-{quantity}", quantity=Decimal(quantity)))).order
    await gate.quiet()
    broker.sink.report(
        Executed(
            broker="paper", client_id=f"{order.order_id}.1", exec_id="x1", time=gate.clock.now(),
            quantity=Decimal(quantity), price=Decimal(price), completes=True,
        )
    )  # fmt: skip
    await gate.quiet()
    return await gate.queries.order(order.order_id)


async def working(gate: Gate, broker: ScriptedBroker, key: str = "working") -> Order:
    order = (await gate.execute(buy(key, order_type=OrderType.LIMIT, limit_price=Decimal(180)))).order
    await gate.quiet()
    broker.sink.report(Acknowledged(broker="paper", client_id=f"{order.order_id}.1", broker_order_id=key))
    return await now_is(gate, order.order_id)


def test_a_broker_that_refuses_to_cancel_is_asked_ever_less_often_until_it_does() -> None:
    """Not every half second: the journal and the order's requests would be spent on it."""

    async def halted(gate: Gate, broker: ScriptedBroker) -> None:
        order = await working(gate, broker)
        broker.answers.extend([REJECTED] * 7)
        began = gate.clock.now()
        with capture_logs() as logs:
            await gate.execute(ThrowSwitch(level=Level.FIRM, name="", reason="drill"))
            await gate.clock.sleep(10 * 60)
        cancels = [e for e in await entries(gate, "RequestOpened") if e.order_id == order.order_id]
        after = [(entry.time - began).total_seconds() for entry in cancels]
        assert len(after) == 8
        assert after[0] < 0.01
        pauses = [later - earlier for earlier, later in pairwise(after)]
        for pause, least in zip(pauses, (1, 2, 4, 8, 16, 32, 60), strict=True):
            assert least <= pause < least + 1
        assert [
            line["order"] for line in logs if line["event"] == "alert" and line["kind"] == "stale_order"
        ] == [order.order_id]
        broker.sink.report(Ended(broker="paper", client_id=f"{order.order_id}.1", end=End.CANCELED))
        assert (await now_is(gate, order.order_id)).state is State.CANCELED
        size = gate.runner.engine.size
        await gate.clock.sleep(10 * 60)
        assert gate.runner.engine.size == size

    run(configured(), halted)


class TestTime:
    nav = Limits(nav_usd=Decimal(1_000_000), daily_loss_halt_pct=Decimal("0.03"))

    def test_a_fund_is_valued_before_anything_is_traded(self) -> None:
        async def valued(gate: Gate, _broker: ScriptedBroker) -> None:
            (entry,) = await entries(gate, "FundValued")
            assert entry.time < START + SECOND
            kinds = {period.kind: period.nav_usd for period in entry.event.periods}
            assert kinds == dict.fromkeys(PeriodKind, Decimal(1_000_000))

        run(configured(fund=self.nav), valued)

    def test_a_new_day_begins_though_nothing_happens(self) -> None:
        async def day(gate: Gate, broker: ScriptedBroker) -> None:
            quote(gate, 180)
            await held(gate, broker)
            midnight = datetime(2026, 3, 3, tzinfo=UTC)
            await gate.clock.sleep((midnight - gate.clock.now()).total_seconds() - 0.5)
            assert len(await entries(gate, "FundValued")) == 1
            await gate.clock.sleep(1.5)
            _first, second = await entries(gate, "FundValued")
            assert second.time - midnight < SECOND

        run(configured(fund=self.nav), day)

    def test_a_temporary_change_reverts_within_a_second_of_its_end(self) -> None:
        async def reverts(gate: Gate, _broker: ScriptedBroker) -> None:
            end = START + 90 * SECOND
            change = SetLimits(
                level=Level.FUND, name="paper-momentum", limits=Limits(max_order_qty=Decimal(5)), reason="test",
                reverts_at=end,
            )  # fmt: skip
            await gate.execute(change)
            await gate.clock.sleep(89.9)
            assert len(await entries(gate, "LimitsSet")) == 1
            await gate.clock.sleep(1.1)
            _set, back = await entries(gate, "LimitsSet")
            assert end <= back.time < end + SECOND
            assert back.event.after.limits == Limits()

        run(configured(), reverts)

    def test_while_nothing_happens_it_rests(self) -> None:
        async def rests(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.clock.sleep(2)
            looks = []
            is_due = gate.runner.engine.is_due

            def counted(now):
                looks.append(now)
                return is_due(now)

            gate.runner.engine.is_due = counted
            size = (await gate.journal.head()).size
            await gate.clock.sleep(400 * 24 * 3_600)
            assert looks == [], "nothing is held: no day has to begin"
            quote(gate, 180)
            await gate.clock.sleep(1_000)
            assert len(looks) == 2, "at the quote, and at the entry that it led to"
            assert (await gate.journal.head()).size == size + 1, "the fund is valued in the new day"

        run(configured(fund=self.nav), rests)

    def test_without_anything_to_value_nothing_is_asked(self) -> None:
        async def nothing(gate: Gate, _broker: ScriptedBroker) -> None:
            asked = []
            execute = gate.runner.execute

            async def counted(command, *given):
                asked.append(command)
                return await execute(command, *given)

            gate.runner.execute = counted
            for _ in range(10):
                quote(gate, 180)
                await gate.clock.sleep(1)
            assert asked == []

        run(configured(), nothing)

    def test_a_halt_goes_on_canceling_what_one_step_left(self, monkeypatch) -> None:
        monkeypatch.setattr("ordergate.application.decide.halting.MOST_AT_ONCE", 2)

        async def halted(gate: Gate, broker: ScriptedBroker) -> None:
            orders = [await working(gate, broker, f"k-{number}") for number in range(7)]
            told = await gate.execute(ThrowSwitch(level=Level.FIRM, name="", reason="drill"))
            assert (told.asked, told.left) == (2, 5)
            await gate.clock.sleep(3)
            for order in orders:
                assert (await now_is(gate, order.order_id)).open_request(RequestKind.CANCEL)

        run(configured(), halted)


class TestLoss:
    limits = Limits(
        nav_usd=Decimal(100_000), daily_loss_halt_pct=Decimal("0.03"), max_position_pct=Decimal(5)
    )

    def test_a_loss_at_the_limit_halts_the_fund_within_a_second(self) -> None:
        async def loses(gate: Gate, broker: ScriptedBroker) -> None:
            quote(gate, 180)
            await held(gate, broker, 300)
            other = await working(gate, broker)
            quote(gate, "170.01")
            await gate.clock.sleep(1)
            assert halt_of(gate, FUND) is None
            quote(gate, 170)
            await gate.clock.sleep(1)
            halt = halt_of(gate, FUND)
            assert (halt.mode, halt.trigger, halt.by) == (Mode.HALT, Trigger.LOSS, "trigger/loss")
            assert (await now_is(gate, other.order_id)).open_request(RequestKind.CANCEL)
            refused = (await gate.execute(buy("after"))).order
            assert (refused.state, refused.reason_code) == (State.REJECTED, RiskCode.LOSS)
            (entry,) = await entries(gate, "TradingHalted")
            assert entry.event.halt.reason == "3000 USD lost since the day began"

        run(configured(fund=self.limits), loses)

    def test_a_loss_that_is_realised_counts_too(self) -> None:
        async def loses(gate: Gate, broker: ScriptedBroker) -> None:
            quote(gate, 180)
            await held(gate, broker, 300)
            sold = (await gate.execute(buy("sell", side=Side.SELL, quantity=Decimal(300)))).order
            await gate.quiet()
            broker.sink.report(
                Executed(
                    broker="paper", client_id=f"{sold.order_id}.1", exec_id="x2", time=START,
                    quantity=Decimal(300), price=Decimal(169), completes=True,
                )
            )  # fmt: skip
            await gate.clock.sleep(1)
            assert halt_of(gate, FUND).trigger is Trigger.LOSS

        run(configured(fund=self.limits), loses)


class TestRejections:
    config = configured(broker=Limits(max_rejections_per_min=3))

    async def rejected(self, gate: Gate, broker: ScriptedBroker, count: int, name: str = "k") -> None:
        for number in range(count):
            broker.answers.append(REJECTED)
            await gate.execute(buy(f"{name}-{number}"))
            await gate.quiet()

    def test_more_than_the_limit_within_a_minute_halt_the_broker_within_a_second(self) -> None:
        async def burst(gate: Gate, broker: ScriptedBroker) -> None:
            await self.rejected(gate, broker, 3)
            await gate.clock.sleep(50)
            assert halt_of(gate, BROKER) is None
            await self.rejected(gate, broker, 1, "last")
            await gate.clock.sleep(1)
            halt = halt_of(gate, BROKER)
            assert (halt.mode, halt.trigger) == (Mode.HALT, Trigger.REJECTIONS)
            assert "rejected 4 orders" in halt.reason
            assert halt_of(gate, FIRM) is None

        run(self.config, burst)

    def test_those_of_more_than_a_minute_ago_do_not_count(self) -> None:
        async def slow(gate: Gate, broker: ScriptedBroker) -> None:
            for number in range(12):
                await self.rejected(gate, broker, 1, f"k{number}")
                await gate.clock.sleep(20)
            assert halt_of(gate, BROKER) is None

        run(self.config, slow)

    def test_those_that_are_reported_later_count_too(self) -> None:
        async def reported(gate: Gate, broker: ScriptedBroker) -> None:
            for number in range(4):
                order = (await gate.execute(buy(f"k-{number}"))).order
                await gate.quiet()
                end = Ended(broker="paper", client_id=f"{order.order_id}.1", end=End.REJECTED)
                broker.sink.report(end)
            await gate.clock.sleep(1)
            assert halt_of(gate, BROKER) is not None

        run(self.config, reported)

    def test_the_gates_own_refusals_never_count(self) -> None:
        async def own(gate: Gate, _broker: ScriptedBroker) -> None:
            for number in range(20):
                order = (await gate.execute(buy(f"k-{number}", quantity=Decimal(7)))).order
                assert order.state is State.REJECTED
            await gate.clock.sleep(2)
            assert halt_of(gate, BROKER) is None

        limits = Limits(max_rejections_per_min=3, max_order_qty=Decimal(5))
        run(configured(broker=limits), own)

    def test_those_of_a_gate_or_a_person_never_count_whatever_their_names(self) -> None:
        async def named(gate: Gate, _broker: ScriptedBroker) -> None:
            for number in range(10):
                order = (await gate.execute(buy(f"k-{number}"))).order
                no = AnswerGate(order_id=order.order_id, gate="desk", approved=False)
                await gate.execute(no, Origin(source="gate", principal="paper"))
                assert (await now_is(gate, order.order_id)).state is State.REJECTED
            await gate.clock.sleep(2)
            assert halt_of(gate, BROKER) is None

        run(configured(fund=Limits(gates=("desk",)), broker=Limits(max_rejections_per_min=3)), named)

    def test_after_it_is_lifted_they_are_counted_anew(self) -> None:
        async def anew(gate: Gate, broker: ScriptedBroker) -> None:
            await self.rejected(gate, broker, 4)
            await gate.clock.sleep(1)
            await gate.execute(LiftHalt(level=Level.BROKER, name="paper", reason="mended"), OTHER)
            await self.rejected(gate, broker, 3, "more")
            await gate.clock.sleep(2)
            assert halt_of(gate, BROKER) is None
            await self.rejected(gate, broker, 1, "last")
            await gate.clock.sleep(1)
            assert halt_of(gate, BROKER) is not None

        run(self.config, anew)

    def test_without_a_limit_nothing_is_halted(self) -> None:
        async def many(gate: Gate, broker: ScriptedBroker) -> None:
            await self.rejected(gate, broker, 30)
            await gate.clock.sleep(1)
            assert halt_of(gate, BROKER) is None

        run(configured(), many)

    def test_a_node_that_takes_over_has_counted_what_the_other_saw(self) -> None:
        async def main() -> None:
            async with two() as (one, first, _other, second, _store):
                limits = Limits(max_rejections_per_min=3)
                await first.execute(SetLimits(level=Level.BROKER, name="paper", limits=limits, reason="test"))
                await self.rejected(first, one.broker, 3)
                await one.close()
                await asyncio.sleep(1)
                await self.rejected(second, _other.broker, 1, "last")
                await asyncio.sleep(1)
                assert halt_of(second, BROKER) is not None

        run_virtual(main())


class TestStaleFeed:
    config = configured(Triggers(stale_feed_s=10))

    def test_a_symbol_that_is_held_and_has_no_quote_leaves_the_firm_reduce_only(self) -> None:
        async def stale(gate: Gate, broker: ScriptedBroker) -> None:
            quote(gate, 180)
            await held(gate, broker)
            await gate.clock.sleep(9.9)
            assert halt_of(gate, FIRM) is None
            await gate.clock.sleep(1.1)
            halt = halt_of(gate, FIRM)
            assert (halt.mode, halt.trigger) == (Mode.REDUCE_ONLY, Trigger.STALE_FEED)
            assert "AAPL" in halt.reason
            assert len(await entries(gate, "TradingHalted")) == 1

        run(self.config, stale)

    def test_one_that_is_only_worked_counts_and_one_that_is_neither_does_not(self) -> None:
        async def worked(gate: Gate, broker: ScriptedBroker) -> None:
            quote(gate, 180)
            quote(gate, 400, "MSFT")
            await gate.clock.sleep(60)
            assert halt_of(gate, FIRM) is None
            quote(gate, 180)
            await working(gate, broker)
            await gate.clock.sleep(11)
            assert halt_of(gate, FIRM).reason == "no quote of AAPL for 10 s"

        run(self.config, worked)

    def test_quotes_that_keep_coming_or_are_pinned_are_not_stale(self) -> None:
        async def fresh(gate: Gate, broker: ScriptedBroker) -> None:
            quote(gate, 180)
            await held(gate, broker)
            for _ in range(10):
                await gate.clock.sleep(9)
                quote(gate, 180)
            quote(gate, 180, pinned=True)
            await gate.clock.sleep(60)
            assert halt_of(gate, FIRM) is None

        run(self.config, fresh)

    def test_a_feed_that_never_comes_is_stale_from_when_it_was_needed(self) -> None:
        async def missing(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.clock.sleep(60)
            await working(gate, broker)
            await gate.clock.sleep(9)
            assert halt_of(gate, FIRM) is None
            await gate.clock.sleep(2.5)
            assert halt_of(gate, FIRM) is not None

        run(self.config, missing)

    def test_it_is_thrown_once_and_again_only_after_the_feed_had_come_back(self) -> None:
        async def once(gate: Gate, broker: ScriptedBroker) -> None:
            quote(gate, 180)
            await held(gate, broker)
            await gate.clock.sleep(12)
            await gate.execute(LiftHalt(level=Level.FIRM, name="", reason="we know"), OTHER)
            await gate.clock.sleep(60)
            assert halt_of(gate, FIRM) is None
            quote(gate, 180)
            await gate.clock.sleep(12)
            assert halt_of(gate, FIRM) is not None

        run(self.config, once)

    def test_it_is_off_unless_it_is_wanted(self) -> None:
        async def off(gate: Gate, broker: ScriptedBroker) -> None:
            quote(gate, 180)
            await held(gate, broker)
            await gate.clock.sleep(100_000)
            assert halt_of(gate, FIRM) is None

        run(configured(), off)


class TestClock:
    @pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(hours=-2), timedelta(seconds=-20)])
    def test_a_clock_that_jumps_leaves_a_halt_that_a_person_must_lift(self, jump: timedelta) -> None:
        journal = MemoryJournal()

        async def jumps(gate: Gate, broker: ScriptedBroker) -> None:
            await working(gate, broker)
            await gate.clock.sleep(1)
            gate.clock.start += jump
            with pytest.raises(OutcomeUnknown):
                await gate.execute(buy("b"))
            await asyncio.sleep(1)
            assert len(broker.calls) == 1

        with pytest.raises(ClockError):
            run(configured(), jumps, journal)

        async def after(gate: Gate, broker: ScriptedBroker) -> None:
            (entry,) = await entries(gate, "TradingHalted")
            assert START <= entry.time < START + 2 * SECOND
            halt = halt_of(gate, FIRM)
            assert (halt.mode, halt.trigger) == (Mode.HALT, Trigger.CLOCK)
            assert (await gate.execute(buy("c"))).order.reason_code == RiskCode.HALTED
            await gate.quiet()
            assert [type(call).__name__ for call in broker.calls] == ["Withdraw"]
            await gate.execute(LiftHalt(level=Level.FIRM, name="", reason="clock set"), OTHER)
            assert (await gate.execute(buy("d"))).order.state is State.SUBMITTED

        run(configured(), after, journal, START + timedelta(days=1))

    def test_among_several_nodes_the_one_with_the_wrong_clock_just_leaves(self) -> None:
        async def main() -> None:
            async with two() as (_one, first, _other, second, _store):
                await first.execute(buy())
                await asyncio.sleep(1)
                first.clock.start += timedelta(seconds=20)
                with pytest.raises((ClockError, OutcomeUnknown, StoreError)):
                    await first.execute(buy("k-2"))
                await asyncio.sleep(10)
                assert halt_of(second, FIRM) is None

        run_virtual(main())


class TestAudit:
    def test_a_journal_that_cannot_be_verified_halts_the_firm(self) -> None:
        async def failed(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.audit_failed("entry 7 is not what was signed")
            halt = halt_of(gate, FIRM)
            assert (halt.trigger, halt.reason) == (Trigger.AUDIT, "entry 7 is not what was signed")
            assert (await gate.execute(buy())).order.reason_code == RiskCode.HALTED

        run(configured(), failed)


class TestStore:
    @pytest.mark.parametrize("wanted", [True, False])
    def test_an_outage_halts_the_firm_as_soon_as_the_store_writes_again(self, wanted: bool) -> None:
        journal = FailingJournal()

        async def outage(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            journal.failures += [refused] * 4
            with pytest.raises(StoreError):
                await gate.execute(buy("b"))
            while journal.failures and wanted:
                await gate.clock.sleep(0.1)
            journal.failures.clear()
            await gate.clock.sleep(1)
            assert (halt_of(gate, FIRM) is not None) is wanted
            if wanted:
                halt = halt_of(gate, FIRM)
                assert (halt.mode, halt.trigger) == (Mode.HALT, Trigger.STORE)
                assert "the disk is full" in halt.reason
                await gate.execute(LiftHalt(level=Level.FIRM, name="", reason="more disk"), OTHER)
                await gate.clock.sleep(10)
                assert halt_of(gate, FIRM) is None

        run(configured(Triggers(store_failure=wanted)), outage, journal)


def test_a_file_names_the_triggers(tmp_path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[triggers]\nstale_feed_s = 30\nstore_failure = true\n")
    assert load(path).triggers == Triggers(stale_feed_s=30, store_failure=True)
    path.write_text("[triggers]\nstale_feed_s = 0\n")
    with pytest.raises(ConfigError, match="stale_feed_s"):
        load(path)
