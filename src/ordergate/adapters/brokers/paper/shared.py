"""A venue that nodes share, where it was asked for: its driver is imported here and not before."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ordergate.adapters.brokers.paper.session import Session
from ordergate.adapters.brokers.paper.stores import VenueStore
from ordergate.domain.errors import StoreError

if TYPE_CHECKING:
    from ordergate.adapters.brokers.paper.postgres import Board


def in_postgres(name: str, url: str, live: Callable[[], Session | None]) -> "tuple[VenueStore, Board]":
    """The store of a venue in a database on a server, and the board of its hand-set quotes.

    Args:
        live: gives this node's session, while it has one that goes on.

    Raises:
        StoreError: the driver is not installed, or no schema can have that name.
    """
    try:
        from ordergate.adapters.brokers.paper.postgres import Board, PostgresStore
    except ModuleNotFoundError as missing:
        raise StoreError(f"{missing.name} is not installed: pip install 'ordergate[postgres]'") from missing
    return PostgresStore(name, url), Board(name, url, live)
