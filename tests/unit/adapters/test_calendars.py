"""When DAY orders end."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.adapters.calendars import SessionCalendar, session_end, session_opening
from ordergate.domain.errors import Invalid
from ordergate.domain.instruments import Instrument, built_in


def instrument(symbol: str) -> Instrument:
    found = built_in(symbol)
    assert found is not None
    return found


CASES = [
    # symbol, entered, expires, why
    ("AAPL", "2026-01-14T15:00", "2026-01-14T21:00", "inside a winter session"),
    ("AAPL", "2026-07-15T15:00", "2026-07-15T20:00", "inside a summer session"),
    ("AAPL", "2026-01-14T12:00", "2026-01-14T21:00", "before the open"),
    ("AAPL", "2026-01-14T20:59:59.999999", "2026-01-14T21:00", "the last microsecond"),
    ("AAPL", "2026-01-14T21:00", "2026-01-15T21:00", "the end belongs to the next session"),
    ("AAPL", "2026-01-16T22:00", "2026-01-20T21:00", "a weekend and Martin Luther King day"),
    ("AAPL", "2026-01-17T15:00", "2026-01-20T21:00", "a Saturday"),
    ("AAPL", "2026-03-06T21:00", "2026-03-09T20:00", "over the start of DST"),
    ("AAPL", "2026-10-30T20:00", "2026-11-02T21:00", "over the end of DST"),
    ("AAPL", "2026-11-26T15:00", "2026-11-27T18:00", "Thanksgiving, then a half day"),
    ("AAPL", "2026-11-27T17:59:59", "2026-11-27T18:00", "inside a half day"),
    ("AAPL", "2026-11-27T18:00", "2026-11-30T21:00", "the end of a half day"),
    ("AAPL", "2026-07-02T20:00", "2026-07-06T20:00", "Independence Day observed on a Friday"),
    ("AAPL", "2025-12-31T21:00", "2026-01-02T21:00", "over New Year"),
    ("AAPL", "2026-01-15T02:00", "2026-01-15T21:00", "evening in New York, the next day in UTC"),
    ("EURUSD", "2026-01-14T15:00", "2026-01-14T22:00", "inside a winter day"),
    ("EURUSD", "2026-01-14T22:00", "2026-01-15T22:00", "the end belongs to the next day"),
    ("EURUSD", "2026-07-15T15:00", "2026-07-15T21:00", "inside a summer day"),
    ("EURUSD", "2026-01-16T22:00", "2026-01-19T22:00", "Friday 17:00: closed until Sunday"),
    ("EURUSD", "2026-01-18T23:00", "2026-01-19T22:00", "Sunday evening is Monday's day"),
    ("EURUSD", "2026-03-08T12:00", "2026-03-09T21:00", "over the start of DST"),
    ("EURUSD", "2026-10-30T21:00", "2026-11-02T22:00", "over the end of DST"),
    ("EURUSD", "2026-11-26T15:00", "2026-11-26T22:00", "FX keeps no holidays"),
    ("XAUUSD", "2026-01-16T21:59", "2026-01-16T22:00", "metals as FX"),
    ("BTC/USDT", "2026-01-17T15:00", "2026-01-18T00:00", "crypto on a Saturday"),
    ("BTC/USDT", "2026-01-18T00:00", "2026-01-19T00:00", "midnight belongs to the next day"),
    ("BTC/USDT", "2026-12-31T23:59:59.999999", "2027-01-01T00:00", "the end of a year"),
]


@pytest.mark.parametrize(
    ("symbol", "entered", "expires", "why"), CASES, ids=[f"{c[0]}-{c[3]}" for c in CASES]
)
def test_session_end(symbol: str, entered: str, expires: str, why: str) -> None:
    at = datetime.fromisoformat(entered + "+00:00")
    end = session_end(instrument(symbol), at)
    assert end == datetime.fromisoformat(expires + "+00:00"), why
    assert end.utcoffset() == timedelta(0)


def test_time_in_another_zone_is_the_same_instant() -> None:
    utc = datetime.fromisoformat("2026-01-14T21:30:00+00:00")
    tokyo = datetime.fromisoformat("2026-01-15T06:30:00+09:00")
    assert session_end(instrument("AAPL"), utc) == session_end(instrument("AAPL"), tokyo)


def test_naive_time_is_refused() -> None:
    with pytest.raises(Invalid, match="no offset"):
        session_end(instrument("AAPL"), datetime.fromisoformat("2026-01-14T15:00:00"))


@given(
    st.sampled_from(["AAPL", "EURUSD", "XAUUSD", "BTC/USDT"]),
    st.integers(0, 10 * 365 * 86400),
)
def test_ends_are_after_entry_near_and_monotone(symbol: str, seconds: int) -> None:
    at = datetime.fromisoformat("2020-01-01T00:00:00+00:00") + timedelta(seconds=seconds)
    end = session_end(instrument(symbol), at)
    assert timedelta(0) < end - at <= timedelta(days=5)
    assert session_end(instrument(symbol), end - timedelta(microseconds=1)) == end
    assert session_end(instrument(symbol), end) > end


OPENINGS = [
    # symbol, entered, opens, why
    ("AAPL", "2026-01-14T12:00", "2026-01-14T14:30", "before the open"),
    ("AAPL", "2026-01-14T14:30", "2026-01-15T14:30", "the instant of the open is too late for it"),
    ("AAPL", "2026-01-16T22:00", "2026-01-20T14:30", "a weekend and Martin Luther King day"),
    ("AAPL", "2026-03-06T21:00", "2026-03-09T13:30", "over the start of DST"),
    ("AAPL", "2026-11-26T15:00", "2026-11-27T14:30", "a half day opens as others do"),
    ("EURUSD", "2026-01-14T15:00", "2026-01-14T22:00", "one day ends as the next opens"),
    ("EURUSD", "2026-01-16T15:00", "2026-01-18T22:00", "Friday has no evening, Sunday has one"),
    ("BTC/USDT", "2026-01-17T15:00", "2026-01-18T00:00", "midnight UTC"),
]


@pytest.mark.parametrize(
    ("symbol", "entered", "opens", "why"), OPENINGS, ids=[f"{c[0]}-{c[3]}" for c in OPENINGS]
)
def test_session_opening(symbol: str, entered: str, opens: str, why: str) -> None:
    at = datetime.fromisoformat(entered + "+00:00")
    assert session_opening(instrument(symbol), at) == datetime.fromisoformat(opens + "+00:00"), why


@given(st.sampled_from(["AAPL", "EURUSD", "BTC/USDT"]), st.lists(st.integers(0, 400 * 24), max_size=20))
def test_the_calendar_remembers_nothing_wrong(symbol: str, hours: list[int]) -> None:
    calendar = SessionCalendar()
    for hour in hours:
        at = datetime.fromisoformat("2026-01-01T00:00:00+00:00") + timedelta(hours=hour)
        assert calendar.session_end(instrument(symbol), at) == session_end(instrument(symbol), at)
        assert calendar.session_opening(instrument(symbol), at) == session_opening(instrument(symbol), at)
