"""The lease port: who of several nodes does what only one may do.

A lease is taken for a while and must be renewed. Its holder goes by his own clock that cannot jump, from before
he asked for it; a successor goes by the store's clock, and waits for `SEND_S` longer: what was about to leave
when the lease ran out has left by then, or never will.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from msgspec import Struct

LEASE_S: Final = 4.0
"""How long a lease holds that is not renewed."""
FOREVER: Final = 1e18
"""Until when the only node holds a lease."""

SEND_S: Final = 2.0
"""How long after its last look at the lease a holder may take until bytes have left."""


PRESENCE: Final = "node:"
"""Before a node's name: the lease that says no more than that the node is there."""


class Lease(Struct, frozen=True, kw_only=True):
    """What this node holds.

    Attributes:
        name: such as `broker:paper` or `outlet:nats`.
        epoch: raised each time it is taken; no two holders ever have the same.
        until: on the event loop's clock, when it ends.
    """

    name: str
    epoch: int
    until: float


class Held(Struct, frozen=True, kw_only=True):
    """Who holds a lease, as the store tells.

    Attributes:
        node: the holder; None where it was given back, or has run out.
        detail: what the node says of itself: host, process, address, version.
        renewed_at: on the store's clock.
    """

    name: str
    epoch: int
    node: str | None
    detail: str
    renewed_at: datetime


class Leases(Protocol):
    """The leases of one journal's nodes, as one of them sees them."""

    @property
    def node(self) -> str | None:
        """This node's name, which no other run of any process has; None where there can be no other."""
        ...

    async def take(self, name: str) -> Lease | None:
        """The lease, where it is free, was given back or has run out; None where another node has it.

        Raises:
            StoreError: the store cannot be reached.
        """
        ...

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """Those that are still ours, each with its new end.

        Raises:
            StoreError: the store cannot be reached; nothing is said of the leases.
        """
        ...

    async def give_back(self, leases: Sequence[Lease]) -> None:
        """Lets others take them at once.

        Raises:
            StoreError: the store cannot be reached; they run out by themselves.
        """
        ...

    async def close(self) -> None:
        """Lets go of the store; the leases stay until they run out or are taken."""
        ...

    async def clock(self) -> datetime | None:
        """The store's own clock, in UTC; None where there is only one node.

        Raises:
            StoreError: the store cannot be reached.
        """
        ...

    async def all(self) -> list[Held]:
        """Every lease that was ever taken, by name.

        Raises:
            StoreError: the store cannot be reached.
        """
        ...
