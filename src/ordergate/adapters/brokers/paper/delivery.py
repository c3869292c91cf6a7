"""Brings the venue's reports to the sink of a session, with or without faults.

A report's cursor says up to where everything has been delivered, so it stands still while one is held back.
"""

import asyncio
from typing import Final

from msgspec.structs import replace

from ordergate.adapters.brokers.paper.faults import Injector
from ordergate.adapters.brokers.paper.records import Record
from ordergate.application.ports.brokers import Sink
from ordergate.application.ports.clock import Clock

HELD_S: Final = 0.05
"""After this long without another report, those held back are delivered."""


class Delivery:
    """One session's stream of reports."""

    def __init__(self, sink: Sink, clock: Clock, after: int) -> None:
        self.sink = sink
        self._clock = clock
        self._delivered = after
        self._ahead: set[int] = set()
        self._held: list[Record] = []
        self._release: asyncio.Task[None] | None = None

    @property
    def cursor(self) -> str:
        """Up to where everything has been delivered."""
        return str(self._delivered)

    def deliver(self, records: list[Record], injector: Injector) -> None:
        """Delivers the reports that follow those before."""
        for record in records:
            if injector.hits("reorder_report"):
                self._held.append(record)
                continue
            self._emit(record)
            if injector.hits("duplicate_report"):
                self._emit(record)
            self._let_go()
        if self._held:
            self._let_go_later()

    def stop(self) -> None:
        """Delivers nothing more; what was held back comes again in the next session."""
        self._held.clear()
        if self._release is not None:
            self._release.cancel()
            self._release = None

    def _emit(self, record: Record) -> None:
        if record.sequence > self._delivered:
            self._ahead.add(record.sequence)
        while self._delivered + 1 in self._ahead:
            self._delivered += 1
            self._ahead.remove(self._delivered)
        self.sink.report(replace(record.report, cursor=self.cursor))

    def _let_go(self) -> None:
        while self._held:
            self._emit(self._held.pop())

    def _let_go_later(self) -> None:
        if self._release is None or self._release.done():
            self._release = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        await self._clock.sleep(HELD_S)
        self._let_go()
