"""VWAP: along the volume that is expected to trade. The one profile so far is uniform: the same in every minute."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from ordergate.domain.algos.schedule import Steps
from ordergate.domain.algos.terms import Algorithm, AlgoTerms
from ordergate.domain.money import EXACT

_MINUTE_S: Final = 60


def vwap_terms(quantity: Decimal, horizon_minutes: int, steps: Steps) -> AlgoTerms:
    """A slice a minute, or fewer where the quantity has not so many steps, or minimums."""
    most = int(EXACT.divide_int(quantity, max(steps.step, steps.minimum)))
    return AlgoTerms(
        algorithm=Algorithm.VWAP,
        horizon_s=horizon_minutes * _MINUTE_S,
        slices=max(min(horizon_minutes, most), 1),
    )


def vwap_weights(terms: AlgoTerms) -> Sequence[int]:
    """What part of the quantity each slice is: all the same."""
    return (1,) * terms.slices
