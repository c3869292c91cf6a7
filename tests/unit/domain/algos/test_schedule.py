"""Schedules: slices that sum to the quantity exactly, in steps, none below the minimum."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.domain.algos.schedule import (
    MOST_CATCH_UPS,
    Span,
    Steps,
    child_quantity,
    most_at_once,
    schedule,
    targets,
)
from ordergate.domain.algos.terms import Algorithm, AlgoTerms
from ordergate.domain.algos.vwap import vwap_terms
from ordergate.domain.algos.working import Due, Work, next_child, next_look, planned

D = Decimal
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SHARES = Steps(D(1), D(1))


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def test_it_is_spread_evenly_and_caught_up_after_the_horizon() -> None:
    slices = schedule(targets(D(10), (1, 1, 1, 1), D(1)), Span(NOON, minutes(8)))
    assert [(one.number, one.at, one.target) for one in slices[:5]] == [
        (1, NOON, 2), (2, minutes(2), 5), (3, minutes(4), 7), (4, minutes(6), 10), (5, minutes(8), 10),
    ]  # fmt: skip
    assert [one.target for one in slices[4:]] == [10] * MOST_CATCH_UPS
    assert slices[-1].at == minutes(16)


def test_weights_decide_how_much_each_is() -> None:
    assert targets(D(100), (1, 3, 1), D(1)) == (20, 80, 100)


quantities = st.tuples(
    st.sampled_from([D(1), D("0.01"), D("0.00001"), D(100), D("1e-18")]), st.integers(1, 10**12)
)


@given(quantities, st.integers(1, 60), st.integers(1, 50))
def test_slices_sum_to_the_quantity_in_steps_and_reach_the_minimum(
    made: tuple[Decimal, int], horizon: int, least: int
) -> None:
    step, count = made
    quantity, steps = step * count, Steps(step, step * least)
    if quantity < steps.minimum:
        return
    terms = vwap_terms(quantity, horizon, steps)
    assert 1 <= terms.slices <= horizon
    assert terms.horizon_s == horizon * 60
    aims, done = planned(quantity, terms, step), D(0)
    for aim in aims:
        child = child_quantity(aim, quantity, done, steps, most_at_once(aims))
        assert child >= steps.minimum
        assert not child % step
        done += child
    assert done == quantity


@pytest.mark.parametrize(("target", "done", "expected"), [
    (30, 0, 30), (30, 10, 20), (30, 30, 0), (30, 40, 0), (30, 25, 0), (90, 0, 40), (95, 55, 45), (100, 70, 30),
])  # fmt: skip
def test_a_child_takes_what_is_behind_up_to_the_most_and_none_below_the_minimum(
    target: int, done: int, expected: int
) -> None:
    assert child_quantity(D(target), D(100), D(done), Steps(D(5), D(10)), D(40)) == expected


def test_a_rest_that_no_later_child_could_do_is_taken_along() -> None:
    assert child_quantity(D(95), D(100), D(60), Steps(D(1), D(10)), D(40)) == 40


def test_what_cannot_be_divided_has_one_slice() -> None:
    assert vwap_terms(D(19), 30, Steps(D(1), D(10))).slices == 1
    assert vwap_terms(D(20), 30, Steps(D(1), D(10))).slices == 2


def worked(made: int = 0, filled: int = 0, on_its_way: int = 0) -> Work:
    terms = AlgoTerms(algorithm=Algorithm.VWAP, horizon_s=600, slices=10, made=made)
    return Work(D(100), terms, Span(NOON, minutes(10)), SHARES, D(filled), D(on_its_way))


@pytest.mark.parametrize(("work", "at", "due"), [
    (worked(), -1, Due(NOON, 1)),  # it has not begun
    (worked(), 0, Due(NOON, 1, D(10))),
    (worked(made=1, on_its_way=10), 0, Due(minutes(1), 2)),  # asked twice
    (worked(made=1), 0.5, Due(minutes(1), 2)),  # nothing came of its child: the next slice has it
    (worked(made=1, on_its_way=10), 1.5, Due(minutes(1), 2, D(10))),
    (worked(made=1, filled=10), 3, Due(minutes(3), 4, D(20))),  # two were missed: one of them is made up for
    (worked(made=10, filled=100), 11, Due(minutes(12), 13)),
    (worked(made=9, filled=90), 14.9, Due(minutes(14), 15, D(10))),
    (worked(made=9, filled=90), 15, None),
])  # fmt: skip
def test_what_is_due(work: Work, at: float, due: Due | None) -> None:
    assert next_child(work, minutes(at)) == due


def test_when_to_look_again_whatever_is_due() -> None:
    assert next_look(worked(), NOON) == Due(minutes(1), 2)
    assert next_look(worked(), minutes(14)) == Due(minutes(15), 16)
    assert next_look(worked(), minutes(15)) is None
