"""When how much of a quantity is to be done: slices that sum to it exactly, in the steps that the venue takes."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.domain.money import EXACT, ZERO, plain

MOST_CATCH_UPS: Final = 5
"""Slices after the planned ones, for what those before could not do."""
MOST_TIMES: Final = 2
"""How many times the largest planned slice one child may be, where slices before it could not be done."""


class Span(Struct, frozen=True, gc=False):
    """The time over which something is done."""

    begins: datetime
    ends: datetime


class Steps(Struct, frozen=True, gc=False):
    """The quantities that a venue takes: multiples of a step, and no less than a minimum, in the instrument's unit."""

    step: Decimal
    minimum: Decimal


class Slice(Struct, frozen=True, gc=False):
    """One moment of a schedule.

    Attributes:
        number: from 1.
        target: the quantity that is to be done or on its way by then, in the instrument's unit.
    """

    number: int
    at: datetime
    target: Decimal


def targets(quantity: Decimal, weights: Sequence[int], step: Decimal) -> tuple[Decimal, ...]:
    """What is to be done with each slice and those before it: as their weights, rounded down to the step.

    The last is the whole quantity.

    Args:
        weights: what part of the quantity each slice is, all above zero.
    """
    steps, whole, passed, found = int(EXACT.divide_int(quantity, step)), sum(weights), 0, []
    for weight in weights:
        passed += weight
        found.append(plain(EXACT.multiply(steps * passed // whole, step)))
    return (*found[:-1], quantity)


def most_at_once(planned: Sequence[Decimal]) -> Decimal:
    """The most that one child may be, by the targets that are planned."""
    largest = max(EXACT.subtract(b, a) for a, b in zip((ZERO, *planned), planned, strict=False))
    return plain(min(EXACT.multiply(largest, MOST_TIMES), planned[-1]))


def schedule(planned: Sequence[Decimal], span: Span) -> tuple[Slice, ...]:
    """A slice for each target, evenly over the span from its beginning on, and the catch-ups from its end on."""
    pause, whole = (span.ends - span.begins) / len(planned), planned[-1]
    aims = (*planned, *(whole,) * MOST_CATCH_UPS)
    return tuple(Slice(at + 1, span.begins + at * pause, target) for at, target in enumerate(aims))


def child_quantity(target: Decimal, whole: Decimal, done: Decimal, steps: Steps, most: Decimal) -> Decimal:
    """What a child at that target is for: 0 where that would be below the minimum.

    A rest below the minimum, which no later child could do, is taken along.

    Args:
        done: what was filled, or is on its way.
        most: that a child may be.
    """
    wanted = rounded_down(min(max(EXACT.subtract(target, done), ZERO), most), steps.step)
    rest = EXACT.subtract(EXACT.subtract(whole, done), wanted)
    if ZERO < rest < steps.minimum:
        wanted = EXACT.add(wanted, rounded_down(rest, steps.step))
    return plain(wanted) if wanted >= steps.minimum else ZERO


def rounded_down(quantity: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of the step that is no more."""
    return plain(EXACT.multiply(EXACT.divide_int(quantity, step), step))
