"""The configuration in a key-value bucket of a NATS server: one value, TOML or JSON."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from ordergate.adapters.config.text import tables_in
from ordergate.adapters.nats import Connection, NatsError
from ordergate.application.ports.configuration import Snapshot, SourceError

if TYPE_CHECKING:
    from nats.js.kv import KeyValue

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_WATCHED_S: Final = 300.0
"""After which the watch is made anew: one that died with a connection does not say so."""
_ANSWER_S: Final = 5.0
_log = structlog.get_logger("ordergate.config")


class KvSource:
    """A key of a bucket, on a connection of its own.

    A key that was deleted, and a bucket that is not there, say nothing: that is an error, and no empty configuration.
    """

    def __init__(self, connection: Connection, bucket: str, key: str) -> None:
        self._connection, self._bucket, self._key = connection, bucket, key

    @property
    def name(self) -> str:
        """Of this kind of source."""
        return "kv"

    @property
    def where(self) -> str:
        """For errors."""
        return f"key {self._key} of bucket {self._bucket} at {self._connection.shown}"

    async def fetch(self) -> Snapshot:
        """What the key says now, with the server's revision.

        Raises:
            SourceError: the server cannot be asked, there is no such key, or it says nothing that can be understood.
        """
        try:
            async with asyncio.timeout(_ANSWER_S):
                entry = await (await self._bucket_itself()).get(self._key)
        except NatsError as error:
            raise SourceError(f"{self.where}: {error}") from None
        except Exception as error:  # the library raises many kinds
            why = (
                "there is none" if "NotFound" in type(error).__name__ else str(error) or type(error).__name__
            )
            raise SourceError(f"{self.where}: {why}") from None
        return Snapshot(revision=str(entry.revision), values=tables_in(entry.value or b"", self.where))

    async def _bucket_itself(self) -> "KeyValue":
        return await (await self._connection.stream()).key_value(self._bucket)

    async def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` when the key has another value, until it is canceled; a watch that fails is made anew."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await self._watch_once(changed)
                pause = _FIRST_PAUSE_S
            except Exception as error:  # the library raises many kinds
                _log.info("a key is not watched now", key=self._key, error=str(error) or type(error).__name__)
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - so that not all come at once
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _watch_once(self, changed: Callable[[], None]) -> None:
        async with asyncio.timeout(_ANSWER_S):
            watcher = await (await self._bucket_itself()).watch(self._key)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_WATCHED_S * random.uniform(0.9, 1.1)):  # noqa: S311
                    async for entry in watcher:
                        if entry is not None:  # None is the end of what was there before
                            changed()
        finally:
            with suppress(Exception):
                async with asyncio.timeout(_ANSWER_S):
                    await watcher.stop()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Lets go of the connection."""
        await self._connection.close()
