"""The cases of the broker suite about statements: of brokers that declare to tell what is in the account.

Rule 8 of `ordergate.application.ports.brokers`. A statement that is wrong halts trading, or hides what is wrong.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, cast

from ordergate.application.ports.brokers import TellingBroker
from ordergate.domain.money import ZERO
from ordergate.domain.recon.statement import Statement
from ordergate.testing.conformance.counterpart import Fault
from ordergate.testing.conformance.suite import Suite
from ordergate.testing.conformance.talk import Talk, expect, need

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_MANY: Final = 500
"""Executions that are more than 64 KiB in most formats: no line of asyncio's streams may be longer unless told so."""


class StatementCases(Suite):
    """Part of `BrokerConformance`."""

    def test_a_statement_says_what_was_traded(self) -> None:
        """Positions add up, executions are those that were reported, and only what works is told to work."""

        async def case(talk: Talk) -> None:
            before = await told(talk)
            await talk.accepted(talk.order("held.1", lots=3))
            await talk.accepted(talk.order("rest.1", ticks=-50))
            after = await told(talk)
            moved = held(talk, after) - held(talk, before)
            expect(
                moved == 3 * talk.venue.lot, f"{moved} more are held, and {3 * talk.venue.lot} were bought"
            )
            if after.working is not None:
                expect(after.working == {"rest.1"}, f"what works is {set(after.working)}, not rest.1 alone")
            if after.executions is not None:
                named = {said.exec_id: said.quantity for said in after.executions}
                reported = {name: said.quantity for name, said in talk.sink.executions.items()}
                expect(named == reported, f"the statement names {named}, and reported were {reported}")
                expect(after.executions_since is not None, "executions are told, and not since when")

        self.carry_out(case)

    def test_a_statement_outlives_the_session(self) -> None:
        """It is the venue's own record, not what this session has seen."""

        async def case(talk: Talk) -> None:
            need(talk.venue.durable, "the venue's memory does not outlive the process")
            await talk.accepted(talk.order("kept.1", lots=2))
            before = await told(talk)
            await talk.venue.reopen()
            await talk.connect()
            after = await told(talk)
            expect(
                held(talk, after) == held(talk, before), f"{held(talk, before)} became {held(talk, after)}"
            )
            expect(after.balances == before.balances, f"{before.balances} became {after.balances}")

        self.carry_out(case)

    def test_a_large_statement(self) -> None:
        """An answer that is longer than what is read at once is read whole, and costs no connection."""

        async def case(talk: Talk) -> None:
            before = await told(talk)
            await talk.market(lots=1)
            await talk.accepted(talk.order("many.1", lots=_MANY))
            for _ in range(_MANY - 1):
                await talk.venue.set_market(
                    talk.venue.price - talk.venue.tick, talk.venue.price + talk.venue.tick, talk.venue.lot
                )
            await talk.venue.settle()
            talk.filled(_MANY)
            after = await told(talk)
            moved = held(talk, after) - held(talk, before)
            expect(
                moved == _MANY * talk.venue.lot, f"{moved} more are held, of {_MANY} lots that were bought"
            )
            if after.executions is not None:
                named = {said.exec_id: said.quantity for said in after.executions}
                reported = {name: said.quantity for name, said in talk.sink.executions.items()}
                expect(
                    named == reported, f"{len(named)} executions are named, and {len(reported)} were reported"
                )

        self.carry_out(case)

    def test_half_a_statement_says_so(self) -> None:
        """Else what is missing is taken for sold."""

        async def case(talk: Talk) -> None:
            need(talk.can.statements, "the broker tells nothing of the account")
            talk.need_fault(Fault.INCOMPLETE_SNAPSHOT)
            await talk.accepted(talk.order("half.1"))
            talk.venue.inject(Fault.INCOMPLETE_SNAPSHOT)
            expect(not (await ask(talk)).complete, "half a statement was told as a whole one")
            talk.venue.inject()
            expect((await ask(talk)).complete, "a whole statement was told as half a one")

        self.carry_out(case)

    def test_no_statement_without_a_session(self) -> None:
        """It answers, and says nothing."""

        async def case(talk: Talk) -> None:
            need(talk.can.statements, "the broker tells nothing of the account")
            await talk.venue.broker.close()
            expect(not (await ask(talk)).complete, "a whole statement was told without a session")

        self.carry_out(case)


async def ask(talk: Talk) -> Statement:
    """The statement."""
    return await cast(TellingBroker, talk.venue.broker).statement(_EVER)


async def told(talk: Talk) -> Statement:
    """The statement, which must be complete."""
    need(talk.can.statements, "the broker tells nothing of the account")
    statement = await ask(talk)
    expect(statement.complete, "without a fault a statement must be complete")
    some = statement.positions is not None or statement.executions is not None
    expect(some, "a statement tells positions at least, or what was executed")
    return statement


def held(talk: Talk, statement: Statement) -> Decimal:
    """What is held of the symbol that is traded; where positions are not told, what was executed in it."""
    if statement.positions is not None:
        return statement.positions.get(talk.venue.symbol, ZERO)
    done = (one for one in statement.executions or () if one.symbol == talk.venue.symbol)
    return sum((one.quantity * (1 if one.side is None else one.side.sign) for one in done), ZERO)
