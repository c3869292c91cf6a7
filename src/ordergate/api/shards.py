"""Which shard a request is about, where it is about one journal."""

from typing import Final

from ordergate.api.door import Door
from ordergate.api.gate import Shard
from ordergate.api.problems import DoorCode, failure
from ordergate.domain.errors import quoted

SHARD: Final = "shard"


def only(given: dict[str, list[str]]) -> str | None:
    """The value of the parameter `shard`, where it is given."""
    return given[SHARD][0] if SHARD in given else None


def shard_of(door: Door, name: str | None) -> Shard:
    """The shard of that name; the only one, where it is left out.

    Raises:
        Failure: it names none, or there are several and it is left out.
    """
    shards = door.gate.shards
    if name is None and len(shards) == 1:
        return next(iter(shards.values()))
    named = None if name is None else shards.get(name)
    if named is not None:
        return named
    known = ", ".join(filter(None, shards)) or "none"
    detail = "is missing" if name is None else f"{quoted(name)} is no shard"
    raise failure(400, DoorCode.BAD_PARAMETER, f"{detail}; there are {known}", parameter=SHARD)
