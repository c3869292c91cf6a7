"""The cases of the broker suite about orders from their beginning to their end, and about what may come between."""

import asyncio
from datetime import UTC, datetime

from msgspec.structs import replace

from ordergate.application.ports.brokers import Answer, Change, Deduplication
from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import End, Ended, Outcome, Replaced, RequestRefused
from ordergate.domain.orders.states import Side, TimeInForce
from ordergate.testing.conformance.counterpart import filled
from ordergate.testing.conformance.suite import Suite
from ordergate.testing.conformance.talk import Talk, expect, need

_LONG_AGO, _FAR_AHEAD = datetime(2000, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC)
_TAKEN = (Outcome.ACCEPTED, Outcome.DUPLICATE)
_RACES = 4


class OrderCases(Suite):
    """Part of `BrokerConformance`."""

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
            expect(answer.outcome not in _TAKEN, f"the cancel of an unknown order was answered {answer}")
            expect(not talk.sink.ends, f"an unknown order was told to have ended: {talk.sink.ends}")

        self.carry_out(case)

    def test_a_replace(self) -> None:
        """New terms are told under the request's id, and hold; a quantity that the venue does not change is refused."""

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
            lots = 3 if talk.can.changes_quantity else 2
            if not talk.can.changes_quantity:
                change = await self._of_the_price_alone(talk, change)
            answer = await talk.venue.broker.replace(change)
            await talk.venue.settle()
            expect(answer.outcome is Outcome.ACCEPTED, f"the replace was answered {answer}")
            done = [report for report in talk.sink.reports if isinstance(report, Replaced)]
            named = {(report.client_id, report.limit_price) for report in done}
            expect(named == {(change.client_id, limit)}, f"the terms were told as {named}")
            told = {report.quantity for report in done}
            expect(told <= {change.quantity, lots * talk.venue.lot}, f"the quantity was told as {told}")
            expect(
                await talk.working() == {change.client_id},
                "the order works under its last accepted client id",
            )
            await talk.market(ticks=-45)
            talk.filled(lots)

        self.carry_out(case)

    async def _of_the_price_alone(self, talk: Talk, change: Change) -> Change:
        """The change of both is refused and does nothing; what is left of it to ask for."""
        answer = await talk.venue.broker.replace(change)
        await talk.venue.settle()
        done = [report for report in talk.sink.reports if isinstance(report, Replaced)]
        expect(answer.outcome is Outcome.REJECTED, f"another quantity was answered {answer}")
        expect(not done, f"what was refused was told to be done: {done}")
        expect(
            await talk.working() == {"new.1"}, "the order works as it did before a change that was refused"
        )
        return replace(change, client_id="new.3", quantity=None)

    def test_a_cancel_after_a_partial_fill(self) -> None:
        """What was done stays done, the rest never is: else the position is not what the order says."""

        async def case(talk: Talk) -> None:
            await talk.market(lots=2)
            await talk.accepted(talk.order("rest.1", lots=5))
            talk.filled(2)
            answer = await talk.cancel("rest.2", "rest.1")
            expect(answer.outcome is Outcome.ACCEPTED, f"the cancel was answered {answer}")
            expect({end.end for end in talk.sink.ends} == {End.CANCELED}, f"it ended as {talk.sink.ends}")
            await talk.market(lots=1000)
            talk.filled(2)
            expect(not await talk.working(), "a canceled order does not work")
            looked_up = filled(await talk.found("rest.1"))
            expect(looked_up == talk.sink.filled, f"the lookup tells {looked_up} of {talk.sink.filled}")

        self.carry_out(case)

    def test_a_fill_that_meets_a_cancel(self) -> None:
        """Whichever comes first: the order is filled or canceled, never both and never neither."""

        async def case(talk: Talk) -> None:
            for number in range(_RACES):
                await self._meet(talk, f"race{number}", cancel_first=number % 2 == 0)

        self.carry_out(case)

    async def _meet(self, talk: Talk, name: str, *, cancel_first: bool) -> None:
        await talk.market()
        await talk.accepted(talk.order(f"{name}.1", ticks=-50))
        before = len(talk.sink.reports)
        cancel, market = talk.cancel(f"{name}.2", f"{name}.1"), talk.market(ticks=-60)
        await asyncio.gather(*((cancel, market) if cancel_first else (market, cancel)))
        told = talk.sink.reports[before:]
        ends = {report.end for report in told if isinstance(report, Ended)}
        right = {(talk.venue.lot, frozenset()), (ZERO, frozenset({End.CANCELED}))}
        expect((filled(told), frozenset(ends)) in right, f"filled {filled(told)}, and ended as {ends}")

    def test_a_fill_that_meets_a_replace(self) -> None:
        """The order is filled on the old terms or on the new ones, and what was told says which."""

        async def case(talk: Talk) -> None:
            need(talk.can.replaces, "the venue declares no replace")
            for number in range(_RACES):
                await self._meet_replace(talk, f"race{number}", replace_first=number % 2 == 0)

        self.carry_out(case)

    async def _meet_replace(self, talk: Talk, name: str, *, replace_first: bool) -> None:
        await talk.market()
        await talk.accepted(talk.order(f"{name}.1", lots=2, ticks=-50))
        before = len(talk.sink.reports)
        wants = {"quantity": 3 * talk.venue.lot}
        if not talk.can.changes_quantity:
            wants = {"limit_price": talk.venue.price - 65 * talk.venue.tick}  # where the market does not come
        change = Change(client_id=f"{name}.2", order=f"{name}.1", broker_order_id=None, **wants)
        replacing, market = talk.venue.broker.replace(change), talk.market(ticks=-60)
        answers = await asyncio.gather(*((replacing, market) if replace_first else (market, replacing)))
        await talk.market(ticks=-60)
        told = talk.sink.reports[before:]
        lots = 2
        if any(isinstance(report, Replaced) for report in told):
            lots = 3 if talk.can.changes_quantity else 0
        answer = next(answer for answer in answers if isinstance(answer, Answer))
        expect(filled(told) == lots * talk.venue.lot, f"{filled(told)} filled, the replace was {answer}")
