"""Letters on their way to JetStream: many at once, each answered on one inbox.

The library has a way of its own, which takes a timer, a task and a future a message, and several times as long.
"""

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from msgspec import Struct

from ordergate.adapters.nats import NatsError
from ordergate.adapters.outlets.nats.letters import Letter
from ordergate.domain.times import format_time
from ordergate.protocols.subjects import TOO_LARGE

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

ACK_S: Final = 5.0
"""How long an acknowledgement is waited for."""
LOG, JOURNAL, INDEX, TIME = "Ordergate-Log", "Ordergate-Journal", "Ordergate-Index", "Ordergate-Time"
_ROOM: Final = 2_048
"""For headers, which count for the largest payload."""
_NOBODY: Final = "503"
_log = structlog.get_logger("ordergate.nats")


class _Refusal(Struct, frozen=True, gc=False):
    description: str = ""


class _Ack(Struct, frozen=True, gc=False):
    """What JetStream answers: where it has put the message, or why it has not."""

    seq: int = 0
    error: _Refusal | None = None


_READ: Final = msgspec.json.Decoder(_Ack).decode


class Post:
    """Sends letters over a client, and waits for what is answered; one lot at a time."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._inbox = ""
        self._sent = 0
        self._waits: dict[str, Letter] = {}
        self._refused: str | None = None
        self._answered = asyncio.Event()
        self._turn = asyncio.Lock()

    async def send(self, client: "Client", letters: list[Letter]) -> None:
        """Returns once JetStream has every letter for good.

        Raises:
            NatsError: it has not, or does not say so in time; those that it has may be among them.
        """
        from nats.errors import Error

        async with self._turn:
            self._waits, self._refused = {}, None
            try:
                async with asyncio.timeout(ACK_S):
                    await self._open(client)
                    await self._hand_over(client, letters)
                async with asyncio.timeout(ACK_S):  # the library may have kept the other's end to itself
                    self._answered.clear()
                    if self._waits:
                        await self._answered.wait()
            except (Error, OSError, TimeoutError) as error:
                first = next(iter(self._waits.values()), letters[0])
                reason = "not acknowledged in time" if isinstance(error, TimeoutError) else repr(error)
                raise NatsError(f"{first.id} was not taken on {first.subject}: {reason}") from error
            finally:
                self._waits = {}
            if self._refused is not None:
                raise NatsError(self._refused)

    async def _open(self, client: "Client") -> None:
        if self._client is not client:
            inbox = client.new_inbox()
            await client.subscribe(f"{inbox}.*", cb=self._take)
            self._client, self._inbox = client, inbox

    async def _hand_over(self, client: "Client", letters: list[Letter]) -> None:
        for letter in letters:
            self._sent += 1
            reply = f"{self._inbox}.{self._sent}"
            self._waits[reply] = letter
            payload, headers = _packed(letter, client.max_payload)
            await client.publish(letter.subject, payload, reply=reply, headers=headers)

    async def _take(self, message: "Msg") -> None:
        """An answer; one that was no longer waited for is passed over."""
        letter = self._waits.pop(message.subject, None)
        if letter is None:
            return
        refusal = _refusal(message)
        if refusal is not None and self._refused is None:
            self._refused = f"{letter.id} was not taken on {letter.subject}: {refusal}"
        if not self._waits:
            self._answered.set()


def _refusal(message: "Msg") -> str | None:
    if message.headers and message.headers.get("Status") == _NOBODY:
        return "no stream takes that subject"
    try:
        ack = _READ(message.data)
    except (msgspec.DecodeError, RecursionError):
        return f"answered with {message.data[:80]!r}, not by JetStream"
    if ack.error is not None:
        return ack.error.description
    return None if ack.seq else f"answered with {message.data[:80]!r}, not by JetStream"


def _packed(letter: Letter, largest: int) -> tuple[bytes, dict[str, str]]:
    """Payload and headers; what is too large for the server goes without its payload, and says so."""
    headers = {
        "Nats-Msg-Id": letter.id,
        LOG: letter.log,
        JOURNAL: letter.journal,
        INDEX: str(letter.index),
        TIME: format_time(letter.time),
    }
    size = len(letter.payload)
    if size + _ROOM <= largest:
        return letter.payload, headers
    _log.error("a message is too large for the server", id=letter.id, size=size, most=largest)
    return b"", headers | {TOO_LARGE: str(size)}
