"""Reading a topic from its beginning to its present end; no group, and nothing is committed."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.kafka.target import KafkaError, Said, Target, common, library, refused

PATIENCE_S: Final = 20.0
_AT_ONCE: Final = 1_000
_TURN_S: Final = 0.25


class Taken(Struct, frozen=True, gc=False):
    """One record as it lies in the topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Reading:
    """One run through a topic.

    Attributes:
        about: how many records there are, about; brokers without transactions say it exactly.
        gone: partitions whose first records have been deleted, with the offset at which each begins.
    """

    def __init__(self, target: Target) -> None:
        self._target, self._said = target, Said()
        self._consumer: Any = None
        self._unfinished: set[int] = set()
        self.about = 0
        self.gone: dict[int, int] = {}

    async def begin(self) -> None:
        """Finds the topic's partitions.

        Raises:
            KafkaError: the brokers cannot be reached, or there is no such topic.
        """
        await asyncio.to_thread(self._begin)

    def _begin(self) -> None:
        kafka = library()
        own = {
            "group.id": "ordergate-archive-verify",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
            "auto.offset.reset": "error",
            "fetch.message.max.bytes": max(self._target.message_max_bytes, 1_048_576),
        }
        try:
            self._consumer = kafka.Consumer(common(self._target, self._said) | own)
            found = self._consumer.list_topics(self._target.topic, timeout=PATIENCE_S)
            topic = found.topics[self._target.topic]
            if topic.error is not None or not topic.partitions:
                raise KafkaError(f"there is no {self._target.shown}")
            self._assign(kafka, sorted(topic.partitions))
        except (kafka.KafkaException, ValueError) as error:
            raise KafkaError(
                f"{self._target.shown} cannot be read: {self._said.last or refused(error)}"
            ) from error

    def _assign(self, kafka: Any, partitions: list[int]) -> None:
        starts = []
        for number in partitions:
            first, end = self._consumer.get_watermark_offsets(
                kafka.TopicPartition(self._target.topic, number), timeout=PATIENCE_S
            )
            starts.append(kafka.TopicPartition(self._target.topic, number, first))
            self.about += end - first
            if first:
                self.gone[number] = first
        self._unfinished = set(partitions)
        self._consumer.assign(starts)

    async def records(self) -> AsyncIterator[list[Taken]]:
        """In pieces, until the end of every partition has been seen.

        Raises:
            KafkaError: the brokers give nothing more for too long.
        """
        kafka, seen = library(), time.monotonic()
        while self._unfinished:
            messages = await asyncio.to_thread(self._consumer.consume, _AT_ONCE, _TURN_S)
            taken = [one for message in messages if (one := self._taken(kafka, message)) is not None]
            if messages:
                seen = time.monotonic()
            elif time.monotonic() - seen > PATIENCE_S:
                why = f": {self._said.last}" if self._said.last else ""
                raise KafkaError(f"{self._target.shown} gave nothing for {PATIENCE_S:.0f} s{why}")
            if taken:
                yield taken

    def _taken(self, kafka: Any, message: Any) -> Taken | None:
        error = message.error()
        if error is None:
            return Taken(message.partition(), message.offset(), message.key(), message.value())
        if error.code() == kafka.KafkaError._PARTITION_EOF:
            self._unfinished.discard(message.partition())
            return None
        raise KafkaError(f"{self._target.shown} cannot be read: {error.str()}")

    async def close(self) -> None:
        """Lets go of the brokers."""
        if self._consumer is not None:
            await asyncio.to_thread(self._consumer.close)
