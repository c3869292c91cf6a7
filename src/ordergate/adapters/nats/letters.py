"""Dead letters: what could not be used, kept byte for byte with the reason, for a person to look at.

What is too large for the server with our headers goes without its body, and says its size and its hash instead: the
stream that it came from has it.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import structlog

from ordergate.adapters.nats.connection import Connection, NatsError
from ordergate.adapters.nats.streams import DAY_S, find_or_make
from ordergate.application import tallying
from ordergate.domain.times import format_time
from ordergate.protocols.subjects import DEAD, HASH, ORDER, REASON, TOO_LARGE, dead_headers

STREAM: Final = "ORDERGATE_DEAD"
KEPT_S: Final = 30 * DAY_S
_TAKEN_S: Final = 5.0
_ID: Final = "Nats-Msg-Id"
_LONGEST_SUBJECT: Final = 1_000
"""A server cuts the connection where a subject and what belongs to it have more than 4096 bytes."""
_ROOM: Final = 64
"""For the first line and the last of the headers, and the size and reply of a publish."""
_TOO_LARGE_FOR_THE_STREAM: Final = 10054
_log = structlog.get_logger("ordergate.nats")


class DeadLetters:
    """Writes them to `ordergate.v1.dead.SUBJECT`, which a stream keeps.

    Args:
        taken_by: what takes the messages in, for the count.
    """

    def __init__(self, connection: Connection, taken_by: str) -> None:
        self._connection, self._taken_by = connection, taken_by
        self._kept_in: str | None = None

    async def bury(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] | None,
        came_from: str,
        at: datetime,
        code: str,
        reason: str,
        order_id: str | None = None,
    ) -> None:
        """Returns once the server has the letter for good; the same message makes one letter, in a while.

        Args:
            came_from: names the message among all of its time.
            at: when the message came.
            order_id: of the order that it is about, where there is one.

        Raises:
            NatsError: it has not.
        """
        said = {
            **dead_headers(code, reason, subject, came_from),
            _ID: f"{came_from}@{format_time(at)}/{code}",
        }
        if order_id is not None:
            said[ORDER] = order_id
        kept = {k: v for k, v in (headers or {}).items() if not k.lower().startswith("nats-")}
        try:
            async with asyncio.timeout(_TAKEN_S):
                await self._put(_subject_of(subject), data, kept, said)
        except Exception as error:  # the library raises many kinds
            self._kept_in = None
            why = str(error) or type(error).__name__
            raise NatsError(f"a dead letter of {subject} was not taken: {why}") from error
        tallying.dead_letters[self._taken_by, code] += 1
        _log.warning("a dead letter", subject=subject, message=came_from, code=code, reason=said[REASON])

    async def is_told(self, subject: str, came_from: str, at: datetime) -> bool:
        """Whether there is a letter of a message, or of a later one of its stream and subject, already.

        It is for messages that are taken one after the other, again from an earlier place after a restart.

        Raises:
            NatsError: that cannot be seen now.
        """
        from nats.js.errors import NotFoundError

        stream = await self._connection.stream()
        try:
            async with asyncio.timeout(_TAKEN_S):
                last = await stream.get_last_msg(await self._stream(), _subject_of(subject))
        except NotFoundError:
            return False
        except Exception as error:  # the library raises many kinds
            self._kept_in = None
            why = str(error) or type(error).__name__
            raise NatsError(f"the dead letters of {subject} cannot be looked at: {why}") from error
        place, _, behind = (last.headers or {}).get(_ID, "").rpartition("@")
        is_same_stream = place.rpartition("/")[0] == came_from.rpartition("/")[0]
        told_until: str = behind.rpartition("/")[0]
        return is_same_stream and told_until >= format_time(at)

    async def _stream(self) -> str:
        """The name of the stream that keeps them, which is made where there is none."""
        if self._kept_in is None:
            stream = await self._connection.stream()
            found = await find_or_make(stream, STREAM, (f"{DEAD}.>",), max_age_s=KEPT_S)
            self._kept_in = found.config.name or STREAM
        return self._kept_in

    async def _put(self, subject: str, data: bytes, kept: Mapping[str, str], said: Mapping[str, str]) -> None:
        from nats.js.errors import APIError

        client = await self._connection.client()
        stream = client.jetstream()
        await self._stream()
        body, packed = packed_for(client.max_payload, data, kept, said)
        try:
            await stream.publish(subject, body, headers=packed)
        except APIError as error:
            if error.err_code != _TOO_LARGE_FOR_THE_STREAM:
                raise
            body, packed = packed_for(0, data, kept, said)
            await stream.publish(subject, body, headers=packed)


def _subject_of(subject: str) -> str:
    """Where the letters of a subject go."""
    return f"{DEAD}.{subject}"[:_LONGEST_SUBJECT].rstrip(".")


def packed_for(
    most: int, data: bytes, kept: Mapping[str, str], said: Mapping[str, str]
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a letter that has at most so many bytes, as far as leaving out helps.

    Args:
        kept: the sender's headers, which go together with the body.
        said: ours, which always stay.
    """
    whole = {**kept, **said}
    if len(data) + _size(whole) <= most:
        return data, whole
    return b"", {**said, TOO_LARGE: str(len(data)), HASH: hashlib.sha256(data).hexdigest()}


def _size(headers: Mapping[str, str]) -> int:
    return _ROOM + sum(
        len(f"{name}: {value}\r\n".encode(errors="replace")) for name, value in headers.items()
    )
