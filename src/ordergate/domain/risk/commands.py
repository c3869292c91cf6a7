"""What persons and triggers ask of limits, halts, approvals and strategies, in the imperative."""

from datetime import datetime

from msgspec import Struct

from ordergate.domain.risk.kill_switch import Mode, Trigger
from ordergate.domain.risk.limits import ConfiguredLimits, Level, Limits


class SetLimits(Struct, frozen=True, gc=False, kw_only=True):
    """Put limits in place of what they were.

    Attributes:
        limits: all of them, as they shall be.
        reason: why.
        version: the version that the caller has seen; None takes any.
        reverts_at: when the change is over; None is for good.
    """

    level: Level
    name: str
    limits: Limits
    reason: str
    version: int | None = None
    reverts_at: datetime | None = None


class ThrowSwitch(Struct, frozen=True, gc=False, kw_only=True):
    """Throw the kill switch: refuse what is new from now on, and cancel what works.

    Attributes:
        trigger: what did it by itself; None where a person did.
    """

    level: Level
    name: str
    reason: str
    mode: Mode = Mode.HALT
    trigger: Trigger | None = None


class LiftHalt(Struct, frozen=True, gc=False, kw_only=True):
    """Lift a halt."""

    level: Level
    name: str
    reason: str


class EnableStrategy(Struct, frozen=True, gc=False, kw_only=True):
    """Let a strategy run again."""

    strategy_id: str
    reason: str


class Heartbeat(Struct, frozen=True, gc=False, kw_only=True):
    """Take it that a strategy is alive."""

    strategy_id: str


class AnswerGate(Struct, frozen=True, gc=False, kw_only=True):
    """Say for an external gate, or as a person (`approval`), whether an order or a request of it may go on.

    Attributes:
        number: of the request; the submit's is 1.
        timed_out: nobody answered in time.
    """

    order_id: str
    gate: str
    approved: bool
    number: int = 1
    reason: str | None = None
    timed_out: bool = False


class ValueFunds(Struct, frozen=True, gc=False):
    """Do what time brings: begin days, revert limits whose time is over, halt who has lost too much or is silent."""


class ConfigureLimits(Struct, frozen=True, gc=False):
    """Take limits over from the configuration, where it has changed since it was read last."""

    limits: tuple[ConfiguredLimits, ...]


class AskOverride(Struct, frozen=True, gc=False, kw_only=True):
    """Ask that one order which a check refused may go on all the same.

    Attributes:
        expires_at: until when it may be granted; None is an hour.
    """

    order_id: str
    reason: str
    expires_at: datetime | None = None


class GrantOverride(Struct, frozen=True, gc=False, kw_only=True):
    """Grant that, as another principal: the order is submitted once more."""

    order_id: str
    reason: str | None = None


class TurnDownOverride(Struct, frozen=True, gc=False, kw_only=True):
    """Turn it down, or take it back."""

    order_id: str
    reason: str | None = None


RiskCommand = (
    ConfigureLimits
    | SetLimits
    | ThrowSwitch
    | LiftHalt
    | EnableStrategy
    | Heartbeat
    | AnswerGate
    | ValueFunds
    | AskOverride
    | GrantOverride
    | TurnDownOverride
)
