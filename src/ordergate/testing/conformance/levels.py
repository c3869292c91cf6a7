"""The cases of the broker suite about levels: a stop loss and a take profit that stand at the venue with an entry.

Nobody here has sent such a closing, and it counts all the same: see `reports.Executed.closes`.
"""

from decimal import Decimal

from msgspec.structs import replace

from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import OrderType, Side
from ordergate.testing.conformance.counterpart import Ability
from ordergate.testing.conformance.statements import held, told
from ordergate.testing.conformance.suite import Suite
from ordergate.testing.conformance.talk import Talk, expect, need

_LOTS = 2
_AWAY = 50
"""Ticks from the market to each level."""
_BEYOND = 20
"""Ticks from a level to the market that reaches it."""


class LevelCases(Suite):
    """Part of `BrokerConformance`."""

    def test_what_the_venue_closes_at_a_stop_loss(self) -> None:
        """It is told once, as what closes that entry: else a position stays here that is gone there."""

        async def case(talk: Talk) -> None:
            talk.need_ability(Ability.LEVELS)
            await _entered(talk, "stop.1")
            await talk.market(ticks=-_AWAY - _BEYOND)
            _closed(talk, "stop.1", OrderType.STOP)

        self.carry_out(case)

    def test_what_the_venue_closes_at_a_take_profit(self) -> None:
        """As at a stop loss, and what closed one entry is not told of the next."""

        async def case(talk: Talk) -> None:
            talk.need_ability(Ability.LEVELS)
            before = await told(talk) if talk.can.statements else None
            for entry in ("first.1", "second.1"):
                await talk.market()
                await _entered(talk, entry)
                await talk.market(ticks=_AWAY + _BEYOND)
                _closed(talk, entry, OrderType.LIMIT)
            expect(len({said.broker_order_id for said in _closings(talk)}) == 2, "two closings have one name")
            if before is not None:
                after = await told(talk)
                expect(held(talk, after) == held(talk, before), "the statement still has what was closed")
                if after.executions is not None:
                    named = {said.exec_id for said in after.executions}
                    missing = set(talk.sink.executions) - named
                    expect(not missing, f"the statement does not name {sorted(missing)}")

        self.carry_out(case)

    def test_what_the_venue_closes_while_nobody_listens(self) -> None:
        """The next session is told, and only of what it was not told before."""

        async def case(talk: Talk) -> None:
            talk.need_ability(Ability.LEVELS)
            need(talk.venue.durable, "the counterpart does not outlive a process")
            await _entered(talk, "away.1")
            cursor = next((said.cursor for said in reversed(talk.sink.reports) if said.cursor), None)
            await talk.venue.reopen()
            price, tick = talk.venue.price - (_AWAY + _BEYOND) * talk.venue.tick, talk.venue.tick
            await talk.venue.set_market(price - tick, price + tick, 1000 * talk.venue.lot)
            await talk.connect(cursor)
            await talk.venue.settle()
            _closed(talk, "away.1", OrderType.STOP)
            closings = {said.exec_id: said.broker_order_id for said in _closings(talk)}
            await talk.venue.reopen()
            await talk.connect(cursor)
            await talk.venue.settle()
            again = {said.exec_id: said.broker_order_id for said in _closings(talk)}
            expect(again == closings, f"from the same cursor once {closings} was told, once {again}")

        self.carry_out(case)


async def _entered(talk: Talk, client_id: str) -> None:
    """Buys, with both levels."""
    price, away = talk.venue.price, _AWAY * talk.venue.tick
    levels: dict[str, Decimal] = {"stop_loss": price - away, "take_profit": price + away}
    send = replace(talk.order(client_id, lots=_LOTS), **levels)
    await talk.accepted(send)
    own = [said for said in talk.sink.executions.values() if said.client_id == client_id]
    quantity = sum((said.quantity for said in own), ZERO)
    expect(quantity == send.quantity, f"of the entry {quantity} was executed, not {send.quantity}")


def _closings(talk: Talk) -> list[Executed]:
    return [said for said in talk.sink.executions.values() if said.closes is not None]


def _closed(talk: Talk, entry: str, kind: OrderType) -> None:
    """The whole of an entry was closed, and told as that."""
    found = [said for said in _closings(talk) if said.closes == entry]
    quantity = sum((said.quantity for said in found), ZERO)
    expect(quantity == _LOTS * talk.venue.lot, f"of {entry} {quantity} was told as closed by the venue")
    count = sum(isinstance(said, Executed) and said.closes == entry for said in talk.sink.reports)
    expect(count == len(found), f"{len(found)} executions were told {count} times")
    names = {said.broker_order_id for said in found}
    expect(len(names) == 1 and None not in names, f"what closed {entry} has the names {names}, not one")
    own = {said.broker_order_id for said in talk.sink.reports if said.client_id == entry} | {
        talk.names.get(entry)
    }
    expect(not names & own, f"what closed {entry} has the entry's own name {names}")
    for said in found:
        expect(said.client_id is None, f"a closing of the venue's was told as our {said.client_id}")
        expect(said.symbol == talk.venue.symbol, f"a closing is told in {said.symbol}")
        expect(said.side in (Side.SELL, Side.COVER), f"what was bought is closed by a {said.side}")
        expect(
            said.order_type is kind, f"the level that closed it was a {kind}, and told as {said.order_type}"
        )
    expect([said.completes for said in found][-1], "its last part does not say that it is complete")
