"""Dead letters: what could not be used, kept byte for byte with the reason, for a person to look at."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from ordergate.adapters.nats.connection import Connection, NatsError
from ordergate.adapters.nats.streams import DAY_S, find_or_make
from ordergate.application import tallying
from ordergate.protocols.subjects import DEAD, ORDER, dead_headers

STREAM: Final = "ORDERGATE_DEAD"
KEPT_S: Final = 30 * DAY_S
_TAKEN_S: Final = 5.0
_ID: Final = "Nats-Msg-Id"
_log = structlog.get_logger("ordergate.nats")


class DeadLetters:
    """Writes them to `ordergate.v1.dead.SUBJECT`, which a stream keeps.

    Args:
        taken_by: what takes the messages in, for the count.
    """

    def __init__(self, connection: Connection, taken_by: str) -> None:
        self._connection, self._taken_by = connection, taken_by
        self._there = False

    async def bury(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] | None,
        came_from: str,
        code: str,
        reason: str,
        order_id: str | None = None,
    ) -> None:
        """Returns once the server has the letter for good; the same message makes one letter, in a while.

        Args:
            came_from: names the message among all.
            order_id: of the order that it is about, where there is one.

        Raises:
            NatsError: it has not.
        """
        stream = await self._connection.stream()
        said = dict(dead_headers(code, reason, subject, came_from))
        if order_id is not None:
            said[ORDER] = order_id
        kept = {k: v for k, v in (headers or {}).items() if not k.lower().startswith("nats-")}
        try:
            async with asyncio.timeout(_TAKEN_S):
                if not self._there:
                    await find_or_make(stream, STREAM, (f"{DEAD}.>",), max_age_s=KEPT_S)
                    self._there = True
                await stream.publish(
                    f"{DEAD}.{subject}", data, headers={**kept, **said, _ID: f"{came_from}/{code}"}
                )
        except Exception as error:  # the library raises many kinds
            self._there = False
            why = str(error) or type(error).__name__
            raise NatsError(f"a dead letter of {subject} was not taken: {why}") from error
        tallying.dead_letters[self._taken_by, code] += 1
        _log.warning(
            "a dead letter", subject=subject, message=came_from, code=code, reason=said["Ordergate-Reason"]
        )
