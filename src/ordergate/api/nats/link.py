"""What the door needs of the server: `ordergate.bootstrap` hands it in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct


class Server(Protocol):
    """A connection that is made again whenever it is lost."""

    async def client(self) -> Any:
        """The connected client of nats-py; raises OrdergateError while the server is away."""
        ...

    async def consumer(self, consumed: "Consumed") -> Any:
        """A pull subscription, with its stream and consumer made where they are not there; raises OrdergateError."""
        ...


class Letters(Protocol):
    """Where dead letters go."""

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
        """Returns once the letter is kept; raises OrdergateError where it is not."""
        ...


class Consumed(Struct, frozen=True, kw_only=True):
    """What is taken from a stream, by all nodes of one book together.

    Attributes:
        stream: its name where it must be made.
        durable: the consumer's name.
    """

    stream: str
    subjects: Sequence[str]
    durable: str
    kept_s: int
    ack_wait_s: int


class Message(Struct, frozen=True, kw_only=True):
    """A message as it came.

    Attributes:
        came_from: names it among all: the stream and the sequence in it, or what the door made up.
        at: when the server took it.
        deliveries: how often it was given out, this time included.
    """

    subject: str
    data: bytes
    headers: Mapping[str, str] | None
    came_from: str
    at: datetime
    deliveries: int = 1
