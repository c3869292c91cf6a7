"""The cases of the broker suite about what is found again: by lookups, snapshots, and the next process."""

from ordergate.application.ports.brokers import Deduplication, LoginRefused, Presence
from ordergate.domain.orders.reports import End, Ended, Outcome
from ordergate.testing.conformance.counterpart import Fault, executions
from ordergate.testing.conformance.suite import Suite
from ordergate.testing.conformance.talk import Talk, expect, need


class SessionCases(Suite):
    """Part of `BrokerConformance`."""

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
            need(talk.can.lists, "the broker declares to have no list of open orders")
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

    def test_a_new_process_after_a_lost_answer(self) -> None:
        """Who dies between sending and the answer finds the order, and has it once."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.DROP_ANSWERS)
            need(talk.venue.durable, "the counterpart does not outlive a process")
            send = talk.order("lost.1")
            talk.venue.inject(Fault.DROP_ANSWERS)
            await talk.submit(send)
            talk.venue.inject()
            await talk.venue.reopen()
            await talk.connect()
            await talk.market()
            lookup = await talk.venue.broker.lookup("lost.1")
            if not talk.can.lists and lookup.presence is Presence.UNPROVEN:
                return
            expect(lookup.presence is Presence.FOUND, f"a new process says that it is {lookup.presence}")
            if talk.can.deduplication is Deduplication.FOREVER:
                again = await talk.submit(send)
                expect(again.outcome is Outcome.DUPLICATE, f"a resend was answered {again}")
            talk.filled(1)

        self.carry_out(case)

    def test_a_new_process_before_anything_was_sent(self) -> None:
        """Who dies between the journal and sending has no order: the new process may send it, if that is proven."""

        async def case(talk: Talk) -> None:
            need(talk.venue.durable, "the counterpart does not outlive a process")
            await talk.venue.reopen()
            await talk.connect()
            await talk.market()
            lookup = await talk.venue.broker.lookup("never.1")
            right = (Presence.ABSENT, Presence.UNPROVEN)
            expect(lookup.presence in right, f"what was never sent is {lookup.presence}")
            if lookup.presence is Presence.ABSENT or talk.can.deduplication is Deduplication.FOREVER:
                await talk.accepted(talk.order("never.1"))
                talk.filled(1)

        self.carry_out(case)

    def test_a_login_that_is_refused(self) -> None:
        """It is said at once, by whom and why, and nothing is sent; a later session may be let in."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.REFUSE_LOGIN)
            talk.venue.inject(Fault.REFUSE_LOGIN)
            await talk.venue.reopen()
            try:
                await talk.connect()
            except LoginRefused as error:
                said = str(error)
            else:
                raise AssertionError("a login that the venue refuses was no error")
            name = talk.venue.broker.name
            expect(name in said, f"the error does not say that it is about {name}: {said}")
            answer = await talk.venue.broker.submit(talk.order("out.1"))
            expect(answer.outcome is Outcome.NOT_SENT, f"without a login an order was answered {answer}")
            talk.venue.inject()
            await talk.venue.reopen()
            await talk.connect()
            await talk.market()
            talk.filled(0)
            await talk.accepted(talk.order("in.1"))

        self.carry_out(case)
