"""Decides what goes wrong, repeatably.

Every kind of fault draws from a stream of its own, so that switching one on does not move the others.
"""

import random
from typing import Final

from ordergate.adapters.brokers.paper.settings import PROBABILITIES, Faults

_BITS: Final = 53


class Injector:
    """Draws the faults of one run."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        chances = {name: int(getattr(faults, name) * (1 << _BITS)) for name in PROBABILITIES}
        self._chances = {name: chance for name, chance in chances.items() if chance}
        self._streams = {name: random.Random(f"{faults.seed}:{name}") for name in self._chances}  # noqa: S311

    def hits(self, fault: str) -> bool:
        """Whether that fault (a name of `PROBABILITIES`) happens now; draws only where it can."""
        chance = self._chances.get(fault)
        return chance is not None and self._streams[fault].getrandbits(_BITS) < chance

    @property
    def late_answer_s(self) -> float:
        """By how much a late answer is late."""
        return self.faults.late_answer_ms / 1000
