"""Who else must agree: an order waits, and goes on, is refused or expires as they say, or say nothing."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import asdict

from ordergate.adapters.clock import run_virtual
from ordergate.adapters.gates import GateClassError
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.decide.gate import APPROVAL
from ordergate.application.entry import Origin
from ordergate.application.ports.gates import Terms, Verdict
from ordergate.application.view import GateTerms
from ordergate.bootstrap import Gate
from ordergate.config import Config, ConfigError, load
from ordergate.config.risk import GateSection
from ordergate.domain.errors import Conflict, StoreError
from ordergate.domain.orders.commands import CancelOrder, CreateOrder, ReplaceOrder, SubmitCreated
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.reports import Acknowledged
from ordergate.domain.orders.states import OrderType, RequestKind, State
from ordergate.domain.risk.commands import AnswerGate, SetLimits, ThrowSwitch
from ordergate.domain.risk.limits import Level, Limits
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.unit.application.gates import START, buy
from tests.unit.application.guards import Sentry, entries, guarded, limited, now_is
from tests.unit.application.nodes import two

ONE = "ord-000001"
SECONDS = timedelta(seconds=1)
PERSON = Origin(source="sdk", principal="anna")


def run(config: Config, test, *sentries: Sentry, journal: MemoryJournal | None = None, start=START):
    """The test with a gate that has those sentries, and its broker."""
    broker = ScriptedBroker()

    async def main():
        async with guarded(config, broker, journal, start) as gate:
            for sentry in sentries:
                gate.add_gate(sentry, gate.runner.engine.view.gates.get(sentry.name) or GateTerms())
            return await test(gate, broker)

    return run_virtual(main())


class TestAnswers:
    def test_an_order_waits_until_its_gate_agrees_and_then_leaves(self) -> None:
        desk = Sentry(at_once=False)

        async def waits(gate: Gate, broker: ScriptedBroker) -> None:
            entered = (await gate.execute(buy())).order
            assert (entered.state, entered.awaits) == (State.PENDING_RISK, ("desk",))
            await gate.clock.sleep(4)
            assert (await now_is(gate)).state is State.PENDING_RISK
            assert broker.calls == []
            desk.open.set()
            order = await now_is(gate)
            assert (order.state, order.awaits, order.decide_by) == (State.SUBMITTED, None, None)
            assert len(broker.calls) == 1
            (answer,) = await entries(gate, "GateAnswered")
            assert (answer.source, answer.principal, answer.actor) == ("gate", "desk", "desk")
            assert (answer.event.approved, answer.event.timed_out) == (True, False)

        run(limited("desk"), waits, desk)
        assert len(desk.asked) == 1

    def test_a_gate_that_refuses_has_the_order_rejected_with_its_reason(self) -> None:
        async def refused(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            order = await now_is(gate)
            assert (order.state, order.reason_code, order.reason) == (
                State.REJECTED,
                RiskCode.GATE,
                "too hot",
            )
            assert broker.calls == []

        run(limited("desk"), refused, Sentry(verdict=Verdict(False, "too hot")))

    def test_all_gates_must_agree_and_each_is_asked_once(self) -> None:
        desk, other = Sentry("desk"), Sentry("other", at_once=False)

        async def both(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            order = await now_is(gate)
            assert (order.state, order.awaits) == (State.PENDING_RISK, ("other",))
            other.open.set()
            assert (await now_is(gate)).state is State.SUBMITTED
            assert len(broker.calls) == 1

        run(limited("desk", "other"), both, desk, other)
        assert (len(desk.asked), len(other.asked)) == (1, 1)

    def test_the_first_refusal_ends_it_whatever_the_others_would_say(self) -> None:
        desk, other = Sentry("desk", Verdict(False)), Sentry("other", at_once=False)

        async def one(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            assert (await now_is(gate)).state is State.REJECTED
            other.open.set()
            await gate.clock.sleep(10)
            assert len(await entries(gate, "GateAnswered")) == 1

        run(limited("desk", "other"), one, desk, other)

    def test_it_is_asked_about_the_order_as_it_is(self) -> None:
        desk = Sentry()

        async def asked(gate: Gate, _broker: ScriptedBroker) -> None:
            order = buy(order_type=OrderType.LIMIT, limit_price=Decimal("180.5"), strategy_id="alpha")
            await gate.execute(order)
            await now_is(gate)

        run(limited("desk", max_order_qty=Decimal(500)), asked, desk)
        (question,) = desk.asked
        assert (question.order_id, question.number, question.fund_id) == (ONE, 1, "paper-momentum")
        assert (question.symbol, question.broker, question.strategy_id) == ("AAPL", "paper", "alpha")
        assert question.terms == Terms(quantity=Decimal(100), limit_price=Decimal("180.5"))
        assert not question.is_replace

    def test_an_answer_that_somebody_else_gave_first_counts_and_stops_the_asking(self) -> None:
        desk = Sentry(verdict=Verdict(False), at_once=False)

        async def first(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            await now_is(gate)
            await gate.execute(AnswerGate(order_id=ONE, gate="desk", approved=True))
            assert (await now_is(gate)).state is State.SUBMITTED
            desk.open.set()
            await gate.clock.sleep(10)
            assert (await now_is(gate)).state is State.SUBMITTED
            assert len(await entries(gate, "GateAnswered")) == 1

        run(limited("desk"), first, desk)


class TestSilence:
    @pytest.mark.parametrize("late", [False, True])
    def test_a_gate_that_does_not_answer_in_time_refuses(self, late: bool) -> None:
        async def silent(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            await gate.clock.sleep(6.9)
            assert (await now_is(gate)).state is State.PENDING_RISK
            await gate.clock.sleep(0.2)
            order = await now_is(gate)
            assert (order.state, order.reason_code) == (State.REJECTED, RiskCode.GATE)
            assert order.reason == "desk did not answer in time"
            (answer,) = await entries(gate, "GateAnswered")
            assert (answer.event.approved, answer.event.timed_out) == (False, True)
            assert (answer.principal, answer.actor) == ("desk", "ordergate")
            if late:
                desk.open.set()
                await gate.clock.sleep(1)
            assert broker.calls == []

        desk = Sentry(at_once=False)
        run(limited("desk", sections={"desk": GateSection(timeout_s=7)}), silent, desk)

    def test_an_advisory_gate_that_is_silent_agrees_and_the_journal_says_so(self) -> None:
        async def advised(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            await gate.clock.sleep(5.1)
            assert (await now_is(gate)).state is State.SUBMITTED
            (answer,) = await entries(gate, "GateAnswered")
            assert (answer.event.approved, answer.event.timed_out) == (True, True)
            assert answer.event.reason == "desk did not answer in time"

        sections = {"desk": GateSection(advisory=True)}
        run(limited("desk", sections=sections), advised, Sentry(at_once=False))

    def test_an_advisory_gate_that_says_no_is_heard(self) -> None:
        async def refused(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            assert (await now_is(gate)).state is State.REJECTED

        run(
            limited("desk", sections={"desk": GateSection(advisory=True)}),
            refused,
            Sentry(verdict=Verdict(False)),
        )

    @pytest.mark.parametrize(
        ("verdict", "reason"),
        [
            (ZeroDivisionError("planted"), "desk raised ZeroDivisionError: planted"),
            (None, "desk answered None, which is no verdict"),
            (True, "desk answered True, which is no verdict"),
            (Verdict("no"), "desk answered Verdict(approved='no', reason=None), which is no verdict"),
        ],
    )
    def test_a_gate_that_raises_or_says_nothing_that_counts_refuses_at_once(self, verdict, reason) -> None:
        async def broken(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            order = await now_is(gate)
            assert (order.state, order.reason) == (State.REJECTED, reason)
            assert broker.calls == []

        run(limited("desk"), broken, Sentry(verdict=verdict))

    def test_a_gate_that_will_not_be_canceled_holds_nothing_up(self) -> None:
        class Stubborn(Sentry):
            async def check(self, question):
                while True:
                    try:
                        await asyncio.sleep(3600)
                    except asyncio.CancelledError:
                        if self.open.is_set():
                            raise

        stubborn = Stubborn(at_once=False)

        async def held(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            await gate.clock.sleep(5.1)
            assert (await now_is(gate)).state is State.REJECTED
            stubborn.open.set()

        run(limited("desk"), held, stubborn)

    @pytest.mark.parametrize("sections", [{}, {"desk": GateSection(advisory=True)}])
    def test_a_gate_that_does_not_exist_refuses_at_once(self, sections) -> None:
        async def missing(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            order = await now_is(gate)
            assert (order.state, order.reason_code) == (State.REJECTED, RiskCode.GATE)
            assert order.reason == "there is no gate 'desk'"

        run(limited("desk", sections=sections), missing, Sentry("another"))


class TestEnds:
    def test_an_order_that_is_canceled_while_it_waits_is_dropped(self) -> None:
        desk = Sentry(at_once=False)

        async def canceled(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            await now_is(gate)
            await gate.execute(CancelOrder(order_id=ONE))
            await gate.clock.sleep(0.1)
            assert gate.guard.gating._tasks == {}
            desk.open.set()
            await gate.clock.sleep(10)
            assert (await now_is(gate)).state is State.CANCELED
            assert await entries(gate, "GateAnswered") == []
            assert broker.calls == []

        run(limited("desk"), canceled, desk)

    def test_a_halt_cancels_what_waits_and_no_answer_lets_it_go(self) -> None:
        desk = Sentry(at_once=False)

        async def halted(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            await gate.execute(ThrowSwitch(level=Level.FUND, name="paper-momentum", reason="drill"))
            desk.open.set()
            await gate.clock.sleep(10)
            assert (await now_is(gate)).state is State.CANCELED
            assert broker.calls == []

        run(limited("desk"), halted, desk)

    def test_an_answer_that_the_store_did_not_take_is_given_again(self) -> None:
        class Failing(MemoryJournal):
            failures = 0

            async def commit(self, batch) -> None:
                if self.failures:
                    self.failures -= 1
                    raise StoreError("the disk is full")
                await super().commit(batch)

        journal, desk = Failing(), Sentry(at_once=False)

        async def again(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            await gate.clock.sleep(2)
            journal.failures = 1
            desk.open.set()
            await gate.clock.sleep(0.5)
            assert (await gate.queries.order(ONE)).state is State.PENDING_RISK
            await gate.clock.sleep(1)
            assert (await now_is(gate)).state is State.SUBMITTED

        run(limited("desk"), again, desk, journal=journal)


class TestRestarts:
    def left_waiting(self, config: Config) -> MemoryJournal:
        journal = MemoryJournal()

        async def leave(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            await gate.clock.sleep(1)
            assert (await now_is(gate)).state is State.PENDING_RISK

        run(config, leave, Sentry(at_once=False), journal=journal)
        return journal

    def test_what_an_earlier_run_left_waiting_is_asked_about_again(self) -> None:
        journal, desk = self.left_waiting(limited("desk")), Sentry()

        async def on(gate: Gate, broker: ScriptedBroker) -> None:
            assert (await now_is(gate)).state is State.SUBMITTED
            assert len(broker.calls) == 1

        run(limited("desk"), on, desk, journal=journal, start=START + 2 * SECONDS)
        assert len(desk.asked) == 1

    def test_but_no_longer_than_it_could_wait(self) -> None:
        journal, desk = self.left_waiting(limited("desk")), Sentry(at_once=False)

        async def late(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.clock.sleep(2.9)
            assert (await now_is(gate)).state is State.PENDING_RISK
            await gate.clock.sleep(0.2)
            assert (await now_is(gate)).state is State.REJECTED

        run(limited("desk"), late, desk, journal=journal, start=START + 2 * SECONDS)

    def test_one_whose_time_ran_out_meanwhile_is_refused(self) -> None:
        journal = self.left_waiting(limited("desk"))

        async def late(gate: Gate, broker: ScriptedBroker) -> None:
            order = await now_is(gate)
            assert (order.state, order.reason) == (State.REJECTED, "desk was not asked in time")
            (answer,) = await entries(gate, "GateAnswered")
            assert (answer.event.approved, answer.event.timed_out) == (False, True)
            assert broker.calls == []

        there = {"desk": GateSection(made_by="tests.unit.application.guards:Agreeable")}
        run(limited("desk", sections=there), late, journal=journal, start=START + 60 * SECONDS)

    def test_a_gate_that_its_embedder_never_adds_again_refuses_in_the_end(self) -> None:
        journal = self.left_waiting(limited("desk"))

        async def missing(gate: Gate, _broker: ScriptedBroker) -> None:
            assert (await now_is(gate)).state is State.PENDING_RISK
            await gate.clock.sleep(4)
            order = await now_is(gate)
            assert (order.state, order.reason) == (State.REJECTED, "there is no gate 'desk'")

        run(limited("desk"), missing, journal=journal, start=START + 2 * SECONDS)


class TestApproval:
    config = limited(approve_above_usd=Decimal(1_000), approval_timeout_s=600)
    order = buy(order_type=OrderType.LIMIT, limit_price=Decimal(180))

    def test_a_person_approves(self) -> None:
        async def approved(gate: Gate, broker: ScriptedBroker) -> None:
            entered = (await gate.execute(self.order)).order
            assert (entered.state, entered.awaits) == (State.PENDING_RISK, (APPROVAL,))
            await gate.clock.sleep(599)
            assert broker.calls == []
            await gate.execute(AnswerGate(order_id=ONE, gate=APPROVAL, approved=True), PERSON)
            assert (await now_is(gate)).state is State.SUBMITTED
            (answer,) = await entries(gate, "GateAnswered")
            assert (answer.principal, answer.time) == ("anna", START + 599 * SECONDS)
            await gate.clock.sleep(600)
            assert (await now_is(gate)).state is State.SUBMITTED

        run(self.config, approved)

    def test_a_person_rejects(self) -> None:
        async def rejected(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(self.order)
            no = AnswerGate(order_id=ONE, gate=APPROVAL, approved=False, reason="not today")
            await gate.execute(no, PERSON)
            order = await now_is(gate)
            assert (order.state, order.reason_code) == (State.REJECTED, RiskCode.NOT_APPROVED)
            assert order.reason == "not today"
            assert broker.calls == []

        run(self.config, rejected)

    def test_nobody_answers_and_it_expires(self) -> None:
        async def expires(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(self.order)
            await gate.clock.sleep(599.9)
            assert (await now_is(gate)).state is State.PENDING_RISK
            await gate.clock.sleep(0.2)
            order = await now_is(gate)
            assert (order.state, order.reason_code) == (State.EXPIRED, "APPROVAL_EXPIRED")
            assert broker.calls == []

        run(self.config, expires)

    def test_it_expires_after_a_restart_too(self) -> None:
        journal = MemoryJournal()

        async def leave(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(self.order)

        async def expires(gate: Gate, _broker: ScriptedBroker) -> None:
            assert (await now_is(gate)).state is State.PENDING_RISK
            await gate.clock.sleep(300)
            assert (await now_is(gate)).state is State.EXPIRED

        run(self.config, leave, journal=journal)
        run(self.config, expires, journal=journal, start=START + 400 * SECONDS)

    def test_a_worthless_order_needs_nobody(self) -> None:
        async def small(gate: Gate, _broker: ScriptedBroker) -> None:
            order = buy(order_type=OrderType.LIMIT, limit_price=Decimal(180), quantity=Decimal(5))
            assert (await gate.execute(order)).order.state is State.SUBMITTED

        run(self.config, small)

    def test_a_gate_and_a_person_must_both_agree(self) -> None:
        config = limited("desk", approve_above_usd=Decimal(1_000), approval_timeout_s=600)

        async def both(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(self.order)
            order = await now_is(gate)
            assert (order.state, order.awaits) == (State.PENDING_RISK, (APPROVAL,))
            await gate.execute(AnswerGate(order_id=ONE, gate=APPROVAL, approved=True), PERSON)
            assert (await now_is(gate)).state is State.SUBMITTED

        run(config, both, Sentry())


class TestReplaces:
    async def working(self, gate: Gate, broker: ScriptedBroker) -> None:
        """An order of 100 at 180 that the broker has acknowledged, made before there were gates to ask."""
        await gate.execute(buy(order_type=OrderType.LIMIT, limit_price=Decimal(180)))
        await gate.quiet()
        broker.sink.report(Acknowledged(broker="paper", client_id=f"{ONE}.1", broker_order_id="B1"))
        await gate.quiet()
        await gate.execute(
            SetLimits(level=Level.FUND, name="paper-momentum", limits=Limits(gates=("desk",)), reason="test")
        )

    @pytest.mark.parametrize("agrees", [True, False])
    def test_a_replace_waits_for_the_gate_and_the_order_works_on(self, agrees: bool) -> None:
        desk = Sentry(verdict=Verdict(agrees, "so"), at_once=False)

        async def waits(gate: Gate, broker: ScriptedBroker) -> None:
            await self.working(gate, broker)
            await gate.execute(ReplaceOrder(order_id=ONE, quantity=Decimal(150)))
            order = await now_is(gate)
            assert (order.state, order.awaits, len(broker.calls)) == (State.SUBMITTED, ("desk",), 1)
            desk.open.set()
            order = await now_is(gate)
            assert order.state is State.SUBMITTED
            assert order.awaits is None
            assert len(broker.calls) == (2 if agrees else 1)
            assert (order.open_request(RequestKind.REPLACE) is not None) is agrees

        config = limited(sections={"desk": GateSection()}, max_order_qty=Decimal(1_000))
        run(config, waits, desk)
        (question,) = desk.asked
        assert question.is_replace
        assert question.number == 2
        assert question.terms == Terms(quantity=Decimal(150), limit_price=Decimal(180))
        assert question.replaces == Terms(quantity=Decimal(100), limit_price=Decimal(180))

    def test_a_replace_that_nobody_answers_is_dropped_and_the_order_works_on(self) -> None:
        async def silent(gate: Gate, broker: ScriptedBroker) -> None:
            await self.working(gate, broker)
            await gate.execute(ReplaceOrder(order_id=ONE, quantity=Decimal(150)))
            await gate.clock.sleep(5.1)
            order = await now_is(gate)
            assert (order.state, order.requests, order.awaits) == (State.SUBMITTED, (), None)
            assert len(broker.calls) == 1

        config = limited(sections={"desk": GateSection()}, max_order_qty=Decimal(1_000))
        run(config, silent, Sentry(at_once=False))

    def test_no_second_replace_goes_round_a_gate_that_has_the_first(self) -> None:
        desk = Sentry(at_once=False)

        async def twice(gate: Gate, broker: ScriptedBroker) -> None:
            await self.working(gate, broker)
            await gate.execute(ReplaceOrder(order_id=ONE, quantity=Decimal(150)))
            await now_is(gate)
            with pytest.raises(Conflict, match="waits for desk"):
                await gate.execute(ReplaceOrder(order_id=ONE, quantity=Decimal(900)))
            await now_is(gate)
            assert len(broker.calls) == 1
            desk.open.set()
            assert [one.number for one in (await now_is(gate)).requests] == [2]
            assert len(broker.calls) == 2
            await gate.execute(ReplaceOrder(order_id=ONE, quantity=Decimal(50)))
            await now_is(gate)
            assert len(broker.calls) == 3

        config = limited(sections={"desk": GateSection()}, max_order_qty=Decimal(1_000))
        run(config, twice, desk)


class TestSettingUp:
    def test_a_configuration_names_a_class(self) -> None:
        path = "tests.unit.application.guards:Agreeable"
        config = limited(
            "desk", sections={"desk": GateSection(made_by=path, options={"verdict": Verdict(False, "made")})}
        )

        async def made(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.execute(buy())
            assert (await now_is(gate)).reason == "made"

        run(config, made)

    @pytest.mark.parametrize(
        ("path", "says"),
        [
            ("nowhere", "write package.module:Class"),
            ("tests.unit.application.guards:Nobody", "cannot be made: AttributeError"),
            ("decimal:Decimal", "a gate has a name"),
            ("tests.unit.application.guards:Named", "async def check"),
        ],
    )
    def test_a_class_that_is_no_gate_is_refused(self, path: str, says: str) -> None:
        with pytest.raises(GateClassError, match=says):
            run(limited("desk", sections={"desk": GateSection(made_by=path)}), None)

    def test_names_are_taken_once_and_approval_is_a_persons(self) -> None:
        async def names(gate: Gate, _broker: ScriptedBroker) -> None:
            for name in ("desk", APPROVAL):
                with pytest.raises(Conflict, match="give this one another name"):
                    gate.add_gate(Sentry(name))

        run(limited("desk"), names, Sentry())

    def test_a_file_cannot_give_a_gate_the_persons_name(self, tmp_path) -> None:
        (tmp_path / "a.toml").write_text("[gates.approval]\ntimeout_s = 5\n")
        with pytest.raises(ConfigError, match="stands for a person"):
            load(tmp_path / "a.toml")


def test_an_order_that_was_created_waits_from_when_it_is_submitted() -> None:
    desk = Sentry(at_once=False)

    async def waits(gate: Gate, broker: ScriptedBroker) -> None:
        created = (await gate.execute(CreateOrder(**asdict(buy())))).order
        await gate.clock.sleep(1)
        assert (created.state, desk.asked) == (State.CREATED, [])
        submitted = (await gate.execute(SubmitCreated(created.order_id))).order
        assert (submitted.state, submitted.awaits) == (State.PENDING_RISK, ("desk",))
        await gate.clock.sleep(1)
        assert len(desk.asked) == 1
        assert broker.calls == []
        desk.open.set()
        await gate.clock.sleep(1)
        assert (await now_is(gate)).state is State.SUBMITTED
        assert len(broker.calls) == 1

    run(limited("desk"), waits, desk)


def test_one_of_two_nodes_asks_and_the_other_goes_on_when_it_dies() -> None:
    async def main() -> None:
        async with two() as (one, first, other, second, _store):
            here, there = Sentry(at_once=False), Sentry()
            first.add_gate(here)
            second.add_gate(there, GateTerms(timeout_s=600))
            for gate in (first, second):
                gate.runner.engine.view.gates["desk"] = GateTerms(timeout_s=600)
            limits = Limits(gates=("desk",))
            await first.execute(
                SetLimits(level=Level.FUND, name="paper-momentum", limits=limits, reason="test")
            )
            order = (await second.execute(buy())).order
            await asyncio.sleep(2)
            assert (len(here.asked), len(there.asked)) == (1, 0)
            await one.die()
            await asyncio.sleep(20)
            assert len(there.asked) == 1
            assert (await second.queries.order(order.order_id)).state is State.SUBMITTED
            assert len(other.broker.calls) == 1

    run_virtual(main())
