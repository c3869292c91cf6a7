"""Whether the service can do what it is there for, as every door says it."""

import asyncio
from typing import Final

from ordergate.api.door import Door
from ordergate.api.problems import DoorCode, failure
from ordergate.application.runner import Runner
from ordergate.domain.errors import StoreError

_PATIENCE_S: Final = 2.0


async def check_ready(door: Door) -> None:
    """Raises Failure where orders cannot be taken now, saying why."""
    for name, shard in door.gate.shards.items():
        failed = shard.runner.failure
        if failed is not None:
            which = f"the gate of shard {name}" if name else "the gate"
            raise failure(503, DoorCode.NOT_READY, f"{which} has failed: {type(failed).__name__}: {failed}")
    if door.closing:
        raise failure(503, DoorCode.NOT_READY, "the service is closing")
    for shard in door.gate.shards.values():
        await _try_the_store(shard.runner)


async def _try_the_store(runner: Runner) -> None:
    """Whether a store is there, or is back, is known only to who uses it: an idle service has not noticed."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await runner.settled()
    except (StoreError, TimeoutError) as error:
        why = runner.unreachable or error
        raise failure(503, DoorCode.NOT_READY, f"the database cannot be used: {why}") from None
