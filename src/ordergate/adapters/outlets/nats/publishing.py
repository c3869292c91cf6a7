"""Publishing to JetStream: a message is delivered once the server says that it has it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct

from ordergate.adapters.nats import Connection, NatsError
from ordergate.adapters.outlets.nats.letters import Letter
from ordergate.application.outlets import LONGEST_PAUSE_S
from ordergate.application.ports.leases import LEASE_S, SEND_S
from ordergate.domain.times import format_time

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import StreamConfig

ACK_S: Final = 5.0
"""How long an acknowledgement is waited for."""
RETRY_S: Final = LONGEST_PAUSE_S + ACK_S + LEASE_S + SEND_S
"""The longest time after which a message is sent again while the server can be reached, by another node perhaps."""
WINDOW_S: Final = 600.0
"""How long a stream of ours knows a message's id again."""
_AT_ONCE: Final = 256
LOG, INDEX, TIME, TOO_LARGE = "Ordergate-Log", "Ordergate-Index", "Ordergate-Time", "Ordergate-Too-Large"
_log = structlog.get_logger("ordergate.nats")


class StreamTerms(Struct, frozen=True, kw_only=True):
    """How a stream is made where there is none.

    Attributes:
        max_age_s: how long a message is kept; None is for ever.
    """

    name: str
    replicas: int = 1
    max_age_s: float | None = None


class Stream:
    """The stream that takes our subjects, or those of them that no other stream takes; made where it is missing.

    What somebody else has set of it stays as it is; `ordergate doctor` looks at that.
    """

    def __init__(self, connection: Connection, terms: StreamTerms, subjects: Sequence[str]) -> None:
        self._connection, self._terms, self._subjects = connection, terms, tuple(subjects)
        self._turn = asyncio.Lock()
        self._there = False

    async def publish(self, letters: Sequence[Letter]) -> None:
        """Returns once the server has all of them for good.

        Raises:
            NatsError: it has not, or does not say so; those that it has may be among them.
        """
        try:
            stream = await self._ready()
            largest = (await self._connection.client()).max_payload
            for wave in _waves(letters):
                for part in _parts(wave):
                    await _together(stream, part, largest)
        except NatsError:
            self._there = False  # it may have been deleted
            raise

    async def _ready(self) -> "JetStreamContext":
        stream = await self._connection.stream()
        async with self._turn:
            if not self._there:
                try:
                    await self._make(stream)
                except Exception as error:  # the library raises many kinds
                    detail = str(error) or type(error).__name__
                    raise NatsError(f"stream {self._terms.name} cannot be made: {detail}") from error
                self._there = True
        return stream

    async def _make(self, stream: "JetStreamContext") -> None:
        from nats.js.errors import NotFoundError

        try:
            known: StreamConfig | None = (await stream.stream_info(self._terms.name)).config
        except NotFoundError:
            known = None
        missing = [subject for subject in self._subjects if not await _taken(stream, subject)]
        if known is not None and missing:
            known.subjects = [*(known.subjects or ()), *missing]
            await stream.update_stream(known)
        elif missing:
            await stream.add_stream(self._terms_of(missing))
            _log.info("stream made", stream=self._terms.name, subjects=missing)

    def _terms_of(self, subjects: list[str]) -> "StreamConfig":
        from nats.js.api import StorageType, StreamConfig

        age = self._terms.max_age_s
        return StreamConfig(
            name=self._terms.name,
            description="ordergate: what happened, in the order of its journal",
            subjects=subjects,
            storage=StorageType.FILE,
            num_replicas=self._terms.replicas,
            max_age=age,
            duplicate_window=WINDOW_S if age is None else min(WINDOW_S, age),
            allow_direct=True,
        )


async def _taken(stream: "JetStreamContext", subject: str) -> bool:
    from nats.js.errors import NotFoundError

    try:
        await stream.find_stream_name_by_subject(subject)
    except NotFoundError:
        return False
    return True


def _waves(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """First the first of every chain, then the second of every chain, and so on: none overtakes another of its own."""
    chains: dict[tuple[str, str], list[Letter]] = defaultdict(list)
    for letter in letters:
        chains[letter.chain].append(letter)
    for wave in zip_longest(*chains.values()):
        yield [letter for letter in wave if letter is not None]


def _parts(wave: list[Letter]) -> Iterator[list[Letter]]:
    yield from (wave[first : first + _AT_ONCE] for first in range(0, len(wave), _AT_ONCE))


async def _together(stream: "JetStreamContext", letters: list[Letter], largest: int) -> None:
    """Publishes them all at once. Raises NatsError, when all are answered or given up, unless all have arrived."""
    answers = await asyncio.gather(
        *(_publish(stream, letter, largest) for letter in letters), return_exceptions=True
    )
    for letter, answer in zip(letters, answers, strict=True):
        if isinstance(answer, Exception):
            reason = str(answer) or type(answer).__name__
            raise NatsError(f"{letter.id} was not taken on {letter.subject}: {reason}") from answer


async def _publish(stream: "JetStreamContext", letter: Letter, largest: int) -> None:
    headers = {
        "Nats-Msg-Id": letter.id,
        LOG: letter.log,
        INDEX: str(letter.index),
        TIME: format_time(letter.time),
    }
    payload = letter.payload
    if len(payload) + _ROOM > largest:
        _log.error("a message is too large for the server", id=letter.id, size=len(payload), most=largest)
        payload, headers[TOO_LARGE] = b"", str(len(payload))
    await stream.publish(letter.subject, payload, timeout=ACK_S, headers=headers)


_ROOM: Final = 2_048
"""For headers, which count for the largest payload."""
