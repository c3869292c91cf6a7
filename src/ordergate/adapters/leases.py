"""Leases where there is one node: it has them all, for as long as it runs."""

from collections.abc import Sequence
from datetime import datetime

from ordergate.application.ports.leases import FOREVER, Held, Lease


class OnlyNode:
    """The leases of a journal that one process alone can write."""

    @property
    def node(self) -> str | None:
        """There is no other to tell it from."""
        return None

    async def take(self, name: str) -> Lease | None:
        """It is free."""
        return Lease(name=name, epoch=0, until=FOREVER)

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """They hold for ever."""
        return list(leases)

    async def give_back(self, leases: Sequence[Lease]) -> None:
        """Nobody else would take them."""

    async def close(self) -> None:
        """Nothing to let go of."""

    async def clock(self) -> datetime | None:
        """There is nobody to agree with."""
        return None

    async def all(self) -> list[Held]:
        """Nobody asks."""
        return []
