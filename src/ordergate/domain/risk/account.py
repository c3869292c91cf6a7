"""What a fund has made and lost: profits that are realised, and its net asset value when day, week and month began."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from ordergate.domain.instruments import AssetClass
from ordergate.domain.money import ZERO

_NEW_YORK: Final = ZoneInfo("America/New_York")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_FX_DAY_BEGINS: Final = timedelta(hours=17)


class PeriodKind(StrEnum):
    """Over what a loss is counted."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Period(Struct, frozen=True, gc=False, omit_defaults=True):
    """A day, week or month of a fund: its first day, and what the fund was worth in US dollars when it began.

    Attributes:
        currency, nav: the same in the fund's base currency, by the rate of then; None where that is the dollar, where
            there was no rate, and since money was paid in or out.
    """

    kind: PeriodKind
    began: date
    nav_usd: Decimal
    currency: str | None = None
    nav: Decimal | None = None


class Account(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A fund's.

    Attributes:
        profits: realised and booked, less fees, per currency.
        periods: the present ones; empty before the fund was valued for the first time.
    """

    fund_id: str
    profits: tuple[tuple[str, Decimal], ...] = ()
    periods: tuple[Period, ...] = ()

    def plus(self, currency: str, amount: Decimal) -> "Account":
        """With so much more profit."""
        if not amount:
            return self
        sums = dict(self.profits)
        sums[currency] = sums.get(currency, ZERO) + amount
        return replace(self, profits=tuple(sorted(sums.items())))

    def period(self, kind: PeriodKind) -> Period | None:
        """The one of that kind."""
        return next((period for period in self.periods if period.kind is kind), None)


class Volume(Struct, frozen=True, gc=False, kw_only=True):
    """What a fund has traded of a symbol on its last trading day (`2026-11-29`): in its unit, and in its currency."""

    fund_id: str
    symbol: str
    day: str
    quantity: Decimal
    value: Decimal


def trading_day(asset_class: AssetClass, at: datetime) -> str:
    """The day that a moment belongs to where the instrument is traded.

    Equities: New York's. FX and metals: from 17:00 in New York to 17:00 the next day, named after the day on which it
    ends (the market's convention). Coins: UTC's.
    """
    return _day_of(asset_class, (at - _EPOCH) // _HOUR)


@lru_cache(maxsize=64)
def _day_of(asset_class: AssetClass, hour: int) -> str:
    """Of every moment of that hour since 1970: days and offsets of New York change at full hours."""
    zone: tzinfo = UTC if asset_class is AssetClass.CRYPTO else _NEW_YORK
    local = (_EPOCH + hour * _HOUR).astimezone(zone)
    if asset_class in (AssetClass.FX, AssetClass.METALS):
        local = local.replace(tzinfo=None) + (timedelta(days=1) - _FX_DAY_BEGINS)
    return local.date().isoformat()


def present_periods(now: datetime) -> dict[PeriodKind, date]:
    """The first day of the present day, week (from Monday) and month, in UTC."""
    today = now.date()
    return {
        PeriodKind.DAY: today,
        PeriodKind.WEEK: today - timedelta(days=today.weekday()),
        PeriodKind.MONTH: today.replace(day=1),
    }


def periods_after(
    account: Account, now: datetime, nav_usd: Decimal, in_base: tuple[str, Decimal] | None = None
) -> tuple[Period, ...] | None:
    """The periods as they are now, where one has begun since; None where none has.

    Args:
        in_base: the base currency, and the worth in it, where that is another than the dollar and there is a rate.
    """
    present = present_periods(now)
    known = {period.kind: period for period in account.periods}
    if all(kind in known and known[kind].began >= began for kind, began in present.items()):
        return None
    return tuple(
        known[kind]
        if kind in known and known[kind].began >= began
        else Period(kind, began, nav_usd, *(in_base or ()))
        for kind, began in present.items()
    )


def add_to(
    volume: Volume | None, fund_id: str, symbol: str, day: str, quantity: Decimal, value: Decimal
) -> Volume:
    """A day's volume with so much more (or, taken back, less): a new day begins at zero, an old one counts no more."""
    if volume is None or volume.day < day:
        return Volume(
            fund_id=fund_id, symbol=symbol, day=day, quantity=max(quantity, ZERO), value=max(value, ZERO)
        )
    if volume.day > day:
        return volume
    return replace(
        volume, quantity=max(volume.quantity + quantity, ZERO), value=max(volume.value + value, ZERO)
    )
