"""When sessions open and end, by asset class.

Equities follow the New York Stock Exchange, 09:30 to 16:00 or 13:00 on half days, closed on its holidays; FX
and metals have one trading day after another, each ending 17:00 New York, from Sunday 17:00 to Friday 17:00;
crypto days end 00:00 UTC. Nothing is refused by this: it says only when an order expires, or may trade at an opening.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.instruments import AssetClass, Instrument

_NEW_YORK: Final = "America/New_York"
_EQUITY_OPEN: Final = time(9, 30)
_EQUITY_CLOSE: Final = time(16)
_HALF_DAY_CLOSE: Final = time(13)
_FX_CLOSE: Final = time(17)
_FRIDAY, _SATURDAY = 4, 5
_DAY: Final = timedelta(days=1)

LocalTime = Callable[[date], time | None]
"""The local time at which a session opens or ends on a date; None where none does."""


class SessionCalendar:
    """The sessions as a calendar; remembers the last answers, for they hold for all orders until they have passed."""

    def __init__(self) -> None:
        self._ends: dict[AssetClass, tuple[datetime, datetime]] = {}

    def session_end(self, instrument: Instrument, at: datetime) -> datetime:
        """See `session_end`."""
        known = self._ends.get(instrument.asset_class)
        if known is not None and known[0] <= at < known[1]:
            return known[1]
        end = session_end(instrument, at)
        self._ends[instrument.asset_class] = (at, end)
        return end

    def session_opening(self, instrument: Instrument, at: datetime) -> datetime:
        """See `session_opening`."""
        return session_opening(instrument, at)


def session_end(instrument: Instrument, at: datetime) -> datetime:
    """When a DAY order entered at `at` expires, in UTC: the first end of a session after `at`.

    The instant of an end belongs to the next session. So an order entered outside a session lives to the end
    of the next one.

    Raises:
        Invalid: `at` has no offset.
    """
    return _next(instrument, at, _equity_close, _fx_close)


def session_opening(instrument: Instrument, at: datetime) -> datetime:
    """When an OPG order entered at `at` may trade, in UTC: the first opening of a session after `at`.

    Raises:
        Invalid: `at` has no offset.
    """
    return _next(instrument, at, _equity_open, _fx_open)


def _next(instrument: Instrument, at: datetime, equities: LocalTime, fx: LocalTime) -> datetime:
    if at.tzinfo is None:
        raise Invalid(Code.BAD_VALUE, f"{at!s} has no offset: sessions are found for times in UTC")
    if instrument.asset_class is AssetClass.CRYPTO:
        return datetime.combine(at.astimezone(UTC).date() + _DAY, time(0), UTC)
    local_time = equities if instrument.asset_class is AssetClass.EQUITIES else fx
    zone = ZoneInfo(_NEW_YORK)
    day = at.astimezone(zone).date()
    while True:
        local = local_time(day)
        if local is not None:
            found = datetime.combine(day, local, zone).astimezone(UTC)
            if at < found:
                return found
        day += _DAY


def _fx_close(day: date) -> time | None:
    return _FX_CLOSE if day.weekday() < _SATURDAY else None


def _fx_open(day: date) -> time | None:
    return None if day.weekday() in (_FRIDAY, _SATURDAY) else _FX_CLOSE


def _equity_open(day: date) -> time | None:
    return None if _equity_close(day) is None else _EQUITY_OPEN


def _equity_close(day: date) -> time | None:
    if day.weekday() >= _SATURDAY or day in _nyse(day.year, "public"):
        return None
    return _HALF_DAY_CLOSE if day in _nyse(day.year, "half_day") else _EQUITY_CLOSE


@cache
def _nyse(year: int, category: str) -> frozenset[date]:
    # Imported here: it takes a tenth of a second that only equities need.
    import holidays

    return frozenset(holidays.financial_holidays("XNYS", years=year, categories=(category,)))
