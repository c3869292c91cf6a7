"""The suite that every broker adapter passes.

    class TestMyBroker(BrokerConformance):
        def venue(self):
            return my_counterpart()   # an async context manager that gives a Counterpart

pytest collects the cases from the subclass. What an adapter declares not to do, and faults that its
counterpart has not, are skipped with the reason; nothing is skipped for another.

The rules are those of `ordergate.application.ports.brokers`; each case names what would go wrong with orders and
money if an adapter broke it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ordergate.application.ports.brokers import Change, Deduplication, Presence
from ordergate.domain.orders.reports import End, Ended, Outcome, Replaced, RequestRefused
from ordergate.domain.orders.states import Side, TimeInForce
from ordergate.testing.conformance.counterpart import Counterpart, Fault, executions
from ordergate.testing.conformance.statements import StatementCases
from ordergate.testing.conformance.talk import Talk, expect, need

Case = Callable[[Talk], Awaitable[None]]
_LONG_AGO, _FAR_AHEAD = datetime(2000, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC)
TAKEN = (Outcome.ACCEPTED, Outcome.DUPLICATE)


class BrokerConformance(StatementCases):
    """Subclass it, give it a venue, and pytest runs the cases."""

    def venue(self) -> AbstractAsyncContextManager[Counterpart]:
        """A new venue and the adapter under test, closed on exit."""
        raise NotImplementedError(f"{type(self).__name__}.venue must give a counterpart")

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Runs a case; override to run it in simulated time."""
        asyncio.run(main)

    def carry_out(self, case: Case) -> None:
        """Runs a case against a new venue, connected."""

        async def main() -> None:
            async with self.venue() as venue:
                talk = Talk(venue)
                await talk.connect()
                await talk.market()
                await case(talk)

        self.run(main())

    def test_an_order_fills(self) -> None:
        """The happy path: taken, executed within its limit, gone from the open orders."""

        async def case(talk: Talk) -> None:
            send = talk.order("happy.1", lots=3)
            answer = await talk.accepted(send)
            expect(answer.broker_order_id is not None, "an accepted order has the venue's id")
            talk.filled(3)
            for execution in talk.sink.executions.values():
                expect(execution.broker == talk.venue.broker.name, f"the report is {execution.broker!r}'s")
                names = (execution.client_id, execution.broker_order_id)
                expect(names in {("happy.1", answer.broker_order_id), ("happy.1", None)}, f"it names {names}")
                expect(execution.price <= (send.limit_price or 0), f"{execution.price} is through the limit")
                expect(execution.side in (None, Side.BUY), f"the side is {execution.side}")
                expect(execution.symbol in (None, send.symbol), f"the symbol is {execution.symbol}")
            expect(not await talk.working(), "a filled order does not work")

        self.carry_out(case)

    def test_an_order_works_until_it_is_canceled(self) -> None:
        """It is in the snapshot of open orders exactly while it works."""

        async def case(talk: Talk) -> None:
            await talk.accepted(talk.order("rest.1", ticks=-50))
            expect(await talk.working() == {"rest.1"}, "the working order is missing in the snapshot")
            answer = await talk.cancel("rest.2", "rest.1")
            expect(answer.outcome is Outcome.ACCEPTED, f"the cancel was answered {answer}")
            ends = {end.end for end in talk.sink.ends}
            expect(ends == {End.CANCELED}, f"a canceled order was told to have ended {ends}")
            expect(not await talk.working(), "a canceled order does not work")
            await talk.market(ticks=-60)
            talk.filled(0)

        self.carry_out(case)

    def test_a_gtd_order_works_only_towards_a_time_to_come(self) -> None:
        """One whose time is over before it arrives is refused: else it would work for ever."""

        async def case(talk: Talk) -> None:
            need(TimeInForce.GTD in talk.can.tifs, "the venue declares no gtd orders")
            late = replace(talk.order("late.1"), tif=TimeInForce.GTD, expires_at=_LONG_AGO)
            answer = await talk.submit(late)
            expect(answer.outcome is Outcome.REJECTED, f"an order whose time is over was answered {answer}")
            early = replace(talk.order("early.1", ticks=-50), tif=TimeInForce.GTD, expires_at=_FAR_AHEAD)
            await talk.accepted(early)
            expect(await talk.working() == {"early.1"}, "an order whose time is to come does not work")
            talk.filled(0)

        self.carry_out(case)

    def test_partial_fills_add_up(self) -> None:
        """Several executions, each with its own id."""

        async def case(talk: Talk) -> None:
            await talk.market(lots=2)
            await talk.accepted(talk.order("part.1", lots=5))
            talk.filled(2)
            await talk.market(lots=2)
            await talk.market(lots=2)
            talk.filled(5)
            expect(len(talk.sink.executions) >= 3, "three markets cannot give fewer than three executions")

        self.carry_out(case)

    def test_a_second_submit_has_no_effect(self) -> None:
        """Else a resend after a crash trades twice."""

        async def case(talk: Talk) -> None:
            need(talk.can.deduplication is not Deduplication.NONE, "the venue declares no deduplication")
            forever = talk.can.deduplication is Deduplication.FOREVER
            send = talk.order("twice.1", ticks=5 if forever else -50)
            first = await talk.accepted(send)
            again = await talk.submit(send)
            expect(again.outcome is Outcome.DUPLICATE, f"a second submit was answered {again}")
            same = again.broker_order_id in (None, first.broker_order_id)
            expect(same, f"a second submit made order {again.broker_order_id}")
            talk.filled(1 if forever else 0)

        self.carry_out(case)

    def test_an_unanswered_submit_is_unknown_and_found(self) -> None:
        """It may be on the book: never REJECTED, never an exception; a lookup finds it, a resend adds nothing."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.DROP_ANSWERS)
            talk.venue.inject(Fault.DROP_ANSWERS)
            send = talk.order("lost.1")
            answer = await talk.submit(send)
            expect(answer.outcome is Outcome.UNKNOWN, f"a lost answer was told as {answer}")
            talk.venue.inject()
            if not talk.can.lists:
                lookup = await talk.venue.broker.lookup("lost.1")
                expect(lookup.presence is Presence.UNPROVEN, f"without any name the order is {lookup}")
                return
            told = executions(await talk.found("lost.1"))
            expect(sum(e.quantity for e in told.values()) == talk.venue.lot, f"the lookup tells {told}")
            if talk.can.deduplication is Deduplication.FOREVER:
                await talk.submit(send)
            talk.filled(1)
            expect(
                set(told) == set(talk.sink.executions), "lookup and reports name the executions differently"
            )

        self.carry_out(case)

    def test_unanswered_cancel_is_unknown(self) -> None:
        """The cancel was done all the same."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.DROP_ANSWERS)
            await talk.accepted(talk.order("lost.1", ticks=-50))
            talk.venue.inject(Fault.DROP_ANSWERS)
            answer = await talk.cancel("lost.2", "lost.1")
            expect(answer.outcome is Outcome.UNKNOWN, f"a lost answer was told as {answer}")
            talk.venue.inject()
            told = [report.end for report in await talk.found("lost.1") if isinstance(report, Ended)]
            expect(told == [End.CANCELED], f"the lookup tells the ends {told}")

        self.carry_out(case)

    def test_a_late_fill_after_a_cancel(self) -> None:
        """What was done before the cancel counts, whenever it is told."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.HOLD_REPORTS)
            await talk.market(lots=2)
            talk.venue.inject(Fault.HOLD_REPORTS)
            await talk.venue.broker.submit(talk.order("late.1", lots=5))
            talk.venue.inject()
            await talk.cancel("late.2", "late.1")
            expect(bool(talk.sink.ends), "the end of the canceled order was not told")
            talk.filled(2)
            told = [isinstance(report, Ended) for report in talk.sink.reports]
            expect(told.index(True) < len(told) - 1, "the counterpart was to tell the fill after the end")
            looked_up = executions(await talk.found("late.1"))
            expect(
                set(looked_up) == set(talk.sink.executions), "lookup and reports tell different executions"
            )

        self.carry_out(case)

    def test_reports_that_are_repeated_or_out_of_order(self) -> None:
        """An execution keeps its id and contents, so that it counts once; none is lost."""

        async def case(talk: Talk) -> None:
            faults = {Fault.DUPLICATE_REPORTS, Fault.REORDER_REPORTS} & talk.venue.faults
            need(bool(faults), "the counterpart can neither repeat nor reorder reports")
            for number, fault in enumerate(sorted(faults)):
                await self._trade_in_parts(talk, f"mix{number}.1", fault)
            talk.filled(6 * len(faults))

        self.carry_out(case)

    async def _trade_in_parts(self, talk: Talk, client_id: str, fault: Fault) -> None:
        talk.venue.inject(fault)
        before = len(talk.sink.reports)
        await talk.market(lots=2)
        await talk.venue.broker.submit(talk.order(client_id, lots=6))
        for _ in range(2):
            middle, tick = talk.venue.price, talk.venue.tick
            await talk.venue.set_market(middle - tick, middle + tick, 2 * talk.venue.lot)
        talk.venue.inject()
        await talk.venue.settle()
        told = executions(talk.sink.reports[before:])
        looked_up = executions(await talk.found(client_id))
        expect(set(told) == set(looked_up), f"told {sorted(told)}, looked up {sorted(looked_up)}")

    def test_a_lookup_finds_what_arrived(self) -> None:
        """With everything needed to rebuild the order, under the id of each of its requests."""

        async def case(talk: Talk) -> None:
            await talk.market(lots=2)
            await talk.accepted(talk.order("look.1", lots=5))
            await talk.cancel("look.2", "look.1")
            for client_id in ("look.1", "look.2"):
                reports = await talk.found(client_id)
                expect(set(executions(reports)) == set(talk.sink.executions), "an execution is missing")
                expect(
                    [r.end for r in reports if isinstance(r, Ended)] == [End.CANCELED], "the end is missing"
                )

        self.carry_out(case)

    def test_a_lookup_of_what_never_arrived(self) -> None:
        """ABSENT is proof, and only for venues that can prove it."""

        async def case(talk: Talk) -> None:
            lookup = await talk.venue.broker.lookup("never.1")
            proven = talk.can.proves_absence and talk.can.grace_s == 0
            right = Presence.ABSENT if proven else Presence.UNPROVEN
            expect(
                lookup.presence is right, f"a request that never arrived is {lookup.presence}, not {right}"
            )
            expect(not lookup.reports, "there is nothing to tell of it")

        self.carry_out(case)

    def test_a_new_process_finds_what_the_old_one_sent(self) -> None:
        """Client ids, working orders and executions outlive us."""

        async def case(talk: Talk) -> None:
            need(talk.venue.durable, "the counterpart does not outlive a process")
            send = talk.order("old.1")
            await talk.accepted(send)
            await talk.accepted(talk.order("rest.1", ticks=-50))
            before = set(talk.sink.executions)
            await talk.venue.reopen()
            await talk.connect()
            await talk.market()
            expect(set(executions(await talk.found("old.1"))) == before, "the executions changed")
            expect(await talk.working() == {"rest.1"}, "the working order is missing in the snapshot")
            if talk.can.deduplication is Deduplication.FOREVER:
                again = await talk.submit(send)
                expect(again.outcome is Outcome.DUPLICATE, f"a resend was answered {again}")
            expect(set(talk.sink.executions) <= before, "the new process saw a new execution")

        self.carry_out(case)

    def test_an_incomplete_snapshot_says_so(self) -> None:
        """Else orders that work would be held to have gone."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.INCOMPLETE_SNAPSHOT)
            await talk.accepted(talk.order("snap.1", ticks=-50))
            talk.venue.inject(Fault.INCOMPLETE_SNAPSHOT)
            snapshot = await talk.venue.broker.open_orders()
            expect(not snapshot.complete, f"an incomplete snapshot was told as complete: {snapshot}")
            talk.venue.inject()
            expect(await talk.working() == {"snap.1"}, "the next snapshot must be right again")

        self.carry_out(case)

    def test_a_session_resumes_from_any_cursor(self) -> None:
        """What was told up to a cursor and what comes after it are everything, also out of order."""

        async def case(talk: Talk) -> None:
            need(talk.venue.durable, "the counterpart does not outlive a process")
            talk.venue.inject(*{Fault.REORDER_REPORTS} & talk.venue.faults)
            for number in range(6):
                await talk.venue.broker.submit(talk.order(f"resume{number}.1"))
            talk.venue.inject()
            await talk.venue.settle()
            talk.filled(6)
            told, everything = talk.sink.reports, set(talk.sink.executions)
            for place, report in enumerate(told):
                if report.cursor is None:
                    continue
                await talk.venue.reopen()
                await talk.connect(report.cursor)
                await talk.venue.settle()
                missing = everything - set(executions(told[: place + 1])) - set(talk.sink.executions)
                expect(not missing, f"resumed from {report.cursor}, never told {sorted(missing)}")

        self.carry_out(case)

    def test_a_session_tells_what_came_after_its_cursor(self) -> None:
        """The end of an order is told again to a process that lost it."""

        async def case(talk: Talk) -> None:
            need(talk.venue.durable, "the counterpart does not outlive a process")
            await talk.accepted(talk.order("after.1", ticks=-50))
            cursor = talk.sink.reports[-1].cursor if talk.sink.reports else None
            await talk.cancel("after.2", "after.1")
            await talk.venue.reopen()
            await talk.connect(cursor)
            await talk.venue.settle()
            expect(
                {end.end for end in talk.sink.ends} == {End.CANCELED}, "the end after the cursor was not told"
            )

        self.carry_out(case)

    def test_a_cancel_of_a_finished_order(self) -> None:
        """It is refused and changes nothing."""

        async def case(talk: Talk) -> None:
            await talk.accepted(talk.order("done.1"))
            answer = await talk.cancel("done.2", "done.1")
            refused = [report for report in talk.sink.reports if isinstance(report, RequestRefused)]
            expect(answer.outcome is Outcome.REJECTED or bool(refused), f"the cancel was answered {answer}")
            expect(not talk.sink.ends, f"a filled order was told to have ended: {talk.sink.ends}")
            talk.filled(1)

        self.carry_out(case)

    def test_a_cancel_of_an_unknown_order(self) -> None:
        """It is not taken, and no end is made up."""

        async def case(talk: Talk) -> None:
            answer = await talk.cancel("ghost.2", "ghost.1")
            expect(answer.outcome not in TAKEN, f"the cancel of an unknown order was answered {answer}")
            expect(not talk.sink.ends, f"an unknown order was told to have ended: {talk.sink.ends}")

        self.carry_out(case)

    def test_a_replace(self) -> None:
        """New terms are told under the request's id, and hold."""

        async def case(talk: Talk) -> None:
            need(talk.can.replaces, "the venue declares no replace")
            await talk.accepted(talk.order("new.1", lots=2, ticks=-50))
            limit = talk.venue.price - 40 * talk.venue.tick
            change = Change(
                client_id="new.2",
                order="new.1",
                broker_order_id=None,
                quantity=3 * talk.venue.lot,
                limit_price=limit,
            )
            answer = await talk.venue.broker.replace(change)
            await talk.venue.settle()
            expect(answer.outcome is Outcome.ACCEPTED, f"the replace was answered {answer}")
            done = [report for report in talk.sink.reports if isinstance(report, Replaced)]
            terms = {(report.client_id, report.quantity, report.limit_price) for report in done}
            expect(terms == {("new.2", 3 * talk.venue.lot, limit)}, f"the terms were told as {terms}")
            expect(await talk.working() == {"new.2"}, "the order works under its last accepted client id")
            await talk.market(ticks=-45)
            talk.filled(3)

        self.carry_out(case)

    def test_what_the_venue_does_not_take_is_an_answer(self) -> None:
        """Never an exception, and never an order."""

        async def case(talk: Talk) -> None:
            good = talk.order("bad.1")
            wrong: tuple[dict[str, Any], ...] = (
                {"symbol": "NO SUCH SYMBOL"},
                {"quantity": Decimal(0)},
                {"quantity": -talk.venue.lot},
                {"quantity": Decimal("NaN")},
                {"limit_price": None},
                {"limit_price": Decimal("-1")},
                {"limit_price": Decimal("Infinity")},
            )
            for number, change in enumerate(wrong):
                answer = await talk.submit(replace(good, client_id=f"bad{number}.1", **change))
                right = (Outcome.REJECTED, Outcome.NOT_SENT)
                expect(answer.outcome in right, f"{change} was answered {answer}")
            talk.filled(0)

        self.carry_out(case)

    def test_nothing_is_claimed_without_a_session(self) -> None:
        """No answer, no order and no absence can be known; nothing raises."""

        async def case(talk: Talk) -> None:
            await talk.accepted(talk.order("shut.1", ticks=-50))
            broker = talk.venue.broker
            await broker.close()
            answer = await broker.submit(talk.order("shut.3"))
            expect(answer.outcome in (Outcome.NOT_SENT, Outcome.UNKNOWN), f"a submit was answered {answer}")
            lookup = await broker.lookup("shut.1")
            right = lookup.presence in (Presence.UNAVAILABLE, Presence.FOUND)
            expect(right, f"a lookup without a session says {lookup.presence}")
            snapshot = await broker.open_orders()
            right = not snapshot.complete or snapshot.client_ids == {"shut.1"}
            expect(right, f"a snapshot without a session says {snapshot}")

        self.carry_out(case)
