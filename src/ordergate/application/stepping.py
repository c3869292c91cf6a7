"""What the items of a batch lead to: each is stepped by itself, so that a bad one spoils no other."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from msgspec import Struct, field

from ordergate.application.engine import Engine, Step
from ordergate.application.entry import Encoded, Entry
from ordergate.application.inbox import Barrier, Item, Preview
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import RowReader
from ordergate.application.prefetch import Loaded, prefetch
from ordergate.domain.errors import ClockError, Defect, OutcomeUnknown, Refused, StoreError
from ordergate.domain.orders.reports import Report

_log = structlog.get_logger("ordergate.runner")


class Stepped(Struct):
    """What one item led to: an answer, or the error that its caller gets."""

    item: Item
    answer: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        """Does what is to be done then, and answers whoever waits."""
        if self.error is None and self.item.then is not None:
            self.item.then()
        self.item.answer(self.answer, self.error)


class Written(Struct):
    """What a batch adds to the journal."""

    entries: list[Entry] = field(default_factory=list)
    encoded: list[Encoded] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """Adds what a step led to."""
        self.entries += step.entries
        self.encoded += step.encoded


class Stepping:
    """Fetches what items name, and steps them."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    async def fetch(
        self, items: Sequence[Item], loaded: Loaded, reader: RowReader
    ) -> Mapping[int, Exception]:
        """Fetches what the items name; the errors of those that nothing can be fetched for, by their place.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            await self._fetch(items, loaded, reader)
        except (StoreError, OutcomeUnknown):
            raise
        except Exception:  # one of them names something that no store can look up
            return await self._fetch_apart(items, loaded, reader)
        return {}

    async def _fetch_apart(
        self, items: Sequence[Item], loaded: Loaded, reader: RowReader
    ) -> Mapping[int, Exception]:
        bad: dict[int, Exception] = {}
        for place, item in enumerate(items):
            try:
                await self._fetch([item], loaded, reader)
            except (StoreError, OutcomeUnknown):
                raise
            except Exception as error:
                bad[place] = error
        # And what only several of them name together.
        await self._fetch([item for place, item in enumerate(items) if place not in bad], loaded, reader)
        return bad

    async def _fetch(self, items: Sequence[Item], loaded: Loaded, reader: RowReader) -> None:
        inputs = [
            given.command if isinstance(given, Preview) else given
            for given in (item.given for item in items)
            if not isinstance(given, Barrier)
        ]
        await prefetch(inputs, self._engine.state, self._engine.view, reader, loaded)

    def step_all(
        self, items: Sequence[Item], bad: Mapping[int, Exception], written: Written
    ) -> list[Stepped]:
        """Steps a batch, but for those that nothing could be fetched for.

        Raises:
            Defect, ClockError: as `step`.
        """
        return [
            self.unhandled(item, bad[place], written) if place in bad else self.step(item, written)
            for place, item in enumerate(items)
        ]

    def step(self, item: Item, written: Written) -> Stepped:
        """Steps one item.

        Raises:
            Defect, ClockError: the run is over.
        """
        if isinstance(item.given, Barrier):
            return Stepped(item)
        engine, now = self._engine, self._clock.now()
        try:
            if isinstance(item.given, Preview):
                return Stepped(item, engine.preview(item.given.command, now, item.origin))
            step = engine.step(item.given, now, item.origin, item.raw)
        except (Defect, ClockError):
            raise
        except Exception as error:
            return self.unhandled(item, error, written)
        written.take(step)
        return Stepped(item, answer=step.answer)

    def unhandled(self, item: Item, error: Exception, written: Written) -> Stepped:
        """A command's caller gets the error; a report is quarantined, for nobody else will bring it again."""
        if not isinstance(error, Refused):
            _log.error("an input could not be handled", input=type(item.given).__name__, exc_info=error)
        if not isinstance(item.given, Report):
            return Stepped(item, error=error)
        step = self._engine.quarantine(item.given, self._clock.now(), error)
        written.take(step)
        return Stepped(item, answer=step.answer)
