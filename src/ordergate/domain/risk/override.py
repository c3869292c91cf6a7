"""Overrides: one order that a check refused may go on once, where one principal asks for it and another grants it.

Made after Commission Delegated Regulation (EU) 2017/589, article 15(6): an order that pre-trade controls block is sent
all the same only as a specific trade, for a limited time, in exceptional circumstances, on a designated person's word.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from ordergate.domain.orders.decision import RiskCode

DEFAULT_OVERRIDE: Final = timedelta(hours=1)
LONGEST_OVERRIDE: Final = timedelta(days=1)

NEVER_WAIVED: Final = frozenset(
    {
        RiskCode.LIMITS,
        RiskCode.NO_PRICE,
        RiskCode.NO_RATE,
        RiskCode.BROKER_MARGIN,
        RiskCode.LOSS,
        RiskCode.HALTED,
        RiskCode.REDUCE_ONLY,
        RiskCode.GATE,
        RiskCode.NOT_APPROVED,
    }
)
"""Refusals that nobody overrides: what cannot be measured, what the broker lacks, halts, and the word of others."""


class Override(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the wish to send one refused order all the same.

    Attributes:
        order_id: the order that was refused.
        codes: the refusals that are waived, this one time.
        expires_at: from then on nobody grants it.
        approved: None while nobody has answered.
        made: the order that was made of it; None until it is granted.
    """

    order_id: str
    codes: tuple[RiskCode, ...]
    reason: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    approved: bool | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None
    answer: str | None = None
    made: str | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it can be granted."""
        return self.approved is None and now < self.expires_at
