"""Breaks: what a broker said or did that does not fit our record. It changes nothing; a person looks at it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class BreakKind(StrEnum):
    """What does not fit. The last ones are what a comparison of the account finds."""

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
    NOT_WORKING = "not_working"
    MISSING_FILL = "missing_fill"
    EXTRA_FILL = "extra_fill"
    BUSTED_FILL = "busted_fill"
    WRONG_QUANTITY = "wrong_quantity"
    WRONG_PRICE = "wrong_price"
    POSITION = "position"
    BALANCE = "balance"


class Cause(StrEnum):
    """Why it does not fit, where that can be told.

    JOURNAL_BEHIND: the broker knows an order under a name that only we give, and the journal does not: it is older
        than the account, such as one restored from a backup. NOT_TOLD: the broker has it and its reports have not
        come. TAKEN_BACK: the broker no longer has it, or has taken it back. FOREIGN: somebody else's doing.
    """

    JOURNAL_BEHIND = "journal_behind"
    NOT_TOLD = "not_told"
    TAKEN_BACK = "taken_back"
    FOREIGN = "foreign"


class Resolution(StrEnum):
    """How a break ended.

    GONE: a later comparison no longer found it. FETCHED: the broker was asked, and what it said was booked.
    EXPLAINED: a person says that nothing is to be done. ADJUSTED: the difference was booked, by a person or by policy.
    """

    GONE = "gone"
    FETCHED = "fetched"
    EXPLAINED = "explained"
    ADJUSTED = "adjusted"


class Break(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One thing that does not fit; `break_id` names the journal entry that raised it.

    Attributes:
        key: what a difference between the records is about: while it is there, there is no second of that key. None
            for what was not found by comparing, and once an explained one is gone.
        symbol: or the currency of a balance.
        ours, theirs: the two numbers, where it is about numbers: in the instrument's unit, or money.
        owner: the person who looks into it.
        resolved_by: a principal; `reconciliation` where a comparison found it gone.
        why: as whoever resolved it said.
    """

    break_id: str
    kind: BreakKind
    broker: str
    detail: str
    raised_at: datetime
    order_id: str | None = None
    key: str | None = None
    symbol: str | None = None
    cause: Cause | None = None
    ours: Decimal | None = None
    theirs: Decimal | None = None
    owner: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution: Resolution | None = None
    why: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody has resolved it."""
        return self.resolved_at is None

    @property
    def is_watched(self) -> bool:
        """Whether comparisons look whether it is still there: explained, it is not raised anew as long as it is."""
        return self.key is not None and self.resolution in (None, Resolution.EXPLAINED)
