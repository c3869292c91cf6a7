"""What a parent order says of how it is worked, and what its fund says of when an order becomes one."""

from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

DEFAULT_HORIZON_MINUTES: Final = 30
SHORTEST_HORIZON_MINUTES: Final = 2
"""A slice a minute: in less there would be one, of the whole."""
LONGEST_HORIZON_MINUTES: Final = 1_440


class Algorithm(StrEnum):
    """How the quantity is spread: VWAP along the volume that is expected, which is uniform."""

    VWAP = "vwap"


class SplitTerms(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """When a market order is too large to be sent at once.

    Attributes:
        above: in the fund's currency; what is worth more becomes a parent.
        horizon_minutes: over which a parent is worked.
    """

    above: Decimal
    horizon_minutes: int = DEFAULT_HORIZON_MINUTES


class AlgoTerms(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """How a parent is worked.

    Attributes:
        horizon_s: over which its slices are spread, from its acceptance, or the opening after it.
        slices: how many are planned.
        made: the number of the last slice that became a child; 0 before the first.
    """

    algorithm: Algorithm
    horizon_s: int
    slices: int
    made: int = 0
