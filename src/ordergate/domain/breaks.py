"""Breaks: what a broker said or did that does not fit our record. It changes nothing; a person looks at it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

REPORT: Final = "report/"
"""Keys that begin so are of reports, and none of differences."""
ORDER: Final = "order/"
"""And so those of orders that the journal does not know, whoever said that they are there."""
MOST_REPORTED: Final = 10_000
"""Reports that are known again, the last ones."""


class BreakKind(StrEnum):
    """What does not fit. The last ones are what a comparison of the account finds.

    NOT_UNDONE: of orders that are all executed or none, one was, another was not, and the first could not be undone.
    """

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
    NOT_UNDONE = "not_undone"
    LOGIN_REFUSED = "login_refused"
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

    JOURNAL_BEHIND: the broker knows an order under a name that only we make, and the journal does not, or holds it to
        be unsent: it is older than the account, such as one restored from a backup. NOT_TOLD: the broker has it and
        its reports have not come. TAKEN_BACK: the broker no longer has it, or has taken it back. FOREIGN: somebody
        else's doing.
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
        key: what it is about: while that is there, there is no second of that key. A difference between the records, or
            a report, which may come again. None for what was booked, which a report says once, and once an explained
            difference is gone.
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
        compared = self.key is not None and not self.is_reported
        return compared and self.resolution in (None, Resolution.EXPLAINED)

    @property
    def is_reported(self) -> bool:
        """Whether a report is what it is about."""
        return self.key is not None and self.key.startswith(REPORT)

    @property
    def is_remembered(self) -> bool:
        """Whether a report that says it again is no second one, also once it is over."""
        return self.key is not None and self.key.startswith((REPORT, ORDER))


def order_key(order_id: str) -> str:
    """What the break of an order is about that the journal does not know."""
    return f"{ORDER}{order_id}"


class ReportedBreaks:
    """The reports that have raised a break, by broker and key: what is delivered again is no second one."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], None] = {}

    def __contains__(self, name: tuple[str, str]) -> bool:
        return name in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def break_changed(self, before: Break | None, after: Break | None) -> None:
        """Takes note of a break as it was and is; None is not there."""
        item = after or before
        if item is None or item.key is None or not item.is_remembered:
            return
        name = item.broker, item.key
        if after is None:
            self._keys.pop(name, None)
            return
        self._keys[name] = None
        if len(self._keys) > MOST_REPORTED:
            del self._keys[next(iter(self._keys))]
