"""What all operations of the door share: the gate, the figures, and news of commits."""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ordergate import __version__
from ordergate.api.gate import Gate
from ordergate.api.metrics import Metrics
from ordergate.application.entry import Entry
from ordergate.application.reloading import Reloading


class Door:
    """The door of one running gate.

    Attributes:
        reloading: who keeps the configuration; None where nobody does.
        instance: names this run of the service, and no other.
        closing: the service is about to end; streams end now.
    """

    def __init__(self, gate: Gate, reloading: Reloading | None = None) -> None:
        self.gate, self.reloading = gate, reloading
        runners = {name: shard.runner for name, shard in gate.shards.items()}
        health = {name: shard.health for name, shard in gate.shards.items()}
        self.metrics = Metrics(runners, __version__, reloading, health)
        self.instance = secrets.token_hex(16)
        self.closing = False
        self._waiting: set[asyncio.Event] = set()
        self._prefix, self._count = f"req-{secrets.token_hex(4)}-", 0
        for shard in gate.shards.values():
            shard.runner.listen(self._committed)

    def new_request_id(self) -> str:
        """An id for a request that brings none."""
        self._count += 1
        return f"{self._prefix}{self._count:x}"

    def close(self) -> None:
        """Ends the streams; everything else ends by itself."""
        self.closing = True
        self._wake()

    def _committed(self, _entries: Sequence[Entry]) -> None:
        self._wake()

    def _wake(self) -> None:
        for news in self._waiting:
            news.set()

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever something was committed, or the door closes."""
        news = asyncio.Event()
        self._waiting.add(news)
        self.metrics.streams.inc()
        try:
            yield news
        finally:
            self._waiting.discard(news)
            self.metrics.streams.dec()
