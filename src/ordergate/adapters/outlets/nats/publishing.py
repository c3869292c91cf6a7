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
from ordergate.adapters.outlets.nats.post import ACK_S, JOURNAL, LOG, Post
from ordergate.application.outlets import LONGEST_PAUSE_S
from ordergate.application.ports.leases import LEASE_S, SEND_S

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import RawStreamMsg, StreamConfig

RETRY_S: Final = LONGEST_PAUSE_S + ACK_S + LEASE_S + SEND_S
"""The longest time after which a message is sent again while the server can be reached, by another node perhaps."""
_AT_ONCE: Final = 32
"""Messages that are under way; orders have their turn between so many."""
WINDOW_S: Final = 600.0
"""How long a stream of ours knows a message's id again."""
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
        self._there = self._compared = False
        self._post = Post()

    async def publish(self, letters: Sequence[Letter]) -> None:
        """Returns once the server has all of them for good.

        Raises:
            NatsError: it has not, or does not say so; those that it has may be among them.
        """
        try:
            await self._ready(letters)
            client = await self._connection.client()
            for wave in _waves(letters):
                for part in _parts(wave):
                    await self._post.send(client, part)
        except NatsError:
            self._there = self._compared = False  # it may have been deleted
            raise

    async def _ready(self, letters: Sequence[Letter]) -> None:
        stream = await self._connection.stream()
        async with self._turn:
            if not self._there:
                try:
                    await self._make(stream)
                except Exception as error:  # the library raises many kinds
                    detail = str(error) or type(error).__name__
                    raise NatsError(f"stream {self._terms.name} cannot be made: {detail}") from error
                self._there = True
            if letters and not self._compared:
                await self._compare(stream, letters[0])
                self._compared = True

    async def _compare(self, stream: "JetStreamContext", ours: Letter) -> None:
        """Says loudly where another journal of the same origin was the last to publish.

        Nothing is lost by it, for ids have the journal; but whoever reads by origin takes the two for one.
        """
        try:
            found = [await _last(stream, subject) for subject in self._subjects]
        except Exception as error:  # the library raises many kinds
            _log.warning("who else publishes here cannot be seen", log=ours.log, error=repr(error))
            return
        theirs = _newest(ours.log, found)
        if theirs not in (None, ours.journal):
            _log.error(
                "another journal of this origin has published here: give each an audit.origin of its own, or begin "
                "the stream anew where the other is no more",
                log=ours.log,
                journal=ours.journal,
                other=theirs,
            )

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


async def _last(stream: "JetStreamContext", subject: str) -> "RawStreamMsg | None":
    """The last message of a subject, which may have wildcards."""
    from nats.js.errors import NotFoundError

    try:
        return await stream.get_last_msg(await stream.find_stream_name_by_subject(subject), subject)
    except NotFoundError:
        return None


def _newest(log: str, messages: Iterable["RawStreamMsg | None"]) -> str | None:
    """The journal of that origin that has published last, as far as a message says it."""
    told = [(one.time, one.headers) for one in messages if one is not None and one.time and one.headers]
    journals = [(at, said[JOURNAL]) for at, said in told if said.get(LOG) == log and JOURNAL in said]
    return max(journals)[1] if journals else None


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
