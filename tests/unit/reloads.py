"""A gate in simulated time whose sources of configuration a test can make say anything."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.ids import TimeIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.entry import Origin
from ordergate.application.ports.configuration import Snapshot, SourceError
from ordergate.application.reloading import Outcome, Reload, SourceState
from ordergate.bootstrap import Gate, assemble
from ordergate.bootstrap.in_force import InForce
from ordergate.bootstrap.reloading import Reloader
from ordergate.bootstrap.secrets import secrets_of
from ordergate.bootstrap.sources import Begun
from ordergate.config.sources import merged, whole
from ordergate.domain.market import Quote
from ordergate.domain.orders.order import Order
from ordergate.protocols.tlog import Signer
from tests.unit.application.accounts import LyingBroker
from tests.unit.application.gates import START, buy
from tests.unit.application.guards import entries

D = Decimal
BASE: dict[str, Any] = {"funds": {"paper-momentum": {"unlimited": True}}}


class Source:
    """Says what a test tells it to; an error instead, where it is one."""

    def __init__(self, values: Mapping[str, Any], name: str = "file") -> None:
        self.name, self.values, self.revision = name, values, 0
        self.error: Exception | None = None
        self.changed: Callable[[], None] | None = None
        self.asked = 0
        self.watched = asyncio.Event()

    def say(self, *tables: Mapping[str, Any]) -> None:
        self.values, self.error, self.revision = merged(tables), None, self.revision + 1

    async def fetch(self) -> Snapshot:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Snapshot(revision=str(self.revision), values=self.values)

    async def watch(self, changed: Callable[[], None]) -> None:
        self.changed = changed
        self.watched.set()
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


class Room:
    """A gate, its venue, its reloader, and the sources that it asks."""

    def __init__(
        self, gate: Gate, broker: LyingBroker, sources: list[Source], base: Mapping[str, Any], begun: Begun
    ) -> None:
        self.gate, self.broker, self.sources, self.base = gate, broker, sources, base
        self.source, self.reloader = sources[0], Reloader(gate, begun)

    async def reload(self, *tables: Mapping[str, Any]) -> Reload:
        """The base with these over it, read again."""
        self.source.say(self.base, *tables)
        return await self.reloader.reload()

    async def applied(self, *tables: Mapping[str, Any]) -> list[str]:
        """The same, taken over; the keys that changed."""
        done = await self.reload(*tables)
        assert done.outcome is Outcome.APPLIED, done
        return [change.key for change in done.changed]

    async def refused(self, *tables: Mapping[str, Any]) -> str:
        before = self.gate.config
        done = await self.reload(*tables)
        assert done.outcome is Outcome.REFUSED, done
        assert self.gate.config is before
        assert not self.reloader.is_sound
        return done.reason or ""

    async def buy(self, key: str, **more: Any) -> Order:
        made = await self.gate.execute(buy(key, **more), Origin(principal="ann"))
        await self.gate.quiet()
        return await self.gate.queries.order(made.order.order_id)

    def quote(
        self, bid: str = "180", ask: str = "181", symbol: str = "AAPL", size: int | None = None
    ) -> None:
        sizes = () if size is None else (D(size), D(size))
        self.gate.venue("paper").set_quote(Quote(symbol, self.gate.clock.now(), D(bid), D(ask), *sizes))

    async def later(self, **span: float) -> None:
        await self.gate.clock.sleep(timedelta(**span).total_seconds())
        await self.gate.quiet()

    async def changes(self) -> list[Any]:
        return [one.event for one in await entries(self.gate, "ConfigurationChanged")]


def start_of(sources: list[Source], clock: VirtualClock) -> Begun:
    snapshots = {one.name: Snapshot(revision=str(one.revision), values=one.values) for one in sources}
    states = {
        name: (snapshot, SourceState(name=name, revision=snapshot.revision, read_at=clock.now()))
        for name, snapshot in snapshots.items()
    }
    config = whole(snapshots)
    return Begun(config, sources, states, None, secrets_of(config))


def reloaded(
    test: Callable[[Room], Awaitable[Any]],
    base: Mapping[str, Any] = BASE,
    others: Mapping[str, Mapping[str, Any]] | None = None,
    journal: MemoryJournal | None = None,
) -> Any:
    """Runs a test on such a room; `others` are further sources by name, over the file."""

    async def main() -> Any:
        clock = VirtualClock(START)
        sources = [Source(base), *(Source(values, name) for name, values in (others or {}).items())]
        begun = start_of(sources, clock)
        in_force = InForce(begun.config)
        settings = begun.config.brokers["paper"]
        assert isinstance(settings, PaperSettings)
        broker = LyingBroker("paper", settings, None, clock, in_force.catalogue)
        signer = Signer(begun.config.audit.origin, bytes(32))
        async with assemble(
            begun.config,
            journal or MemoryJournal(),
            signer,
            clock,
            TimeIds(),
            [broker],
            secrets=begun.secrets,
            in_force=in_force,
        ) as gate:
            room = Room(gate, broker, sources, base, begun)
            room.quote()
            return await test(room)

    return run_virtual(main())


__all__ = ["BASE", "D", "Room", "Source", "SourceError", "reloaded"]
