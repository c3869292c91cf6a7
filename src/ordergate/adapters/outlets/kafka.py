"""The archive: every entry of the journal, with its order as it stood, in a topic of Kafka.

Sending blocks, so a batch is handed to a thread as a whole; the library's asyncio producer would cost a future, and a
turn of the gate's loop, for each record.
"""

import asyncio
import threading
from collections.abc import Sequence
from typing import Final

from ordergate.adapters.kafka import KafkaError, Message, Sender, Target
from ordergate.adapters.kafka.sending import OVERHEAD
from ordergate.application.archiving import LEAST_ROOM, Archived, Archivist, KeyBy, fitted
from ordergate.application.entry import Entry
from ordergate.application.ports.journal import JournalReader

LEAST_BYTES: Final = LEAST_ROOM + OVERHEAD
_AT_ONCE: Final = 100
_TURN: Final = 20


def cursor_of(topic: str) -> str:
    """The name of the archive's cursor: another topic is filled from the journal's start."""
    return f"kafka.{topic}"


class KafkaArchive:
    """An outlet that archives everything.

    Args:
        log: the origin of the journal.
        reader: of the journal.
    """

    def __init__(self, target: Target, key: KeyBy, log: str, reader: JournalReader) -> None:
        self._target, self._log, self._reader = target, log, reader
        self._archivist = Archivist(reader, log, key)
        self._sender = Sender(target, LEAST_BYTES)

    @property
    def name(self) -> str:
        """Of its cursor."""
        return cursor_of(self._target.topic)

    def check(self) -> None:
        """Raises KafkaError where it could never work: without the library, or with settings that it refuses."""
        self._sender.check()

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Returns once all of them are in the topic, on all of its replicas that are in step.

        Raises:
            KafkaError: they are not known to be.
        """
        await self._in_thread(())
        for start in range(0, len(entries), _AT_ONCE):
            part = entries[start : start + _AT_ONCE]
            await self._in_thread(await self._messages(part[0].index, len(part)))

    async def _messages(self, first: int, count: int) -> list[Message]:
        """Made of the stored bytes, a few at a time, for the gate's loop is not to wait for them."""
        messages: list[Message] = []
        for start in range(first, first + count, _TURN):
            lines = await self._reader.lines(start, min(_TURN, first + count - start))
            messages += [self._message(one) for one in await self._archivist.archive(start, lines)]
            await asyncio.sleep(0)
        return messages

    def _message(self, archived: Archived) -> Message:
        record = archived.record
        room = self._sender.room - OVERHEAD
        headers = (("log", self._log), ("index", str(record.index)), ("kind", record.kind))
        return Message(archived.key, fitted(record, room), headers)

    async def _in_thread(self, messages: Sequence[Message]) -> None:
        """Sends; without messages, makes ready to."""
        stop = threading.Event()
        sending = asyncio.ensure_future(asyncio.to_thread(self._sender.send, messages, stop))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait({sending})
            sending.exception()  # seen: nobody waits for it
            raise

    async def close(self) -> None:
        """Lets go of the brokers."""
        await asyncio.to_thread(self._sender.close)


__all__ = ["LEAST_BYTES", "KafkaArchive", "KafkaError", "cursor_of"]
