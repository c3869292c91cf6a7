"""Executions with impossible values are breaks; those with odd ones are booked as they are meant."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.testing.playbook import START, Playbook, fill


@pytest.mark.parametrize(
    "changes",
    [
        {"time": datetime(2026, 1, 5, 15)},  # noqa: DTZ001
        {"quantity": Decimal("Infinity")},
        {"quantity": Decimal("NaN")},
        {"price": Decimal("Infinity")},
        {"fee": Decimal("NaN")},
        {"fee": Decimal("1E+40")},
        {"quantity": Decimal("1E-30")},
    ],
    ids=str,
)
def test_impossible_values_are_a_break(changes) -> None:
    book = Playbook().submit(100)
    before = book.order
    book.report(replace(fill("x1", 10, "180"), **changes)).expect("BreakRaised")
    assert book.order == before


def test_a_time_with_an_offset_is_kept_in_utc() -> None:
    at = START.astimezone(timezone(timedelta(hours=5)))
    book = Playbook().submit(100).report(replace(fill("x1", 10, "180"), time=at))
    (booked,) = book.engine.state.order_executions(book.order_id)
    assert (booked.time, booked.time.tzinfo) == (START, UTC)


def test_a_fee_without_currency_is_in_that_of_the_instrument() -> None:
    book = Playbook().submit(100).report(replace(fill("x1", 10, "180"), fee=Decimal(1), fee_currency=None))
    (booked,) = book.engine.state.order_executions(book.order_id)
    assert booked.fee_currency == "USD"
