"""Limits: what may be traded, how much of it, how fast; per firm, fund, strategy, symbol and broker.

The names are those of the risk envelope that funds have (seeded with its defaults); every level knows those of
them that mean something there. None is no limit. Amounts are in US dollars, shares of the fund's net asset value.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import fields, replace

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.instruments import AssetClass
from ordergate.domain.money import ONE, is_sane
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType


class Level(StrEnum):
    """What a limit or a halt is about."""

    FIRM = "firm"
    FUND = "fund"
    STRATEGY = "strategy"
    SYMBOL = "symbol"
    BROKER = "broker"


Scope = tuple[Level, str]
"""A level, and the name of what is meant there; the firm's name is empty."""

FIRM: Final[Scope] = (Level.FIRM, "")
DEFAULT_QUOTE_AGE_S: Final = 60
"""Where no level says how old a quote may be."""


@lru_cache(maxsize=4096)
def shown_scope(scope: Scope) -> str:
    """Such as `fund paper-momentum`, or `firm`."""
    return f"{scope[0]} {scope[1]}" if scope[1] else str(scope[0])


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What stands at one level; None, or nothing named, is no limit.

    Attributes:
        nav_usd: what the fund is worth before any profit; margin, exposure and losses are measured against it.
        max_order_notional_usd: worth of one order, at the reference price or its limit, whichever is more.
        max_order_qty: size of one order, in the instrument's unit.
        price_collar_pct: how far a limit or stop price may be from the reference price, as a share of it.
        max_quote_age_s: an older quote is no reference price.
        leverage: per asset class, how many times its margin a position may be worth; 1 where none is named.
        max_leverage: gross exposure after every fill, over net asset value now.
        max_gross_exposure_pct: the same over `nav_usd`.
        max_net_exposure_pct: long less short after the worst fills, over `nav_usd`, without its sign.
        max_position_pct: worth of one position after every fill, over `nav_usd`.
        max_position_usd: worth of one position after every fill; of a strategy, of what its fills built in a fund.
        max_position_qty: size of one position after every fill, in the instrument's unit; of a strategy likewise.
        max_gross_exposure_usd: gross exposure after every fill.
        max_asset_class_pct: gross exposure in one asset class, over `nav_usd`.
        max_sector_pct: gross exposure in one sector, over `nav_usd`; instruments without one are one sector.
        max_country_pct: gross exposure in one country, over `nav_usd`; instruments without one are one country.
        daily_loss_halt_pct: loss since the day began, over the net asset value then; halts the fund.
        weekly_loss_halt_pct: the same since Monday.
        monthly_loss_halt_pct: the same since the first of the month.
        max_daily_volume_qty: what is filled and may still be filled of one symbol in a day, in its unit.
        max_daily_volume_usd: the same by its worth.
        max_adv_pct: the same as a share of the instrument's average daily volume.
        max_orders_per_s: new orders within a second.
        max_messages_per_s: orders, replaces and cancels within a second; cancels are counted, never refused.
        cancel_reserve: how many of these are kept for cancels.
        duplicate_window_s: how long the same order under another key is refused.
        max_runs: orders of a strategy until a named person enables it again.
        max_rejections_per_min: orders that the broker rejects within a minute; more halt it.
        max_silence_s: how long the strategy may give no sign of life before it is halted.
        allowed_brokers: where orders may go; none named is any.
        allowed_operations: what orders, and the legs of bundles, may do; none named is any.
        allowed_order_types: which types of order; none named is any.
        allowed_asset_classes: which asset classes; none named is any.
        restricted_symbols: what may not be traded, given or got.
        enable_shorting: whether a position may become short; None is yes.
        gates: names of external gates that must agree, beside our own checks.
        approve_above_usd: an order that is worth more waits for a person.
        approval_timeout_s: how long it waits before it expires.
    """

    nav_usd: Decimal | None = None
    max_order_notional_usd: Decimal | None = None
    max_order_qty: Decimal | None = None
    price_collar_pct: Decimal | None = None
    max_quote_age_s: int | None = None
    leverage: dict[AssetClass, Decimal] | None = None
    max_leverage: Decimal | None = None
    max_gross_exposure_pct: Decimal | None = None
    max_net_exposure_pct: Decimal | None = None
    max_position_pct: Decimal | None = None
    max_position_usd: Decimal | None = None
    max_position_qty: Decimal | None = None
    max_gross_exposure_usd: Decimal | None = None
    max_asset_class_pct: Decimal | None = None
    max_sector_pct: Decimal | None = None
    max_country_pct: Decimal | None = None
    daily_loss_halt_pct: Decimal | None = None
    weekly_loss_halt_pct: Decimal | None = None
    monthly_loss_halt_pct: Decimal | None = None
    max_daily_volume_qty: Decimal | None = None
    max_daily_volume_usd: Decimal | None = None
    max_adv_pct: Decimal | None = None
    max_orders_per_s: int | None = None
    max_messages_per_s: int | None = None
    cancel_reserve: int | None = None
    duplicate_window_s: int | None = None
    max_runs: int | None = None
    max_rejections_per_min: int | None = None
    max_silence_s: int | None = None
    allowed_brokers: tuple[str, ...] = ()
    allowed_operations: tuple[Operation, ...] = ()
    allowed_order_types: tuple[OrderType, ...] = ()
    allowed_asset_classes: tuple[AssetClass, ...] = ()
    restricted_symbols: tuple[str, ...] = ()
    enable_shorting: bool | None = None
    gates: tuple[str, ...] = ()
    approve_above_usd: Decimal | None = None
    approval_timeout_s: int | None = None


_ORDER: Final = frozenset({"max_order_notional_usd", "max_order_qty", "price_collar_pct"})
_RATES: Final = frozenset({"max_orders_per_s", "max_messages_per_s", "cancel_reserve"})
_LISTS: Final = frozenset(
    {
        "allowed_brokers", "allowed_operations", "allowed_order_types", "allowed_asset_classes",
        "restricted_symbols",
    }
)  # fmt: skip
_POSITION: Final = frozenset({"max_position_usd", "max_position_qty"})
DAILY: Final = frozenset({"max_daily_volume_qty", "max_daily_volume_usd", "max_adv_pct"})
ALL: Final = tuple(field.name for field in fields(Limits))

LEVELS: Final[Mapping[Level, frozenset[str]]] = {
    Level.FIRM: _ORDER | _RATES | _LISTS | {"max_quote_age_s", "max_gross_exposure_usd", "enable_shorting"},
    Level.FUND: frozenset(ALL) - {"max_runs", "max_rejections_per_min", "max_silence_s"},
    Level.STRATEGY: _ORDER
    | _RATES
    | _LISTS
    | _POSITION
    | {"duplicate_window_s", "max_runs", "enable_shorting", "max_silence_s"},
    Level.SYMBOL: _ORDER | DAILY | _POSITION | {"max_quote_age_s", "enable_shorting"},
    Level.BROKER: _ORDER
    | _RATES
    | {"allowed_operations", "allowed_order_types", "restricted_symbols", "max_rejections_per_min"},
}
"""Which limits each level knows."""

ENVELOPE: Final = Limits(
    max_gross_exposure_pct=Decimal(1),
    max_net_exposure_pct=Decimal(1),
    max_position_pct=Decimal("0.05"),
    max_sector_pct=Decimal("0.30"),
    max_asset_class_pct=Decimal(1),
    max_country_pct=Decimal(1),
    daily_loss_halt_pct=Decimal("0.03"),
    weekly_loss_halt_pct=Decimal("0.08"),
    monthly_loss_halt_pct=Decimal("0.15"),
    max_order_notional_usd=Decimal(100_000),
    allowed_order_types=(OrderType.MARKET, OrderType.LIMIT),
    allowed_asset_classes=(AssetClass.EQUITIES,),
    enable_shorting=False,
)
"""What a fund's limits are where the configuration names some of them and leaves others out."""

PAPER: Final = Limits(
    nav_usd=Decimal(1_000_000),
    leverage={AssetClass.FX: Decimal(30), AssetClass.METALS: Decimal(30)},
    max_order_notional_usd=Decimal(1_000_000),
    daily_loss_halt_pct=Decimal("0.03"),
    weekly_loss_halt_pct=Decimal("0.08"),
    monthly_loss_halt_pct=Decimal("0.15"),
    enable_shorting=True,
)
"""Those of the built-in fund: an account of a million dollars, FX and metals at 30:1, the rest paid in full."""


def check_limits(level: Level, limits: Limits, pointer: str = "#") -> None:
    """Refuses a limit that the level does not know, and numbers that are none, or below zero.

    Raises:
        Invalid: naming the limit, its value and what would be right.
    """
    for name in ALL:
        value, default = getattr(limits, name), getattr(NOTHING, name)
        if value == default:
            continue
        if name not in LEVELS[level]:
            known = ", ".join(one for one in ALL if one in LEVELS[level])
            raise Invalid(
                Code.UNKNOWN_FIELD, f"a {level} has no such limit; there are {known}", f"{pointer}/{name}"
            )
        numbers = value.values() if isinstance(value, dict) else (value,)
        for number in numbers:
            _check_number(name, number, f"{pointer}/{name}")
    if level is Level.FUND and limits.nav_usd is None and (relative := _relative_to_nav(limits)):
        raise Invalid(
            Code.MISSING, f"is missing, and {relative} is measured against it: what is the fund worth?",
            f"{pointer}/nav_usd",
        )  # fmt: skip


def _check_number(name: str, number: object, pointer: str) -> None:
    if isinstance(number, Decimal) and not is_sane(number):
        raise Invalid(
            Code.BAD_NUMBER, f"{number} is not finite, or has more than 18 digits on a side", pointer
        )
    if isinstance(number, bool) or not isinstance(number, Decimal | int):
        return
    if number < 0:
        raise Invalid(Code.BAD_NUMBER, f"{number} is below zero", pointer)
    if not number and name in _ABOVE_ZERO:
        raise Invalid(Code.NOT_POSITIVE, f"{number} must be above zero", pointer)


_ABOVE_ZERO: Final = ("nav_usd", "leverage", "approval_timeout_s", "max_quote_age_s", "max_silence_s")
NOTHING: Final = Limits()
"""No limits."""

_OF_NAV: Final = tuple(
    name for name in ALL if name.endswith("_pct") and name not in ("price_collar_pct", "max_adv_pct")
)


def _relative_to_nav(limits: Limits) -> str | None:
    return next((n for n in (*_OF_NAV, "max_leverage", "leverage") if getattr(limits, n) is not None), None)


class LimitSet(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits of one level and name, as they stand.

    Attributes:
        version: counts changes from 1.
        configured: as the configuration file said when it was last read; None where they came by command.
        reverts_at, reverts_to: when a temporary change is over, and what counts from then on.
    """

    level: Level
    name: str
    version: int
    limits: Limits
    set_at: datetime
    set_by: str
    reason: str
    configured: Limits | None = None
    reverts_at: datetime | None = None
    reverts_to: Limits | None = None

    @property
    def scope(self) -> Scope:
        """Level and name."""
        return self.level, self.name

    @property
    def stated(self) -> frozenset[str]:
        """The names of the limits that are there, now or once a change is over."""
        return stated(self.limits) | (frozenset() if self.reverts_to is None else stated(self.reverts_to))

    def at(self, now: datetime) -> Limits:
        """What counts at that moment."""
        if self.reverts_at is not None and now >= self.reverts_at and self.reverts_to is not None:
            return self.reverts_to
        return self.limits


class ConfiguredLimits(Struct, frozen=True, gc=False, kw_only=True):
    """Limits as the configuration states them."""

    level: Level
    name: str
    limits: Limits


def loosened(before: Limits, after: Limits) -> list[str]:
    """Which limits would let through more than they did."""
    return [name for name in ALL if _is_looser(name, getattr(before, name), getattr(after, name))]


def _is_looser(name: str, before: Any, after: Any) -> bool:
    if before == after:
        return False
    if isinstance(before, tuple):
        if name in ("restricted_symbols", "gates"):
            return not set(before) <= set(after)
        return bool(before) and (not after or not set(after) <= set(before))
    if name == "leverage":
        return any(_times(after, one) > _times(before, one) for one in AssetClass)
    if name == "enable_shorting":
        return before is False
    if name == "max_quote_age_s":
        return (after or DEFAULT_QUOTE_AGE_S) > (before or DEFAULT_QUOTE_AGE_S)
    if name in ("nav_usd", "approval_timeout_s"):
        return name == "nav_usd" and before is not None and (after is None or after > before)
    if before is None:
        return False
    if name in ("cancel_reserve", "duplicate_window_s"):
        return after is None or after < before
    return after is None or after > before


def _times(leverage: Mapping[AssetClass, Decimal] | None, asset_class: AssetClass) -> Decimal:
    return ONE if leverage is None else leverage.get(asset_class, ONE)


def stated(limits: Limits) -> frozenset[str]:
    """The names of the limits that are there."""
    return frozenset(name for name in ALL if getattr(limits, name) != getattr(NOTHING, name))


def changed(before: Limits, after: Limits) -> tuple[str, ...]:
    """Which limits differ."""
    return tuple(name for name in ALL if getattr(before, name) != getattr(after, name))


def amended(limits: Limits, values: Mapping[str, Any]) -> Limits:
    """The limits with those values in place of what they were; None takes a limit away."""
    return replace(limits, **{n: getattr(NOTHING, n) if v is None else v for n, v in values.items()})


def leverage_of(limits: Limits, asset_class: AssetClass) -> Decimal:
    """How many times its margin a position of that class may be worth."""
    return _times(limits.leverage, asset_class)
