"""Instants: one text form, that sorts as time does."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.times import EXAMPLE, format_time, parse_time


@pytest.mark.parametrize(("value", "shown"), [
    (EXAMPLE, "2026-05-23T14:30:00.000000Z"),
    ("2014-05-08T00:00:17.007Z", "2014-05-08T00:00:17.007000Z"),
    ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000000Z"),
    ("2026-01-01T00:00:00.000001-00:30", "2026-01-01T00:30:00.000001Z"),
    (datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5))), "2026-01-01T00:00:00.000000Z"),
    ("0999-01-01T00:00:00Z", "0999-01-01T00:00:00.000000Z"),
])  # fmt: skip
def test_instants_are_taken_with_their_offset(value: Any, shown: str) -> None:
    at = parse_time(value, "#/time")
    assert at.tzinfo is UTC
    assert format_time(at) == shown


@pytest.mark.parametrize("value", [
    "", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
    "2026-01-01T25:00:00Z", "1767225600", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
    datetime(2026, 1, 1),  # noqa: DTZ001
])  # fmt: skip
def test_what_is_no_instant_is_refused(value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        parse_time(value, "#/time")
    assert (caught.value.code, caught.value.pointer) == (Code.BAD_VALUE, "#/time")


@pytest.mark.parametrize("value", [None, 1767225600, 1.5, True])
def test_an_instant_is_text(value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        parse_time(value, "#/time")
    assert caught.value.code is Code.WRONG_TYPE


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=2))
def test_the_text_comes_back_and_sorts_as_time_does(times: list[datetime]) -> None:
    texts = [format_time(at) for at in times]
    assert [parse_time(text, "#/x") for text in texts] == times
    assert sorted(texts) == [format_time(at) for at in sorted(times)]
    assert {len(text) for text in texts} == {27}
