"""A clock that is set while ordergate runs is found out by one that cannot be set, or by the store's."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from ordergate.application.ports.clock import Clock
from ordergate.domain.errors import ClockError

LARGEST_JUMP: Final = timedelta(hours=1)
LARGEST_DIFFERENCE: Final = timedelta(seconds=5)
"""Between the clocks of nodes that share a journal: half of what a journal lets a clock fall behind."""


def check_difference(asked: datetime, answered: datetime, store: datetime) -> None:
    """Compares a node's clock with the store's, which all nodes see.

    Args:
        asked, answered: by the node's clock, before and after it asked the store: what lies between says nothing,
            for the node may have stood still meanwhile.

    Raises:
        ClockError: they differ so much that what one node journals would stop the others.
    """
    difference = asked - store if store < asked else answered - store if store > answered else timedelta(0)
    if abs(difference) > LARGEST_DIFFERENCE:
        raise ClockError(
            f"this clock differs from the database's by {difference.total_seconds():+.1f} s, more than "
            f"{LARGEST_DIFFERENCE.total_seconds():.0f} s: set it right and start again"
        )


class ClockCheck:
    """Compares the clock with the event loop's own, which only counts on."""

    def __init__(self, clock: Clock, largest: timedelta = LARGEST_JUMP) -> None:
        self._clock, self._largest = clock, largest
        self._seen: tuple[float, datetime, float] | None = None

    def check(self) -> None:
        """Looks at both.

        Raises:
            ClockError: the clock has jumped by more than the largest jump since the last look, however long the
                process may have stood still within either look.
        """
        elapsed = asyncio.get_running_loop().time
        look = elapsed(), self._clock.now(), elapsed()
        if self._seen is not None:
            before, then, after = self._seen
            least = look[1] - then - timedelta(seconds=look[2] - before)
            most = look[1] - then - timedelta(seconds=look[0] - after)
            jump = max(least, min(most, timedelta(0)))
            if abs(jump) > self._largest:
                raise ClockError(f"the clock has jumped by {jump}: set it right and start again")
        self._seen = look
