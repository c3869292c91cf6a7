"""What happened to limits, halts, strategies and accounts."""

from ordergate.domain.orders.events import Event
from ordergate.domain.risk.account import Period
from ordergate.domain.risk.kill_switch import Halt
from ordergate.domain.risk.limits import Level, LimitSet


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


RiskEvent = LimitsSet | TradingHalted | TradingResumed | StrategyEnabled | StrategySeen | FundValued
