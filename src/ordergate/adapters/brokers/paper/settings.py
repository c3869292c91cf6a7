"""How a paper venue behaves; every value has a default, so `PaperSettings()` is an ideal venue."""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.domain.money import ZERO

_ALL_BPS: Final = Decimal(10_000)
LONGEST_DELAY_S: Final = 31_536_000
"""A year."""


class Faults(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong, each as a probability from 0 to 1; drawn from `seed`, so a run can be repeated.

    Attributes:
        reject: a submit is refused, nothing is booked.
        drop_answer: the request is done, its answer is lost (UNKNOWN).
        late_answer: the request is done, its answer comes `late_answer_ms` later.
        duplicate_report: a report is delivered twice.
        reorder_report: a report is delivered after a later one.
        incomplete_snapshot: a snapshot of open orders lacks some, and says so.
    """

    reject: Decimal = ZERO
    drop_answer: Decimal = ZERO
    late_answer: Decimal = ZERO
    late_answer_ms: int = 1000
    duplicate_report: Decimal = ZERO
    reorder_report: Decimal = ZERO
    incomplete_snapshot: Decimal = ZERO
    seed: int = 0

    def __post_init__(self) -> None:
        for name in PROBABILITIES:
            value: Decimal = getattr(self, name)
            if not value.is_finite() or not 0 <= value <= 1:
                raise ValueError(f"faults.{name} is {value}: a probability is from 0 to 1")
        if self.late_answer_ms < 0:
            raise ValueError(f"faults.late_answer_ms is {self.late_answer_ms}: it cannot be below 0")


PROBABILITIES: Final = (
    "reject",
    "drop_answer",
    "late_answer",
    "duplicate_report",
    "reorder_report",
    "incomplete_snapshot",
)


class PaperSettings(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A paper venue.

    Attributes:
        cash: what the account starts with, in `currency`; the venue refuses nothing for want of it.
        latency_ms: how long a request takes to the venue.
        slippage_bps: how far a fill is worse than the quote, never through a limit.
        fee_bps: of quantity times price times contract size, in the instrument's currency, each fill; of a swap, of
            what comes out.
        unstake_delay_s: how long an unstake works until it gives what was staked; 0 is at once.
    """

    cash: Decimal = Decimal(1_000_000)
    currency: str = "USD"
    latency_ms: int = 0
    slippage_bps: Decimal = ZERO
    fee_bps: Decimal = ZERO
    unstake_delay_s: int = 0
    faults: Faults = Faults()

    def __post_init__(self) -> None:
        if not self.cash.is_finite():
            raise ValueError(f"cash is {self.cash}: it must be a number")
        if self.latency_ms < 0:
            raise ValueError(f"latency_ms is {self.latency_ms}: it cannot be below 0")
        if not 0 <= self.unstake_delay_s <= LONGEST_DELAY_S:
            raise ValueError(
                f"unstake_delay_s is {self.unstake_delay_s}: it must be from 0 to {LONGEST_DELAY_S}"
            )
        for name in ("slippage_bps", "fee_bps"):
            value: Decimal = getattr(self, name)
            if not value.is_finite() or not 0 <= value < _ALL_BPS:
                raise ValueError(f"{name} is {value}: it must be from 0 to below {_ALL_BPS}")
