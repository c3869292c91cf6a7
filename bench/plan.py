"""How much each bench does."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

Say = Callable[[str], None]


class Plan(Struct, frozen=True, kw_only=True):
    """The size of a run.

    Attributes:
        folder: for databases; on the disk that is to be measured.
        orders: measured, per round, by orders in flight.
        sizes: of the states beside which orders are measured.
        beside: orders per round that are measured beside them.
        events: that memory is watched over.
        connections, requests: of the REST door; so many requests a round.
        say: is told what is done now.
    """

    folder: Path
    say: Say
    rounds: int
    orders: dict[int, int]
    sizes: tuple[int, ...]
    beside: int
    events: int
    connections: tuple[int, ...]
    requests: int
    warm_up: int = 200


def full(folder: Path, say: Say) -> Plan:
    """What the published figures are made with."""
    return Plan(
        folder=folder,
        say=say,
        rounds=5,
        orders={1: 400, 16: 1_600, 100: 4_000, 500: 5_000},
        sizes=(1_000, 10_000, 100_000),
        beside=1_000,
        events=1_000_000,
        connections=(1, 16, 64),
        requests=2_000,
    )


def quick(folder: Path, say: Say) -> Plan:
    """The same in little."""
    return Plan(
        folder=folder,
        say=say,
        rounds=3,
        orders={1: 100, 16: 300, 100: 800, 500: 1_500},
        sizes=(1_000, 10_000),
        beside=500,
        events=50_000,
        connections=(16, 64),
        requests=500,
    )


def tiny(folder: Path, say: Say) -> Plan:
    """Enough to see that it works."""
    return Plan(
        folder=folder,
        say=say,
        rounds=1,
        orders={1: 3, 16: 20},
        warm_up=2,
        sizes=(3, 6),
        beside=10,
        events=200,
        connections=(2,),
        requests=10,
    )
