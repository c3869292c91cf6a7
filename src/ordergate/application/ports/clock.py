"""Time, as the service reads it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time in UTC, and waiting."""

    def now(self) -> datetime:
        """The present, aware, in UTC, to the microsecond."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after that long."""
        ...
