"""The cases of the broker suite about terms that a venue does not take: never rounded, never an exception."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ordergate.domain.orders.reports import Outcome
from ordergate.testing.conformance.counterpart import Ability
from ordergate.testing.conformance.suite import Suite
from ordergate.testing.conformance.talk import Talk, expect, need

_NOT_TAKEN = (Outcome.REJECTED, Outcome.NOT_SENT)


class TermCases(Suite):
    """Part of `BrokerConformance`."""

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

    def test_terms_off_the_steps(self) -> None:
        """They are refused: rounded, the order would be another one than was approved."""

        async def case(talk: Talk) -> None:
            need(bool(talk.venue.off_steps), "the counterpart names no terms off its steps")
            for number, (what, change) in enumerate(talk.venue.off_steps.items()):
                await _not_taken(talk, f"off{number}.1", what, change)
            talk.filled(0)

        self.carry_out(case)

    def test_steps_that_change(self) -> None:
        """An order on the old steps is refused, one on the new ones is taken."""

        async def case(talk: Talk) -> None:
            talk.need_ability(Ability.INSTRUMENT_CHANGES)
            tick = await talk.venue.change_steps()
            right = (talk.venue.price - 50 * talk.venue.tick) // tick * tick
            change = {"limit_price": right + talk.venue.tick}
            await _not_taken(talk, "old.1", f"a price off the new tick {tick}", change)
            await talk.accepted(replace(talk.order("new.1"), limit_price=right))
            expect(await talk.working() == {"new.1"}, "the order on the new steps works, alone")
            talk.filled(0)

        self.carry_out(case)


async def _not_taken(talk: Talk, client_id: str, what: str, change: Mapping[str, Decimal]) -> None:
    terms: dict[str, Any] = dict(change)
    answer = await talk.submit(replace(talk.order(client_id, ticks=-50), **terms))
    expect(answer.outcome in _NOT_TAKEN and bool(answer.reason), f"{what} was answered {answer}")
    expect(client_id not in await talk.working(), f"an order with {what} works")
