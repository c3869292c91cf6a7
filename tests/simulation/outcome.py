"""What a run came to, and what passes in it, in words."""

from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict


class Outcome(Struct):
    """What a run came to.

    Attributes:
        broke: the simulation itself did, which is a problem as well.
        root: a hash over the whole journal, and over every decision of the scheduler.
        shared: whether several nodes shared a store.
        told: whether the venue told of the account.
        differences: how many breaks comparing has found; `adjusted`: how many were booked.
        taken_over: how often a session had to be taken over in time.
        compared: how often what a node knew was compared with the tables.
    """

    number: int
    problems: list[str] = field(default_factory=list)
    broke: bool = False
    root: str = ""
    entries: int = 0
    orders: int = 0
    fills: int = 0
    crashes: int = 0
    lives: int = 0
    steps: int = 0
    seconds: float = 0.0
    shared: bool = False
    told: bool = False
    differences: int = 0
    adjusted: int = 0
    taken_over: int = 0
    compared: int = 0


def shown(message: Any) -> str:
    """A message with its fields, as far as they say something; bytes as they are."""
    if not isinstance(message, Struct):
        return message.decode() if isinstance(message, bytes) else repr(message)
    told = {name: value for name, value in asdict(message).items() if value is not None and name != "raw"}
    return f"{type(message).__name__} {', '.join(f'{name}={value}' for name, value in told.items())}"
