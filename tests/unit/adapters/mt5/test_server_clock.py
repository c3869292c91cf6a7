"""How far the server's clock is ahead, from ticks that are fresh and from ticks that are not."""

from datetime import UTC, datetime, timedelta

import pytest

from ordergate.adapters.brokers.mt5.server_clock import ServerClock

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def ms(at: datetime, hours: float = 0) -> int:
    return int((at + timedelta(hours=hours)).timestamp() * 1000)


@pytest.mark.parametrize("hours", [-5, 0, 2, 3, 5.75, 14])
def test_a_tick_that_has_just_come(hours: float) -> None:
    clock = ServerClock(0)
    clock.look("EURUSD", ms(NOW, hours), NOW, 0.0, 0.0)
    later = NOW + timedelta(seconds=1)
    clock.look("EURUSD", ms(later, hours) - 300, later, 1.0, 0.0)
    assert (clock.known, clock.advanced_at) == (True, 1.0)
    assert clock.ahead_ms == hours * 3_600_000
    assert clock.instant(ms(NOW, hours)) == NOW
    assert clock.server_s(NOW) == ms(NOW, hours) // 1000


def test_ticks_of_many_symbols_are_looked_at_by_turns() -> None:
    """With many of them, or where the terminal is asked seldom, each one's turn comes after a while."""
    clock = ServerClock(0)
    clock.look("EURUSD", ms(NOW, 2), NOW, 0.0, 0.0)
    later = NOW + timedelta(seconds=240)
    clock.look("EURUSD", ms(NOW, 2) + 1_000, later, 240.0, 0.0)
    assert (clock.known, clock.ahead_ms) == (True, 7_200_000)


def test_before_a_fresh_tick_the_newest_is_taken_for_one() -> None:
    clock = ServerClock(0)
    clock.look("EURUSD", ms(NOW, 2) - 60_000, NOW, 0.0, 0.0)
    clock.look("USDJPY", ms(NOW, 2) - 3_600_000, NOW, 0.1, 0.0)
    clock.look("EURUSD", ms(NOW, 2) - 60_000, NOW, 0.2, 0.0)
    assert (clock.known, clock.ahead_ms) == (False, 7_200_000)


def test_a_tick_after_a_long_pause_of_ours_proves_no_offset() -> None:
    """It came at some time since the last look: how old it is nobody knows."""
    clock = ServerClock(0)
    clock.look("EURUSD", ms(NOW, 2), NOW, 0.0, 0.0)
    later = NOW + timedelta(hours=1)
    clock.look("EURUSD", ms(NOW, 2) + 1_000, later, 3_600.0, 0.0)
    assert not clock.known


def test_a_tick_of_last_week_says_nothing() -> None:
    clock = ServerClock(0)
    clock.look("EURUSD", ms(NOW) - 7 * 86_400_000, NOW, 0.0, 0.0)
    clock.look("EURUSD", 0, NOW, 0.1, 0.0)
    assert (clock.known, clock.ahead_ms) == (False, 0)


SATURDAY = datetime(2026, 3, 7, 13, 0, tzinfo=UTC)


def quoted(clock: ServerClock, tick: datetime, at: float, steady_since: float | None) -> float:
    """How many hours ahead the server is, after a look at a tick of that instant."""
    clock.look("EURUSD", ms(tick, 3), SATURDAY + timedelta(seconds=at), at, steady_since)
    return clock.ahead_ms / 3_600_000


def test_a_price_that_comes_with_a_connection_may_be_of_any_time_before() -> None:
    """Known from before, seen all the time without a connection, and what there was meanwhile comes then."""
    clock, hours = ServerClock(30), timedelta(hours=8)
    for at in range(32):
        assert quoted(clock, SATURDAY + timedelta(seconds=at), at, 0.0) == 3
    assert (clock.known, clock.advanced_at) == (True, 31)
    assert quoted(clock, SATURDAY, 28_799, None) == 3
    assert quoted(clock, SATURDAY + timedelta(hours=1), 28_800, 28_800.0) == 3
    assert quoted(clock, SATURDAY + timedelta(hours=1, seconds=5), 28_801, 28_800.0) == 3
    assert quoted(clock, SATURDAY + timedelta(hours=1, seconds=5), 28_831, 28_800.0) == 3
    later = SATURDAY + hours + timedelta(seconds=32)
    clock.look("EURUSD", ms(later, 4), later, 28_832, 28_800.0)
    assert clock.ahead_ms == 4 * 3_600_000


def test_the_first_prices_of_a_symbol_may_be_of_any_time_before() -> None:
    """Of one that was not shown before, too: first there is none, then the last that there was."""
    clock = ServerClock(30)
    for at, tick_ms in ((100, 0), (101, ms(SATURDAY) - 60_000), (102, ms(SATURDAY) - 50_000)):
        clock.look("EURUSD", tick_ms, SATURDAY, at, 0.0)
        assert not clock.known
    for at in (103, 132, 133):
        clock.look("EURUSD", ms(SATURDAY) + at, SATURDAY, at, 0.0)
        assert clock.known is (at == 133)
