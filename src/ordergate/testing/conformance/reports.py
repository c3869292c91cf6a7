"""The cases of the broker suite about what a venue tells unasked: late, twice, not at all, or otherwise than before."""

from ordergate.domain.orders.reports import End, Ended
from ordergate.domain.orders.states import ExecutionKind, TimeInForce
from ordergate.testing.conformance.counterpart import Ability, Fault, executions, filled
from ordergate.testing.conformance.suite import Suite
from ordergate.testing.conformance.talk import Talk, expect, need


class ReportCases(Suite):
    """Part of `BrokerConformance`."""

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

    def test_a_stream_that_breaks_off(self) -> None:
        """What happened meanwhile is told when the stream is back, without anybody's asking."""

        async def case(talk: Talk) -> None:
            talk.need_fault(Fault.BREAK_STREAM)
            await talk.accepted(talk.order("gap.1", lots=2, ticks=-50))
            talk.venue.inject(Fault.BREAK_STREAM)
            price, tick = talk.venue.price, talk.venue.tick
            await talk.venue.set_market(price - 61 * tick, price - 59 * tick, 1000 * talk.venue.lot)
            talk.venue.inject()
            await talk.venue.settle()
            talk.filled(2)
            expect(not await talk.working(), "a filled order does not work")

        self.carry_out(case)

    def test_an_order_of_somebody_else(self) -> None:
        """It is not ours: never touched, never told as one of our orders."""

        async def case(talk: Talk) -> None:
            talk.need_ability(Ability.FOREIGN_ORDERS)
            works = await talk.venue.place_foreign()
            await talk.accepted(talk.order("mine.1", ticks=-50))
            await talk.accepted(talk.order("done.1", lots=2))
            working = await talk.working()
            expect("mine.1" in working, f"what works is {set(working)}")
            await talk.cancel("mine.2", "mine.1")
            talk.filled(2)
            expect(await works(), "an order of somebody else's was canceled")
            await talk.venue.reopen()
            await talk.connect()
            expect(await works(), "an order of somebody else's was canceled by a new process")

        self.carry_out(case)

    def test_an_execution_that_is_taken_back(self) -> None:
        """A bust has an id of its own and says what it takes back: else the position stays where it never was."""

        async def case(talk: Talk) -> None:
            talk.need_ability(Ability.BUSTS)
            await talk.accepted(talk.order("bust.1", lots=2))
            (first,) = talk.sink.executions
            await talk.venue.bust(first)
            await talk.venue.settle()
            await _said_otherwise(talk, "bust.1", first, ExecutionKind.BUST)
            talk.filled(0)

        self.carry_out(case)

    def test_an_execution_that_is_corrected(self) -> None:
        """A correction has an id of its own, says what it replaces, and is the execution from then on."""

        async def case(talk: Talk) -> None:
            talk.need_ability(Ability.CORRECTIONS)
            await talk.accepted(talk.order("right.1", lots=3))
            (first,) = talk.sink.executions
            await talk.venue.correct(first, 2 * talk.venue.lot, talk.venue.price)
            await talk.venue.settle()
            await _said_otherwise(talk, "right.1", first, ExecutionKind.CORRECT)
            talk.filled(2)

        self.carry_out(case)

    def test_a_reorganisation(self) -> None:
        """What is undone is told as a bust, and what is done again as a new execution: counted once in the end."""

        async def case(talk: Talk) -> None:
            talk.need_ability(Ability.REORGANISATIONS)
            await talk.accepted(talk.order("again.1", lots=2))
            (first,) = talk.sink.executions
            await talk.venue.reorganise()
            await talk.venue.settle()
            await _said_otherwise(talk, "again.1", first, ExecutionKind.BUST)
            talk.filled(2)

        self.carry_out(case)

    def test_the_end_of_a_day(self) -> None:
        """A day order is over then, and said to be; one that is good till canceled goes on."""

        async def case(talk: Talk) -> None:
            talk.need_ability(Ability.DAY_ROLLS)
            need(
                {TimeInForce.DAY, TimeInForce.GTC} <= talk.can.tifs,
                "the venue declares no day and gtc orders",
            )
            await talk.accepted(talk.order("day.1", ticks=-50, tif=TimeInForce.DAY))
            await talk.accepted(talk.order("till.1", ticks=-50))
            await talk.venue.roll_day()
            await talk.venue.settle()
            ends = {(report.client_id, report.end) for report in talk.sink.ends}
            right = ends in ({("day.1", End.EXPIRED)}, {("day.1", End.CANCELED)})
            expect(right, f"after the day the ends told are {ends}")
            expect(await talk.working() == {"till.1"}, "the order good till canceled works on, alone")

        self.carry_out(case)


async def _said_otherwise(talk: Talk, client_id: str, first: str, kind: ExecutionKind) -> None:
    """What took `first` back was told, by reports and by a lookup."""
    for told in (talk.sink.reports, await talk.found(client_id)):
        later = [said for said in executions(told).values() if said.refers_to == first]
        expect([said.execution_kind for said in later] == [kind], f"of {first} was told {later}")
        expect(all(said.exec_id != first for said in later), "what takes an execution back needs its own id")
        expect(filled(told) == talk.sink.filled, f"a lookup sums up to {filled(told)}")
