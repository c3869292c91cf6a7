"""The workers: what takes too long is noticed at its moment, and done about as the fund wants; brokers have the last word."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from ordergate.adapters.clock import run_virtual
from ordergate.adapters.journals.database import open_journal
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application import workers
from ordergate.application.audit.replay import replay
from ordergate.application.ports.brokers import Answer, Change, Lookup, Presence, Send, Withdraw
from ordergate.bootstrap import Gate
from ordergate.config import Config, FundSection
from ordergate.config.limits import LimitSections
from ordergate.domain.delays import MOST_TIMES, WorkerTerms
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CreateOrder, SubmitCreated
from ordergate.domain.orders.reports import Acknowledged, End, Ended, Executed, Outcome, Replaced
from ordergate.domain.orders.states import (
    Delay,
    OrderType,
    Remedy,
    RequestKind,
    State,
    TimeInForce,
)
from ordergate.domain.risk.limits import Limits
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.gates import START, buy
from tests.unit.application.guards import entries, guarded, now_is
from tests.unit.application.nodes import two
from tests.unit.application.test_runner import FailingJournal, refused
from tests.unit.application.test_watching import working

D = Decimal
SECOND = timedelta(seconds=1)
CLOSE = datetime(2026, 3, 2, 21, tzinfo=UTC)
FIVE = datetime(2026, 3, 2, 17, tzinfo=UTC)
NO = Answer(outcome=Outcome.REJECTED, reason="no")
ONLY_GTC = replace(CAPABILITIES, tifs=frozenset({TimeInForce.GTC, TimeInForce.IOC}))
DEFAULT = WorkerTerms()
LIMIT = {"order_type": OrderType.LIMIT, "limit_price": D(180)}


def configured(workers: WorkerTerms = DEFAULT, own: WorkerTerms | None = None, **limits: Any) -> Config:
    fund = FundSection(unlimited=not limits, workers=own)
    funds = {"paper-momentum": Limits(**limits)} if limits else {}
    return Config(funds={"paper-momentum": fund}, limits=LimitSections(funds=funds), workers=workers)


def run(config: Config, test, can=CAPABILITIES, journal=None, start: datetime = START):
    broker = ScriptedBroker(capabilities=can)

    async def main():
        async with guarded(config, broker, journal, start) as gate:
            return await test(gate, broker)

    return run_virtual(main())


async def until(gate: Gate, at: datetime) -> None:
    await gate.clock.sleep((at - gate.clock.now()).total_seconds())


async def noticed(gate: Gate) -> list[tuple[Delay, Remedy]]:
    return [(entry.event.why, entry.event.remedy) for entry in await entries(gate, "OrderOverdue")]


def quoted(gate: Gate, bid: str, ask: str, **more) -> None:
    gate.runner.quote(Quote("AAPL", gate.clock.now(), D(bid), D(ask), **more))


class TestWhatNeverLeft:
    """A broker whose session is not up: orders wait here."""

    @pytest.mark.parametrize(("tif", "over"), [("gtd", FIVE), ("day", CLOSE)])
    def test_it_expires_at_its_time_and_not_before(self, tif: str, over: datetime) -> None:
        async def waits(gate: Gate, broker: ScriptedBroker) -> None:
            gate.runner.engine.view.sessions.clear()
            order = (await gate.execute(buy(tif=TimeInForce(tif), expires_at=FIVE))).order
            assert order.state is State.ACCEPTED
            await until(gate, over - SECOND / 10)
            assert (await gate.queries.order(order.order_id)).state is State.ACCEPTED
            await until(gate, over + SECOND)
            after = await gate.queries.order(order.order_id)
            assert (after.state, after.reason_code) == (State.EXPIRED, "EXPIRED_BEFORE_SENDING")
            assert over <= after.ended_at < over + SECOND
            assert broker.calls == []
            (entry,) = await entries(gate, "OrderExpired")
            assert (entry.source, entry.actor) == ("worker", "ordergate")

        run(configured(), waits)

    def test_one_that_was_created_the_day_before_has_the_day_on_which_it_is_submitted(self) -> None:
        async def waits(gate: Gate, _broker: ScriptedBroker) -> None:
            gate.runner.engine.view.sessions.clear()
            created = (await gate.execute(CreateOrder(**asdict(buy(tif=TimeInForce.DAY))))).order
            await until(gate, CLOSE + 3600 * SECOND)
            assert (await gate.queries.order(created.order_id)).state is State.CREATED
            await gate.execute(SubmitCreated(created.order_id))
            await until(gate, CLOSE + 24 * 3600 * SECOND - SECOND / 10)
            assert (await gate.queries.order(created.order_id)).state is State.ACCEPTED
            await until(gate, CLOSE + 24 * 3600 * SECOND + SECOND)
            assert (await gate.queries.order(created.order_id)).state is State.EXPIRED

        run(configured(), waits)

    @pytest.mark.slow
    def test_gtc_waits_for_ever(self) -> None:
        async def waits(gate: Gate, _broker: ScriptedBroker) -> None:
            gate.runner.engine.view.sessions.clear()
            order = (await gate.execute(buy(tif=TimeInForce.GTC))).order
            await gate.clock.sleep(5 * 24 * 3600)
            assert (await gate.queries.order(order.order_id)).state is State.ACCEPTED

        run(configured(), waits)

    def test_one_that_waits_for_a_person_expires_too(self) -> None:
        async def waits(gate: Gate, _broker: ScriptedBroker) -> None:
            quoted(gate, "180", "180.1", pinned=True)
            order = (await gate.execute(buy(tif=TimeInForce.GTD, expires_at=FIVE))).order
            assert order.state is State.PENDING_RISK
            await until(gate, FIVE + SECOND)
            after = await gate.queries.order(order.order_id)
            assert (after.state, after.reason_code) == (State.EXPIRED, "EXPIRED_BEFORE_SENDING")

        run(configured(approve_above_usd=D(1), approval_timeout_s=86_400), waits)

    def test_a_session_that_comes_up_too_late_sends_nothing(self) -> None:
        """The order's time was over while no node ran; its release ends it before the workers look."""
        journal = MemoryJournal()

        async def leave(gate: Gate, _broker: ScriptedBroker) -> None:
            gate.runner.engine.view.sessions.clear()
            await gate.execute(buy(tif=TimeInForce.GTD, expires_at=FIVE))

        async def find(gate: Gate, broker: ScriptedBroker) -> None:
            order = await now_is(gate)
            assert (order.state, order.reason_code) == (State.EXPIRED, "EXPIRED_BEFORE_SENDING")
            assert broker.calls == []

        run(configured(), leave, journal=journal)
        run(configured(), find, journal=journal, start=FIVE + SECOND)


class TestAtABrokerWithoutSuchOrders:
    def test_it_leaves_as_gtc_and_is_canceled_at_its_time(self) -> None:
        async def emulated(gate: Gate, broker: ScriptedBroker) -> None:
            order = await working(gate, broker)
            assert (order.tif, broker.calls[0].tif) == (TimeInForce.DAY, TimeInForce.GTC)
            await until(gate, CLOSE - SECOND / 10)
            assert len(broker.calls) == 1
            await until(gate, CLOSE + SECOND)
            assert isinstance(broker.calls[1], Withdraw)
            asked = await gate.queries.order(order.order_id)
            assert asked.state is State.SUBMITTED, "never ended by us: it may trade yet"
            broker.sink.report(Ended(broker="paper", client_id=f"{order.order_id}.1", end=End.CANCELED))
            ended = await now_is(gate, order.order_id)
            assert (ended.state, ended.reason_code) == (State.CANCELED, "CANCELED_ON_REQUEST")
            assert await noticed(gate) == [(Delay.TIME_OVER, Remedy.CANCEL)]

        run(configured(), emulated, ONLY_GTC)

    def test_gtd_names_no_time_to_a_broker_that_knows_none(self) -> None:
        async def emulated(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(buy(tif=TimeInForce.GTD, expires_at=FIVE, **LIMIT))
            await gate.quiet()
            (send,) = broker.calls
            assert (send.tif, send.expires_at) == (TimeInForce.GTC, None)

        run(configured(), emulated, ONLY_GTC)

    def test_one_that_knows_it_gets_it_as_it_is(self) -> None:
        async def as_it_is(gate: Gate, broker: ScriptedBroker) -> None:
            await gate.execute(buy(tif=TimeInForce.GTD, expires_at=FIVE, **LIMIT))
            await gate.quiet()
            (send,) = broker.calls
            assert (send.tif, send.expires_at) == (TimeInForce.GTD, FIVE)

        run(configured(), as_it_is)

    def test_a_cancel_that_is_refused_is_asked_for_again_but_not_for_ever(self) -> None:
        async def stubborn(gate: Gate, broker: ScriptedBroker) -> None:
            order = await working(gate, broker)
            broker.answers.extend([NO] * 100)
            await until(gate, CLOSE + timedelta(hours=5))
            cancels = [call for call in broker.calls if isinstance(call, Withdraw)]
            assert len(cancels) == MOST_TIMES
            assert (Delay.PAST_TIME, Remedy.ALERT) in await noticed(gate), "somebody is told"
            assert (await gate.queries.order(order.order_id)).state is State.SUBMITTED

        run(configured(), stubborn, ONLY_GTC)


class TestPastItsTime:
    CLEANING = WorkerTerms(stale_order_cleanup="cancel", stale_after_s=30)

    def test_the_broker_is_asked_and_what_it_says_is_the_end(self) -> None:
        async def lost(gate: Gate, broker: ScriptedBroker) -> None:
            order = await working(gate, broker)
            end = Ended(broker="paper", client_id=f"{order.order_id}.1", end=End.EXPIRED)
            broker.lookups.append(Lookup(presence=Presence.FOUND, reports=(end,)))
            await until(gate, CLOSE + timedelta(seconds=59))
            assert broker.looked_up == []
            await until(gate, CLOSE + timedelta(seconds=62))
            assert broker.looked_up == [f"{order.order_id}.1"]
            assert (await gate.queries.order(order.order_id)).state is State.EXPIRED
            assert await noticed(gate) == [], "it was only the report that had been lost"

        run(configured(), lost)

    def test_one_that_does_work_on_is_told_once_and_left(self) -> None:
        async def stale(gate: Gate, broker: ScriptedBroker) -> None:
            await working(gate, broker)
            await until(gate, CLOSE + timedelta(days=3))
            assert await noticed(gate) == [(Delay.PAST_TIME, Remedy.ALERT)]
            assert len(broker.calls) == 1
            assert (await now_is(gate)).state is State.SUBMITTED, "never marked expired by us"

        run(configured(), stale)

    def test_or_canceled_where_that_is_wanted(self) -> None:
        async def cleaned(gate: Gate, broker: ScriptedBroker) -> None:
            await working(gate, broker)
            await until(gate, CLOSE + timedelta(seconds=32))
            assert isinstance(broker.calls[-1], Withdraw)
            assert await noticed(gate) == [(Delay.PAST_TIME, Remedy.CANCEL)]

        run(configured(self.CLEANING), cleaned)

    def test_a_broker_that_cannot_be_asked_holds_nobody_up(self) -> None:
        async def silent(gate: Gate, broker: ScriptedBroker) -> None:
            await working(gate, broker)

            async def never(*_names):
                await asyncio.sleep(3_600)

            broker.lookup = never
            await until(gate, CLOSE + timedelta(seconds=67))
            assert await noticed(gate) == [(Delay.PAST_TIME, Remedy.ALERT)]

        run(configured(), silent)


class TestUnanswered:
    @pytest.mark.parametrize("remedy", ["alert", "cancel"])
    def test_a_submit_whose_broker_says_nothing(self, remedy: str) -> None:
        async def silent(gate: Gate, broker: ScriptedBroker) -> None:
            broker.answers.append(Answer(outcome=Outcome.UNKNOWN, reason="it hung up"))
            order = (await gate.execute(buy(tif=TimeInForce.GTC, **LIMIT))).order
            await gate.clock.sleep(59)
            assert await noticed(gate) == []
            await gate.clock.sleep(2)
            assert await noticed(gate) == [(Delay.UNANSWERED, Remedy(remedy))]
            after = await gate.queries.order(order.order_id)
            assert after.state is State.SUBMITTED, "it may be on the book"
            assert (after.open_request(RequestKind.CANCEL) is not None) is (remedy == "cancel")

        run(configured(WorkerTerms(stale_order_cleanup=remedy)), silent)

    def test_one_that_is_answered_in_time_is_not_late(self) -> None:
        async def prompt(gate: Gate, broker: ScriptedBroker) -> None:
            await working(gate, broker)
            await gate.clock.sleep(3_600)
            assert await noticed(gate) == []

        run(configured(), prompt)


class TestUnfilled:
    def test_alert(self) -> None:
        async def told(gate: Gate, broker: ScriptedBroker) -> None:
            order = await working(gate, broker)
            await until(gate, order.submitted_at + timedelta(seconds=29.9))
            assert await noticed(gate) == []
            await gate.clock.sleep(1)
            assert await noticed(gate) == [(Delay.UNFILLED, Remedy.ALERT)]
            assert (await gate.queries.order(order.order_id)).noticed(Delay.UNFILLED).times == 1
            await gate.clock.sleep(3_600)
            assert len(await noticed(gate)) == 1
            assert len(broker.calls) == 1

        run(configured(WorkerTerms(unfilled_after_s=30)), told)

    def test_cancel(self) -> None:
        async def canceled(gate: Gate, broker: ScriptedBroker) -> None:
            await working(gate, broker)
            await gate.clock.sleep(31)
            assert [type(call) for call in broker.calls] == [Send, Withdraw]

        run(configured(WorkerTerms(unfilled_after_s=30, retry_unfilled=Remedy.CANCEL)), canceled)

    def test_a_fund_s_own_terms_stand_in_place_of_the_others(self) -> None:
        async def alone(gate: Gate, broker: ScriptedBroker) -> None:
            await working(gate, broker)
            await gate.clock.sleep(3_600)
            assert len(broker.calls) == 1

        cancel = WorkerTerms(unfilled_after_s=30, retry_unfilled=Remedy.CANCEL)
        run(configured(cancel, own=WorkerTerms()), alone)

    def test_reprice_follows_the_market_again_and_again(self) -> None:
        async def followed(gate: Gate, broker: ScriptedBroker) -> None:
            order = await working(gate, broker)
            for ask, number in (("181", 2), ("182", 3)):
                quoted(gate, "170", ask, pinned=True)
                await gate.clock.sleep(31)
                change = broker.calls[-1]
                assert isinstance(change, Change)
                assert change.limit_price == D(ask)
                done = Replaced(broker="paper", client_id=f"{order.order_id}.{number}", limit_price=D(ask))
                broker.sink.report(done)
                assert (await now_is(gate, order.order_id)).limit_price == D(ask)
            assert await noticed(gate) == [(Delay.UNFILLED, Remedy.REPRICE)] * 2

        run(configured(WorkerTerms(unfilled_after_s=30, retry_unfilled=Remedy.REPRICE)), followed)

    def test_a_reprice_passes_the_gate_and_stays_where_that_refuses(self) -> None:
        async def not_let(gate: Gate, broker: ScriptedBroker) -> None:
            quoted(gate, "180", "180", pinned=True)
            await working(gate, broker)
            quoted(gate, "170", "300", pinned=True)
            await gate.clock.sleep(31)
            assert [type(call) for call in broker.calls] == [Send]
            (entry,) = await entries(gate, "ReplaceRefused")
            assert (entry.event.limit_price, entry.event.decision.code) == (D(300), "RISK_ORDER_NOTIONAL")

        terms = WorkerTerms(unfilled_after_s=30, retry_unfilled=Remedy.REPRICE)
        run(configured(terms, max_order_notional_usd=D(20_000)), not_let)

    @pytest.mark.parametrize("age_s", [None, 3_600])
    def test_without_a_fresh_quote_somebody_is_told_instead(self, age_s: int | None) -> None:
        async def told(gate: Gate, broker: ScriptedBroker) -> None:
            if age_s is not None:
                gate.runner.quote(Quote("AAPL", gate.clock.now() - timedelta(seconds=age_s), D(190), D(191)))
            await working(gate, broker)
            await gate.clock.sleep(31)
            assert await noticed(gate) == [(Delay.UNFILLED, Remedy.ALERT)]
            assert [type(call) for call in broker.calls] == [Send]

        run(configured(WorkerTerms(unfilled_after_s=30, retry_unfilled=Remedy.REPRICE)), told)

    @pytest.mark.parametrize("ask", ["180", None])
    def test_a_limit_that_cannot_move_is_told_once_until_it_moves_again(self, ask: str | None) -> None:
        async def stuck(gate: Gate, broker: ScriptedBroker) -> None:
            order = await working(gate, broker)
            if ask is not None:
                quoted(gate, "170", ask, pinned=True)
            await gate.clock.sleep(1_000)
            assert await noticed(gate) == [(Delay.UNFILLED, Remedy.ALERT)]
            quoted(gate, "170", "181", pinned=True)
            await gate.clock.sleep(31)
            assert await noticed(gate) == [(Delay.UNFILLED, Remedy.ALERT), (Delay.UNFILLED, Remedy.REPRICE)]
            done = Replaced(broker="paper", client_id=f"{order.order_id}.2", limit_price=D(181))
            broker.sink.report(done)
            await gate.clock.sleep(1_000)
            assert [remedy for _why, remedy in await noticed(gate)] == [
                Remedy.ALERT, Remedy.REPRICE, Remedy.ALERT,
            ]  # fmt: skip

        run(configured(WorkerTerms(unfilled_after_s=30, retry_unfilled=Remedy.REPRICE)), stuck)

    def test_a_remedy_that_cannot_be_done_is_told_instead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workers, "repriced", lambda *_given: D(180))  # which it has: nothing to change

        async def told(gate: Gate, broker: ScriptedBroker) -> None:
            quoted(gate, "190", "191", pinned=True)
            await working(gate, broker)
            await gate.clock.sleep(31)
            assert await noticed(gate) == [(Delay.UNFILLED, Remedy.ALERT)]
            assert [type(call) for call in broker.calls] == [Send]

        run(configured(WorkerTerms(unfilled_after_s=30, retry_unfilled=Remedy.REPRICE)), told)

    def test_a_market_that_is_closed_fills_nobody(self) -> None:
        async def closed(gate: Gate, broker: ScriptedBroker) -> None:
            order = (await gate.execute(buy(tif=TimeInForce.GTC, **LIMIT))).order
            await gate.quiet()
            opening = datetime(2026, 3, 3, 14, 30, tzinfo=UTC)
            broker.sink.report(Ended(broker="paper", client_id="nobody.1", end=End.EXPIRED))
            await working(gate, broker, "other")
            await until(gate, opening + timedelta(seconds=29))
            assert await noticed(gate) == []
            await until(gate, opening + timedelta(seconds=31))
            assert (Delay.UNFILLED, Remedy.ALERT) in await noticed(gate)
            assert (await gate.queries.order(order.order_id)).state is State.SUBMITTED

        run(configured(WorkerTerms(unfilled_after_s=30)), closed, start=CLOSE + SECOND)


class TestTheDuty:
    def test_at_rest_nobody_looks(self) -> None:
        async def rests(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.clock.sleep(2)
            looks: list[str] = []
            workers = gate.workers
            plan = workers._plan
            workers._plan = lambda order_id: looks.append(order_id) or plan(order_id)
            await gate.clock.sleep(30 * 24 * 3_600)
            assert looks == []
            await gate.execute(buy(tif=TimeInForce.GTC))
            await gate.clock.sleep(3_600)
            assert 1 <= len(looks) <= 4, "it waits for the moment, and does not poll"

        run(configured(), rests)

    def test_a_run_that_begins_takes_up_what_an_earlier_one_left(self) -> None:
        journal = MemoryJournal()

        async def leave(gate: Gate, broker: ScriptedBroker) -> None:
            await working(gate, broker)

        async def find(gate: Gate, _broker: ScriptedBroker) -> None:
            await gate.clock.sleep(1)
            assert await noticed(gate) == [(Delay.UNFILLED, Remedy.ALERT)]

        run(configured(), leave, journal=journal)
        later = START + timedelta(hours=1)
        run(configured(WorkerTerms(unfilled_after_s=30)), find, journal=journal, start=later)

    @pytest.mark.parametrize("dies", [False, True])
    def test_of_two_nodes_one_attends_and_the_other_takes_over(self, dies: bool) -> None:
        async def main() -> None:
            async with two(ONLY_GTC, CLOSE - 60 * SECOND) as (one, first, other, second, _store):
                order = await working(first, one.broker)
                if dies:
                    await one.die()
                await until(second, CLOSE + 2 * SECOND)
                assert await noticed(second) == [(Delay.TIME_OVER, Remedy.CANCEL)]
                asked = [call for broker in (one.broker, other.broker) for call in broker.calls[-1:]]
                assert [call.order for call in asked if isinstance(call, Withdraw)] == [f"{order.order_id}.1"]

        run_virtual(main())

    def test_an_order_until_the_end_of_time_harms_nobody(self) -> None:
        async def far(gate: Gate, _broker: ScriptedBroker) -> None:
            last = datetime.max.replace(tzinfo=UTC)
            await gate.execute(buy(tif=TimeInForce.GTD, expires_at=last, **LIMIT))
            await gate.clock.sleep(7_200)
            assert gate.runner.failure is None

        run(configured(), far, ONLY_GTC)

    def test_a_store_that_fails_only_delays(self) -> None:
        journal = FailingJournal()

        async def failing(gate: Gate, broker: ScriptedBroker) -> None:
            await working(gate, broker)
            await until(gate, CLOSE - SECOND)
            journal.failures += [refused] * 3
            await until(gate, CLOSE + 10 * SECOND)
            assert await noticed(gate) == [(Delay.TIME_OVER, Remedy.CANCEL)]
            assert isinstance(broker.calls[-1], Withdraw)

        run(configured(), failing, ONLY_GTC, journal)


@pytest.mark.parametrize(
    "store", [MemoryJournal, lambda: open_journal("sqlite://")], ids=["memory", "sqlite"]
)
def test_a_replay_leads_to_the_same_tables(store) -> None:
    """Delays, slippage and the terms of funds, orders and halts, through the store and back."""
    journal = store()

    async def day(gate: Gate, broker: ScriptedBroker) -> None:
        quoted(gate, "179.99", "180.01", pinned=True)
        order = (await gate.execute(buy("slips", tif=TimeInForce.GTC, strategy_id="trend"))).order
        await gate.quiet()
        slipped = Executed(
            broker="paper", client_id=f"{order.order_id}.1", exec_id="x1", time=gate.clock.now(),
            quantity=D(100), price=D(190), completes=True,
        )  # fmt: skip
        broker.sink.report(slipped)
        late = (await gate.execute(buy("late", tif=TimeInForce.GTC, max_slippage_bps=D(5000), **LIMIT))).order
        await gate.quiet()
        broker.sink.report(Acknowledged(broker="paper", client_id=f"{late.order_id}.1"))
        await gate.clock.sleep(3_600)
        kinds = {type(entry.event).__name__ for entry in await entries(gate)}
        assert {"OrderOverdue", "SlippageExceeded", "TradingHalted"} <= kinds

    fund = FundSection(unlimited=True, slippage_alert_bps=D(10), slippage_pause=True)
    run(
        Config(funds={"paper-momentum": fund}, workers=WorkerTerms(unfilled_after_s=30)), day, journal=journal
    )

    async def compared() -> None:
        empty = store()
        assert await replay(journal, empty) == []
        orders = await empty.select("orders")
        assert [one.why for order in orders for one in order.overdue or ()] == [Delay.UNFILLED]
        assert (await empty.select("funds"))[0].slippage.pause
        for each in (journal, empty):
            await each.close()

    asyncio.run(compared())
