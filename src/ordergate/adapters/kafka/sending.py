"""Sending: a batch is in the topic, in its order, or it comes again.

The producer is idempotent and waits for all replicas, so that within its life the records of a partition stay in
order and come once. It is thrown away at the first thing that goes wrong: what then comes again begins where the batch
began, and so the first of each record's copies are in order, too.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.kafka.target import KafkaError, Said, Target, common, library, refused
from ordergate.adapters.kafka.topic import Stopped, ensure

PATIENCE_S: Final = 10.0
"""Without a single record taken for so long, a batch is given up, and comes again."""
_ROTATED_S: Final = 1.0
"""The same where a password was rotated meanwhile."""
_TURN_S: Final = 0.1
OVERHEAD: Final = 4_096
"""Bytes of a message beside its value, at most: key, headers, framing."""


class TooLarge(KafkaError):
    """The brokers take no message of that size."""


class Message(Struct, frozen=True, gc=False):
    """One record."""

    key: str
    value: bytes
    headers: Sequence[tuple[str, str]]


class Sender:
    """Puts batches into a topic. Its methods block; one thread at a time calls them.

    Args:
        least: bytes that a message must be allowed to have, whatever the topic's settings.
    """

    def __init__(self, target: Target, least: int) -> None:
        self._target, self._least = target, least
        self._said = Said()
        self._producer: Any = None
        self._made_with = target.secrets
        self._most = self.room = target.message_max_bytes
        """`room` is the bytes that the topic takes in one message."""

    def check(self) -> None:
        """Raises KafkaError where the library is missing, or cannot use the settings; asks no broker."""
        self._close(self._made())

    def ready(self, stop: threading.Event) -> None:
        """Returns once the topic can be written.

        Raises:
            KafkaError: it cannot.
        """
        if self._producer is not None and self._made_with != self._target.secrets:
            self.close()  # a password was rotated; between two batches nothing is on its way
        if self._producer is None:
            self._made_with = self._target.secrets
            self.room = min(ensure(self._target, self._least, stop), self._most)
            self._producer = self._made()

    def send(self, messages: Sequence[Message], stop: threading.Event) -> None:
        """Returns once all of them are in the topic.

        Args:
            stop: set by who waits no longer.

        Raises:
            TooLarge: the brokers take less than they say; from here on as little as may be is sent at once.
            KafkaError: not all are known to be there; all come again.
        """
        self.ready(stop)
        batch = _Batch(len(messages))
        try:
            for message in messages:
                self._put(message, batch, stop)
            while batch.open:
                self._turn(batch, stop)
        except BaseException:
            self.close()
            raise

    def _put(self, message: Message, batch: "_Batch", stop: threading.Event) -> None:
        kafka = library()
        while True:
            try:
                self._producer.produce(
                    self._target.topic,
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers),
                    on_delivery=batch.told,
                )
            except BufferError:  # it holds as much as it may
                self._turn(batch, stop)
            except kafka.KafkaException as error:
                raise self._failed(error.args[0]) from error
            else:
                return

    def _turn(self, batch: "_Batch", stop: threading.Event) -> None:
        self._producer.poll(_TURN_S)
        if batch.error is not None:
            raise self._failed(batch.error)
        if stop.is_set():
            raise Stopped("was stopped")
        if batch.stands_still(_ROTATED_S) and self._made_with != self._target.secrets:
            raise KafkaError(f"{self._target.shown} took no record, and a password was rotated")
        if batch.stands_still(PATIENCE_S):
            why = f": {self._said.last}" if self._said.last else ""
            raise KafkaError(f"{self._target.shown} took no record for {PATIENCE_S:.0f} s{why}")

    def _failed(self, error: Any) -> KafkaError:
        text = f"{self._target.shown} did not take a record: {error.str()}"
        if error.code() != library().KafkaError.MSG_SIZE_TOO_LARGE:
            return KafkaError(text)
        self._most = self._least
        return TooLarge(f"{text}; its max.message.bytes must be {self._least} at least")

    def _made(self) -> Any:
        kafka = library()
        own = {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 2,
            "compression.type": "lz4",
            "message.max.bytes": self.room,
            "batch.size": min(self.room, 1_000_000),
            "queue.buffering.max.kbytes": 262_144,
            "message.timeout.ms": 0,  # a gap in a batch would put what follows out of order: all or none is given up
        }
        try:
            return kafka.Producer(common(self._target, self._said) | own)
        except (kafka.KafkaException, ValueError) as error:
            raise refused(error) from error

    def close(self) -> None:
        """Lets go of the brokers; what was on its way may have arrived or not."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._close(producer)

    @staticmethod
    def _close(producer: Any) -> None:
        producer.purge()
        producer.poll(0)


class _Batch:
    """What has become of the messages of one batch."""

    def __init__(self, count: int) -> None:
        self._open = count
        self._seen = time.monotonic()
        self.error: Any = None

    @property
    def open(self) -> bool:
        """Whether some are not known to be there."""
        return self._open > 0

    def stands_still(self, for_s: float) -> bool:
        """Whether none was taken for longer than that."""
        return time.monotonic() - self._seen > for_s

    def told(self, error: Any, _message: Any) -> None:
        """A delivery report."""
        self._seen = time.monotonic()
        if error is None:
            self._open -= 1
        elif self.error is None:
            self.error = error
