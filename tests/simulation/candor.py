"""What the venue of a run says of the account, and what it can do: drawn from the number of the run."""

from enum import StrEnum
from random import Random
from typing import Final

from msgspec import Struct

from ordergate.application.comparison import Policy
from ordergate.config.reconciliation import ReconciliationSection
from ordergate.domain.orders.states import TimeInForce

TOLD: Final = 0.5
"""The share of runs whose venue tells of the account."""
GRACE_S: Final = 10
LONG_GRACE_S: Final = 40


class Candor(StrEnum):
    """HONEST: only slow. HIDES: the account moves by what no report and no lookup ever tells. LIES: reports are false."""

    HONEST = "honest"
    HIDES = "hides"
    LIES = "lies"


class Manner(Struct, frozen=True):
    """Of one venue.

    Attributes:
        tells: of the account, in statements.
        sums: whether statements have positions and money alone, and name neither executions nor orders.
        every_s: between two comparisons.
        lacks: times in force that it does not know.
    """

    tells: bool
    sums: bool
    candor: Candor
    policy: Policy
    every_s: int
    strict: bool
    lacks: frozenset[TimeInForce]

    @property
    def corrects(self) -> bool:
        """Whether differences are booked."""
        return self.tells and self.policy is Policy.CORRECT

    @property
    def grace_s(self) -> int:
        """For how long a report may be under way, at most, where nothing else says what it says."""
        return LONG_GRACE_S if self.sums else GRACE_S

    @property
    def funds(self) -> tuple[str, ...]:
        """Those that trade there; what is booked of a difference is the one fund's."""
        return ("alpha",) if self.corrects else ("alpha", "alpha", "beta")

    @property
    def section(self) -> ReconciliationSection:
        """As it is configured."""
        return ReconciliationSection(
            every_s=self.every_s, strict=self.strict, policy=self.policy, grace_s=self.grace_s
        )


_LACKING: Final = (
    frozenset[TimeInForce](),
    frozenset[TimeInForce](),
    frozenset({TimeInForce.GTD}),
    frozenset({TimeInForce.DAY, TimeInForce.GTD}),
    frozenset({TimeInForce.OPG}),
)


def manner_of(dice: Random) -> Manner:
    """A venue's."""
    tells = dice.random() < TOLD
    candor = dice.choice((Candor.HONEST,) * 5 + (Candor.HIDES, Candor.HIDES, Candor.LIES))
    return Manner(
        tells=tells,
        sums=tells and dice.random() < 0.3,
        candor=candor if tells else Candor.HONEST,
        policy=dice.choice((Policy.ALERT, Policy.HALT, Policy.CORRECT, Policy.CORRECT)),
        every_s=dice.choice((7, 20, 60)),
        strict=dice.random() < 0.2,
        lacks=dice.choice(_LACKING),
    )
