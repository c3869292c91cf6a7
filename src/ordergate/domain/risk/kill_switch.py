"""The kill switch: stops trading of the firm, a fund, a strategy or a broker, until another lifts the halt."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from ordergate.domain.risk.limits import FIRM, Level, Scope


class Mode(StrEnum):
    """HALT: nothing new, and what works is canceled. REDUCE_ONLY: only what makes a position smaller."""

    HALT = "halt"
    REDUCE_ONLY = "reduce_only"


class Trigger(StrEnum):
    """What threw the switch by itself."""

    LOSS = "loss"
    REJECTIONS = "rejections"
    STALE_FEED = "stale_feed"
    CLOCK = "clock"
    AUDIT = "audit"
    STORE = "store"
    SILENCE = "silence"
    RECONCILIATION = "reconciliation"
    SLIPPAGE = "slippage"


HALTABLE: Final = (Level.FIRM, Level.FUND, Level.STRATEGY, Level.BROKER)


class Halt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last halt of one scope.

    Attributes:
        by: the principal who ordered it, or whose trading a trigger stopped.
        trigger: None where a person did.
        lifted_at, lifted_by, lifted_because: None while it holds.
    """

    level: Level
    name: str
    mode: Mode
    reason: str
    by: str
    since: datetime
    trigger: Trigger | None = None
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lifted_because: str | None = None

    @property
    def scope(self) -> Scope:
        """Level and name."""
        return self.level, self.name

    @property
    def holds(self) -> bool:
        """Whether it has not been lifted."""
        return self.lifted_at is None


def scopes_of(fund_id: str, strategy_id: str | None, broker: str) -> tuple[Scope, ...]:
    """Whose halts stop an order."""
    scopes: tuple[Scope, ...] = (FIRM, (Level.FUND, fund_id), (Level.BROKER, broker))
    return scopes if strategy_id is None else (*scopes, (Level.STRATEGY, strategy_id))


def strictest(halts: Mapping[Scope, Halt], scopes: Iterable[Scope]) -> Halt | None:
    """The halt that counts: HALT before REDUCE_ONLY; None where none holds."""
    found: Halt | None = None
    for scope in scopes:
        halt = halts.get(scope)
        if halt is not None and halt.holds and (found is None or halt.mode is Mode.HALT):
            found = halt
            if halt.mode is Mode.HALT:
                break
    return found


def tightens(before: Halt | None, mode: Mode) -> bool:
    """Whether that mode stops more than what holds."""
    if before is None or not before.holds:
        return True
    return before.mode is Mode.REDUCE_ONLY and mode is Mode.HALT
