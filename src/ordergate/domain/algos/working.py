"""What is due of a parent: a function of its quantity, its terms, the time and what is done, and of nothing else.

So a restart, or another node, goes on where the last one stopped, and asking twice gives the same child.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.domain.algos.schedule import (
    Slice,
    Span,
    Steps,
    child_quantity,
    most_at_once,
    schedule,
    targets,
)
from ordergate.domain.algos.terms import Algorithm, AlgoTerms
from ordergate.domain.algos.vwap import vwap_weights
from ordergate.domain.money import EXACT, ZERO

WEIGHTS: Final[Mapping[Algorithm, Callable[[AlgoTerms], Sequence[int]]]] = {Algorithm.VWAP: vwap_weights}
"""How each algorithm spreads a quantity over its slices."""


class Work(Struct, frozen=True, gc=False):
    """A parent as an algorithm sees it.

    Attributes:
        quantity: of the whole, in the instrument's unit.
        span: from the first slice to the end of the horizon.
        filled: by its children.
        on_its_way: what children that have not ended may still fill.
    """

    quantity: Decimal
    terms: AlgoTerms
    span: Span
    steps: Steps
    filled: Decimal
    on_its_way: Decimal


class Due(Struct, frozen=True, gc=False):
    """What comes next of a parent.

    Attributes:
        at: when; nothing is due before.
        number: of the slice.
        quantity: that its child is for; 0 where it is only to be looked again.
    """

    at: datetime
    number: int
    quantity: Decimal = ZERO


def planned(quantity: Decimal, terms: AlgoTerms, step: Decimal) -> tuple[Decimal, ...]:
    """What is to be done by each of the planned slices, in the instrument's unit."""
    return targets(quantity, WEIGHTS[terms.algorithm](terms), step)


def next_child(work: Work, now: datetime) -> Due | None:
    """The child that is due now, or else when to look again; None where the last slice is over.

    A slice that was missed is not made up for by itself: the present one takes some of what is behind.
    """
    aims = planned(work.quantity, work.terms, work.steps.step)
    slices = schedule(aims, work.span)
    present = next((one for one in reversed(slices) if one.at <= now), None)
    if present is not None and present.number > work.terms.made:
        done = EXACT.add(work.filled, work.on_its_way)
        quantity = child_quantity(present.target, work.quantity, done, work.steps, most_at_once(aims))
        if quantity and now < _over(slices):
            return Due(present.at, present.number, quantity)
    return _next_look(slices, now)


def next_look(work: Work, now: datetime) -> Due | None:
    """When to look again, whatever is due now; None where the last slice is over."""
    return _next_look(schedule(planned(work.quantity, work.terms, work.steps.step), work.span), now)


def _next_look(slices: Sequence[Slice], now: datetime) -> Due | None:
    following = next((one for one in slices if one.at > now), None)
    if following is not None:
        return Due(following.at, following.number)
    over = _over(slices)
    return Due(over, slices[-1].number + 1) if now < over else None


def _over(slices: Sequence[Slice]) -> datetime:
    """When the last slice is over."""
    return slices[-1].at + (slices[-1].at - slices[-2].at)
