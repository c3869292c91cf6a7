"""Breaks: what a broker said or did that does not fit our record. It changes nothing; a person looks at it."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class BreakKind(StrEnum):
    """What does not fit."""

    UNKNOWN_ORDER = "unknown_order"
    WRONG_INSTRUMENT = "wrong_instrument"
    WRONG_SIDE = "wrong_side"
    BAD_EXECUTION = "bad_execution"
    ILLEGAL_REPORT = "illegal_report"
    STILL_WORKING = "still_working"
    CONFLICTING_END = "conflicting_end"
    LATE_FILL = "late_fill"
    OVERFILL = "overfill"
    UNSENT_FILL = "unsent_fill"
    FUND_MOVED = "fund_moved"
    UNRESOLVED = "unresolved"
    QUARANTINED = "quarantined"


class Break(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One thing that does not fit; `break_id` names the journal entry that raised it."""

    break_id: str
    kind: BreakKind
    broker: str
    detail: str
    raised_at: datetime
    order_id: str | None = None
