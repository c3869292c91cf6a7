"""The cases of the broker suite about answers that do not say what became of a request, and about plain refusals.

A request that was done and whose answer is lost is the most dangerous thing there is: told as a rejection it is sent
again elsewhere, and there are two orders.
"""

from ordergate.application.ports.brokers import Answer, Deduplication, Presence
from ordergate.domain.orders.reports import End, Ended, Outcome
from ordergate.testing.conformance.counterpart import Fault, executions, filled
from ordergate.testing.conformance.suite import Suite
from ordergate.testing.conformance.talk import Talk, expect

_UNKNOWN = (Outcome.UNKNOWN,)
_MAYBE = (Outcome.UNKNOWN, Outcome.ACCEPTED)


class AnswerCases(Suite):
    """Part of `BrokerConformance`."""

    def test_an_unanswered_submit_is_unknown_and_found(self) -> None:
        """It may be on the book: never REJECTED, never an exception; a lookup finds it, a resend adds nothing."""
        self.carry_out(lambda talk: _submit(talk, Fault.DROP_ANSWERS))

    def test_unanswered_cancel_is_unknown(self) -> None:
        """The cancel was done all the same."""
        self.carry_out(lambda talk: _cancel(talk, Fault.DROP_ANSWERS))

    def test_an_answer_that_is_cut_off(self) -> None:
        """A connection that ends after the request left says nothing of the order."""
        self.carry_out(lambda talk: _both(talk, Fault.CUT_ANSWERS))

    def test_an_answer_that_is_garbled(self) -> None:
        """What cannot be read is no refusal."""
        self.carry_out(lambda talk: _both(talk, Fault.GARBLED_ANSWERS))

    def test_a_server_that_fails_after_it_took_the_order(self) -> None:
        """A 5xx says that the server failed, not that the order did."""
        self.carry_out(lambda talk: _both(talk, Fault.SERVER_ERRORS))

    def test_a_refusal_of_what_was_done(self) -> None:
        """A 4xx in words that nobody has documented proves nothing: the order may be there."""
        self.carry_out(lambda talk: _both(talk, Fault.CLIENT_ERRORS))

    def test_an_answer_that_comes_too_late(self) -> None:
        """It ends nothing and begins nothing: the order was sent once."""
        self.carry_out(lambda talk: _both(talk, Fault.SLOW_ANSWERS, _MAYBE))

    def test_a_refused_order(self) -> None:
        """It is REJECTED, with what the venue said, and is gone: else its exposure stays reserved for ever."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.REFUSE_ORDERS)
            talk.venue.inject(Fault.REFUSE_ORDERS)
            answer = await talk.submit(talk.order("no.1"))
            talk.venue.inject()
            if answer.outcome is Outcome.ACCEPTED:
                ends = [(end.end, bool(end.reason)) for end in talk.sink.ends]
                expect(ends == [(End.REJECTED, True)], f"an order taken and refused was told as {ends}")
            else:
                right = answer.outcome is Outcome.REJECTED and bool(answer.reason)
                expect(right, f"a refused order was answered {answer}")
            talk.filled(0)
            expect("no.1" not in await talk.working(), "a refused order works")
            await talk.accepted(talk.order("yes.1"))
            talk.filled(1)

        self.carry_out(case)

    def test_too_many_requests(self) -> None:
        """A venue that wants to be asked less has refused nothing, and proven nothing; a retry is not ours."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.RATE_LIMIT)
            await talk.accepted(talk.order("rest.1", ticks=-50))
            talk.venue.inject(Fault.RATE_LIMIT)
            answer = await talk.submit(talk.order("many.1"))
            right = (Outcome.NOT_SENT, Outcome.UNKNOWN)
            expect(answer.outcome in right, f"an order too many was answered {answer}")
            for name in ("rest.1", "many.1"):
                lookup = await talk.venue.broker.lookup(name)
                told = lookup.presence not in (Presence.ABSENT, Presence.FOUND)
                expect(told, f"a lookup that was not answered says that {name} is {lookup.presence}")
            snapshot = await talk.venue.broker.open_orders()
            expect(not snapshot.complete, f"a snapshot that was not answered says {snapshot}")
            talk.venue.inject()
            await talk.market()
            talk.filled(0)

        self.carry_out(case)

    def test_a_clock_that_is_wrong(self) -> None:
        """Either the adapter allows for it, or it says that the order did not get there; it guesses nothing."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.CLOCK_SKEW)
            talk.venue.inject(Fault.CLOCK_SKEW)
            answer = await talk.submit(talk.order("skew.1"))
            talk.venue.inject()
            await talk.market()
            lookup = await talk.venue.broker.lookup("skew.1")
            if answer.outcome is Outcome.ACCEPTED:
                talk.filled(1)
                return
            expect(answer.outcome is not Outcome.DUPLICATE, f"the order was answered {answer}")
            expect(lookup.presence is not Presence.FOUND, f"after {answer} the order is {lookup.presence}")
            talk.filled(0)

        self.carry_out(case)

    def test_a_query_that_fails(self) -> None:
        """It is not "not found": else an order that works is sent again."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.FAIL_QUERIES)
            await talk.accepted(talk.order("rest.1", ticks=-50))
            talk.venue.inject(Fault.FAIL_QUERIES)
            name = talk.names.get("rest.1")
            lookup = await talk.venue.broker.lookup("rest.1", name)
            expect(lookup.presence is Presence.UNAVAILABLE, f"a failed lookup says {lookup.presence}")
            snapshot = await talk.venue.broker.open_orders()
            expect(not snapshot.complete, f"a failed snapshot says {snapshot}")
            talk.venue.inject()
            expect(await talk.working() == {"rest.1"}, "the next query must be right again")

        self.carry_out(case)


async def _both(talk: Talk, fault: Fault, right: tuple[Outcome, ...] = _UNKNOWN) -> None:
    await _cancel(talk, fault, right)
    await _submit(talk, fault, right)


async def _submit(talk: Talk, fault: Fault, right: tuple[Outcome, ...] = _UNKNOWN) -> None:
    talk.need_fault(fault)
    talk.venue.inject(fault)
    send = talk.order("lost.1")
    answer = await talk.submit(send)
    expect(answer.outcome in right, f"an order that was done, its answer lost, was told as {answer}")
    talk.venue.inject()
    if await _has_no_name(talk, answer):
        return
    told = executions(await talk.found("lost.1"))
    expect(filled(told.values()) == talk.venue.lot, f"the lookup tells {told}")
    if talk.can.deduplication is Deduplication.FOREVER:
        await talk.submit(send)
    talk.filled(1)
    expect(set(told) == set(talk.sink.executions), "lookup and reports name the executions differently")


async def _has_no_name(talk: Talk, answer: Answer) -> bool:
    """Whether a venue that is asked by its own names of orders only has told none; then nothing is proven."""
    if talk.can.lists or answer.broker_order_id is not None:
        return False
    presence = (await talk.venue.broker.lookup("lost.1")).presence
    expect(presence is not Presence.ABSENT, "without any name of it the order is told to be absent")
    return presence is not Presence.FOUND


async def _cancel(talk: Talk, fault: Fault, right: tuple[Outcome, ...] = _UNKNOWN) -> None:
    talk.need_fault(fault)
    await talk.accepted(talk.order("rest.1", ticks=-50))
    talk.venue.inject(fault)
    answer = await talk.cancel("rest.2", "rest.1")
    expect(answer.outcome in right, f"a cancel that was done, its answer lost, was told as {answer}")
    talk.venue.inject()
    told = [report.end for report in await talk.found("rest.1") if isinstance(report, Ended)]
    expect(told == [End.CANCELED], f"the lookup tells the ends {told}")
