"""What a hub publishes when a service's configuration changes: `config.update.SERVICE`, at most once."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from ordergate.adapters.config.answers import HubError
from ordergate.adapters.nats import Connection, NatsError
from ordergate.application import tallying

_LOOK_S: Final = 5.0
"""Between two looks whether the subscription stands; the library renews it on the same client by itself."""
_LONGEST_PAUSE_S: Final = 30.0
_log = structlog.get_logger("ordergate.hub")


def subject_of(service: str) -> str:
    """Where changes of a service's configuration are published."""
    return f"config.update.{service}"


async def follow(connection: Connection, service: str, take: Callable[[bytes], Awaitable[None]]) -> None:
    """Gives what is published to `take`, until it is canceled; a server that is away is waited for.

    `take` raises HubError for what it cannot use: that is said and counted, and the next message is taken.
    """

    async def heard(data: bytes) -> None:
        try:
            await take(data)
        except HubError as error:
            tallying.hub["update", error.outcome] += 1
            _log.warning("an update was not taken; the configuration stays as it is", why=str(error))
        else:
            tallying.hub["update", "ok"] += 1

    pause_s = 1.0
    while True:
        try:
            await _subscribed(connection, subject_of(service), heard)
        except NatsError as error:
            _log.warning("updates of the configuration are not heard", why=str(error), in_s=pause_s)
            await asyncio.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311  (not for secrets)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        else:
            pause_s = 1.0


async def _subscribed(
    connection: Connection, subject: str, heard: Callable[[bytes], Awaitable[None]]
) -> None:
    """Hears what is published, as long as the client lives.

    Raises:
        NatsError: the server cannot be reached.
    """
    from nats.aio.msg import Msg
    from nats.errors import Error

    async def told(message: Msg) -> None:
        await heard(message.data)

    client = await connection.client()
    try:
        await client.subscribe(subject, cb=told)
    except (Error, OSError) as error:
        raise NatsError(f"{connection.shown} cannot be subscribed to: {error!r}") from error
    while not client.is_closed:  # noqa: ASYNC110 (the library tells nobody)
        await asyncio.sleep(_LOOK_S)
