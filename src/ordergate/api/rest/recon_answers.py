"""How the bodies of reconciliation's requests and answers look, with an example each, for the OpenAPI document alone.

A test holds the fields against what is shown.
"""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ordergate.api.rest.schema_types import Instant, Name, Number, Positive
from ordergate.api.rest.shown import Shown
from ordergate.application.comparison import Found
from ordergate.domain.breaks import BreakKind, Cause, Resolution

_Reason = Annotated[str, Field(min_length=1, max_length=1_000)]


class RunRequest(BaseModel):
    """Which account to compare."""

    model_config = ConfigDict(extra="forbid")
    broker: Name | None = Field(None, description="Left out, each whose session is here.")


class AssignRequest(BaseModel):
    """Who looks into a break."""

    model_config = ConfigDict(extra="forbid")
    owner: Name


class ResolveRequest(BaseModel):
    """How a break ends."""

    model_config = ConfigDict(extra="forbid")
    reason: _Reason = Field(description="Kept in the journal.")
    adjust: bool | None = Field(
        None, description="true: book the difference of a position or balance into a fund."
    )
    fund_id: Name | None = Field(None, description="Which; left out, the one fund that trades there.")
    price: Positive | None = Field(None, description="Of a position; left out, the market's mid.")


class Break(Shown):
    """What does not fit, and what became of it."""

    break_id: str
    kind: BreakKind
    broker: str
    detail: str
    raised_at: Instant
    order_id: str | None
    key: str | None = Field(
        description="What a difference, or a report that changed nothing, is about; null for what was booked."
    )
    symbol: str | None = Field(description="Or the currency of a balance.")
    cause: Cause | None = Field(description="Where it can be told.")
    ours: Number | None
    theirs: Number | None
    owner: str | None
    resolved_at: Instant | None
    resolved_by: str | None = Field(description="reconciliation, where a comparison found it gone.")
    resolution: Resolution | None
    why: str | None


class Breaks(Shown):
    """Breaks, oldest first."""

    items: list[Break]


class Comparison(Shown):
    """One comparison of an account with the broker's own record."""

    broker: str
    at: Instant
    found: Found = Field(description="not_compared: the broker's statement was incomplete, or failed.")
    under_way: int = Field(description="Differences that something under way can explain; looked at again.")
    explained: int = Field(description="Differences that are there, and that a person has explained.")
    halted: bool = Field(description="The broker is halted for it.")
    why: str | None = Field(description="Nothing was compared; null where it was.")
    breaks: list[Break] = Field(description="Those that are open at the broker, of whatever kind.")


class Comparisons(Shown):
    """Of each account."""

    items: list[Comparison]


BREAK: Final[dict[str, Any]] = {
    "break_id": "brk-812",
    "kind": "position",
    "broker": "paper",
    "detail": "100 AAPL here, 105 at the broker",
    "raised_at": "2026-05-22T14:30:00.000000Z",
    "order_id": None,
    "key": "position/AAPL",
    "symbol": "AAPL",
    "cause": None,
    "ours": "100",
    "theirs": "105",
    "owner": None,
    "resolved_at": None,
    "resolved_by": None,
    "resolution": None,
    "why": None,
}
ASSIGNED: Final[dict[str, Any]] = {**BREAK, "owner": "bea"}
RESOLVED: Final[dict[str, Any]] = {
    **ASSIGNED,
    "resolved_at": "2026-05-22T15:00:00.000000Z",
    "resolved_by": "bea",
    "resolution": "explained",
    "why": "five shares came in by transfer",
}
COMPARISON: Final[dict[str, Any]] = {
    "broker": "paper",
    "at": "2026-05-22T14:30:00.000000Z",
    "found": "breaks",
    "under_way": 0,
    "explained": 0,
    "halted": False,
    "why": None,
    "breaks": [BREAK],
}
