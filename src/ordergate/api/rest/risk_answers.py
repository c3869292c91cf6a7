"""How the bodies of the risk gate's answers look, for the OpenAPI document alone.

A test holds the fields against what is shown.
"""

from typing import Any

from pydantic import Field

from ordergate.api.rest.answers import Order
from ordergate.api.rest.schema_types import Instant, Number
from ordergate.api.rest.shown import Shown
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.states import RequestKind
from ordergate.domain.risk.kill_switch import Mode, Trigger
from ordergate.domain.risk.limits import Level


class LimitRow(Shown):
    """The limits of one level and name; those that are not named are none."""

    level: Level
    name: str = Field(description="The firm's is empty.")
    version: int = Field(description="Counts changes; the ETag.")
    limits: dict[str, Any] = Field(description="As they were set.")
    in_force: dict[str, Any] = Field(
        description="What counts now: other than limits once their time is over."
    )
    set_at: Instant
    set_by: str
    reason: str
    reverts_at: Instant | None
    reverts_to: dict[str, Any] | None
    shard: str | None = Field(description="Whose they are; null without shards, or where all have the same.")


class LimitRows(Shown):
    """All limits."""

    items: list[LimitRow]


class Halt(Shown):
    """A halt: it holds while it has not been lifted."""

    level: Level
    name: str
    mode: Mode
    reason: str
    by: str = Field(description="Who ordered it, or trigger/NAME; another must lift it.")
    since: Instant
    trigger: Trigger | None = Field(description="What stopped trading by itself; null where a person did.")
    lifted_at: Instant | None
    lifted_by: str | None
    lifted_because: str | None
    shard: str | None


class Halts(Shown):
    """The halts of the firm, of funds, strategies and brokers."""

    items: list[Halt]


class Halted(Shown):
    """A halt, and what it did at once."""

    halt: Halt
    canceled: int = Field(description="Orders that had never left, and are canceled.")
    asked: int = Field(description="Orders that the broker was asked to cancel.")
    left: int = Field(description="Orders that are next: repeat the command while there are any.")


class Approval(Shown):
    """An order, or a change of one, that waits for a person."""

    order_id: str
    kind: RequestKind = Field(description="submit: a new order. replace: a change.")
    quantity: Number = Field(description="As asked for.")
    limit_price: Number | None
    stop_price: Number | None
    awaits: list[str]
    decide_by: Instant | None = Field(description="When it expires.")
    order: Order


class Approvals(Shown):
    """What waits for a person, oldest first."""

    items: list[Approval]


class Strategy(Shown):
    """How often a strategy has run since it was enabled, and its last sign of life."""

    strategy_id: str
    runs: int
    enabled_at: Instant | None
    enabled_by: str | None
    seen_at: Instant | None = Field(description="Its last sign of life; null where silence does not halt it.")
    max_runs: int | None = Field(description="Of its limits, now.")
    max_silence_s: int | None = Field(description="Of its limits, now.")
    stopped: bool = Field(description="It runs no more until a person enables it.")
    shard: str | None


class Strategies(Shown):
    """The strategies whose runs are counted, or whose signs of life are."""

    items: list[Strategy]


class Override(Shown):
    """The wish to send a refused order all the same, and what became of it."""

    order_id: str = Field(description="The refused order.")
    codes: list[RiskCode] = Field(description="The refusals that are waived.")
    reason: str
    asked_by: str
    asked_at: Instant
    expires_at: Instant = Field(description="From then on nobody grants it.")
    approved: bool | None = Field(description="null while nobody has answered.")
    answered_by: str | None
    answered_at: Instant | None
    answer: str | None = Field(description="Why it was granted or turned down.")
    made: str | None = Field(description="The order that it became.")


class Overrides(Shown):
    """Overrides, oldest first."""

    items: list[Override]
