"""What happened to limits, halts, strategies and accounts."""

from ordergate.domain.orders.events import Event, OrderEvent
from ordergate.domain.risk.account import Period
from ordergate.domain.risk.kill_switch import Halt
from ordergate.domain.risk.limits import Level, LimitSet
from ordergate.domain.risk.override import Override


class LimitsSet(Event, frozen=True, kw_only=True, omit_defaults=True, tag="LimitsSet/1"):
    """Limits are so from here on.

    Attributes:
        changed: the names of those that differ from before.
    """

    after: LimitSet
    before: LimitSet | None = None
    changed: tuple[str, ...] = ()


class TradingHalted(Event, frozen=True, kw_only=True, tag="TradingHalted/1"):
    """The kill switch was thrown, by a person or a trigger."""

    halt: Halt


class TradingResumed(Event, frozen=True, kw_only=True, tag="TradingResumed/1"):
    """A halt was lifted, by another principal than the one who ordered it."""

    level: Level
    name: str
    by: str
    reason: str


class StrategyEnabled(Event, frozen=True, kw_only=True, tag="StrategyEnabled/1"):
    """A person lets a strategy run again."""

    strategy_id: str
    by: str
    reason: str


class StrategySeen(Event, frozen=True, kw_only=True, tag="StrategySeen/1"):
    """A strategy whose silence would halt it says that it is alive."""

    strategy_id: str


class FundValued(Event, frozen=True, kw_only=True, tag="FundValued/1"):
    """A day, week or month of a fund has begun; what it is worth then is what losses are counted from."""

    fund_id: str
    periods: tuple[Period, ...]


class OverrideAsked(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OverrideAsked/1"):
    """Somebody asked that a refused order may go on once."""

    override: Override


class OverrideAnswered(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OverrideAnswered/1"):
    """It was granted, or turned down.

    Attributes:
        made: the order that it became.
    """

    approved: bool
    by: str
    reason: str | None = None
    made: str | None = None


RiskEvent = (
    LimitsSet
    | TradingHalted
    | TradingResumed
    | StrategyEnabled
    | StrategySeen
    | FundValued
    | OverrideAsked
    | OverrideAnswered
)
