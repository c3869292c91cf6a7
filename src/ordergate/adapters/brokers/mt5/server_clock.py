"""The server's clock: all times of the terminal are its wall clock, written as if that were UTC."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

_QUARTER_MS: Final = 15 * 60_000
"""Zones are apart by quarters of an hour."""
_FARTHEST_MS: Final = 15 * 3_600_000
"""No zone is further from UTC; a tick that is, is an old one."""
_RECENT_S: Final = 300.0
"""How old a tick may be that is taken for one of now: less than half a quarter, with some room for our own clock."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Look(NamedTuple):
    """A symbol's last tick, when it was looked at, and since when it was with a connection, on the loop's clock."""

    tick_ms: int
    at: float
    since: float


class ServerClock:
    """How far the server's clock is ahead of UTC, from ticks.

    A tick that came since the last look is of now, about: but for a while after a connection has come, for then a
    terminal catches up with prices of any time before.

    Args:
        settle_s: how long that may take.

    Attributes:
        known: a fresh tick was seen; before, the newest tick of all is taken for fresh.
        advanced_at: when a tick came last while there was a connection, on our loop's clock; None for never.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s, self._offset_ms = settle_s, 0
        self._newest_ms: int | None = None
        self._looked: dict[str, _Look] = {}
        self.known = False
        self.advanced_at: float | None = None

    @property
    def ahead_ms(self) -> int:
        """By how much, in ms."""
        return self._offset_ms

    def look(self, symbol: str, tick_ms: int, now: datetime, at: float, steady_since: float | None) -> None:
        """Takes a symbol's last tick, as it was found at `now`, which is `at` on the loop's clock.

        Args:
            steady_since: since when each look found a connection, on the loop's clock; None where the last did not.
        """
        before = self._looked.pop(symbol, None)
        if tick_ms <= 0:
            return
        if before is not None and (steady_since is None or before.since < steady_since):
            before = None
        self._looked[symbol] = _Look(tick_ms, at, at if before is None else before.since)
        ahead = tick_ms - (now - _EPOCH) // timedelta(milliseconds=1)
        offset = round(ahead / _QUARTER_MS) * _QUARTER_MS
        if abs(offset) > _FARTHEST_MS:
            return
        if before is not None and tick_ms > before.tick_ms:
            self.advanced_at = at
            if at - before.at <= _RECENT_S and before.at - before.since >= self._settle_s:
                self._offset_ms, self.known = offset, True
        if not self.known and (self._newest_ms is None or tick_ms >= self._newest_ms):
            self._offset_ms, self._newest_ms = offset, tick_ms

    def instant(self, server_ms: int) -> datetime:
        """The instant of a time of the server's."""
        return _EPOCH + timedelta(milliseconds=server_ms - self._offset_ms)

    def server_s(self, at: datetime) -> int:
        """What the server's clock says at an instant, in whole seconds."""
        return int(((at - _EPOCH) // timedelta(milliseconds=1) + self._offset_ms) // 1000)
