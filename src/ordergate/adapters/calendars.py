"""When a DAY order ends: the sessions of each asset class.

Equities follow the New York Stock Exchange, 09:30 to 16:00 or 13:00 on half days, closed on its holidays; FX
and metals have one trading day after another, each ending 17:00 New York, from Sunday 17:00 to Friday 17:00;
crypto days end 00:00 UTC. The venue does not use this to refuse orders: it says only when one expires.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.instruments import AssetClass, Instrument

_NEW_YORK: Final = "America/New_York"
_EQUITY_CLOSE: Final = time(16)
_HALF_DAY_CLOSE: Final = time(13)
_FX_CLOSE: Final = time(17)
_SATURDAY: Final = 5
_DAY: Final = timedelta(days=1)

Close = Callable[[date], time | None]
"""The local time at which the session of a date ends; None where the date has none."""


def session_end(instrument: Instrument, at: datetime) -> datetime:
    """When a DAY order entered at `at` expires, in UTC: the first end of a session after `at`.

    The instant of an end belongs to the next session. So an order entered outside a session lives to the end
    of the next one.

    Raises:
        Invalid: `at` has no offset.
    """
    if at.tzinfo is None:
        raise Invalid(Code.BAD_VALUE, f"{at!s} has no offset: sessions are found for times in UTC")
    if instrument.asset_class is AssetClass.CRYPTO:
        return datetime.combine(at.astimezone(UTC).date() + _DAY, time(0), UTC)
    equities = instrument.asset_class is AssetClass.EQUITIES
    return _next_end(_equity_close if equities else _fx_close, at)


def _next_end(close: Close, at: datetime) -> datetime:
    zone = ZoneInfo(_NEW_YORK)
    day = at.astimezone(zone).date()
    while True:
        local = close(day)
        if local is not None:
            end = datetime.combine(day, local, zone).astimezone(UTC)
            if at < end:
                return end
        day += _DAY


def _fx_close(day: date) -> time | None:
    return _FX_CLOSE if day.weekday() < _SATURDAY else None


def _equity_close(day: date) -> time | None:
    if day.weekday() >= _SATURDAY or day in _nyse(day.year, "public"):
        return None
    return _HALF_DAY_CLOSE if day in _nyse(day.year, "half_day") else _EQUITY_CLOSE


@cache
def _nyse(year: int, category: str) -> frozenset[date]:
    # Imported here: it takes a tenth of a second that only equities need.
    import holidays

    return frozenset(holidays.financial_holidays("XNYS", years=year, categories=(category,)))
