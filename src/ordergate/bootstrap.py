"""Puts the parts together: the one place that names real adapters.

A `Gate` is a running ordergate: a journal, its runner, and a session at every broker.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ordergate import __version__
from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.adapters.clock import SystemClock
from ordergate.adapters.ids import TimeIds
from ordergate.adapters.journals.database import open_journal, path_of
from ordergate.adapters.secrets.audit_key import find_or_make_key
from ordergate.application.dispatch import Dispatcher
from ordergate.application.engine import Command, Engine
from ordergate.application.entry import Origin
from ordergate.application.nodes import load_tree
from ordergate.application.outlets import Follower, Outlet
from ordergate.application.ports.brokers import Broker
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.ids import Ids
from ordergate.application.ports.journal import Journal
from ordergate.application.queries import Queries
from ordergate.application.recovery import check_head, last_instant, load_state
from ordergate.application.runner import Runner
from ordergate.application.settlement import Settlement
from ordergate.application.tail import Tail
from ordergate.application.view import View
from ordergate.config import Config
from ordergate.domain.errors import Code, NotFound
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import Configure, OpenSession
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import Phase
from ordergate.protocols.tlog import Signer, Verifier

MEMORY: Final = "sqlite://"
_PAUSE_S: Final = 0.002


class Gate:
    """A running ordergate.

    Attributes:
        runner: takes commands.
        brokers: by name.
        queries: reads orders, fills, positions.
        verifier: of the checkpoints that it signs.
    """

    def __init__(
        self,
        config: Config,
        runner: Runner,
        journal: Journal,
        clock: Clock,
        brokers: Sequence[Broker],
        verifier: Verifier,
    ) -> None:
        self.config, self.runner, self.journal, self.clock = config, runner, journal, clock
        self.brokers = {broker.name: broker for broker in brokers}
        self.verifier = verifier
        self.queries = Queries(journal)
        self._dispatchers: list[Dispatcher] = []
        self._settlements: list[Settlement] = []
        self._followers: list[asyncio.Task[None]] = []

    async def execute(self, command: Command, origin: Origin | None = None, raw: str | None = None) -> Any:
        """Runs a command; see `Runner.execute`."""
        return await self.runner.execute(command, origin or Origin(source="sdk"), raw)

    async def open(self) -> None:
        """Journals what is configured and opens a session at every broker."""
        origin = Origin()
        symbols = sorted(self.config.instruments.keys() | self.runner.engine.state.instruments.rows.keys())
        instruments = tuple(i for symbol in symbols if (i := self.config.catalogue(symbol)) is not None)
        await self.runner.execute(Configure(self.config.fund_values(), instruments), origin)
        for name, broker in self.brokers.items():
            await self._open_session(name, broker, origin)

    async def _open_session(self, name: str, broker: Broker, origin: Origin) -> None:
        state, view = self.runner.engine.state, self.runner.engine.view
        epoch = await self.runner.execute(OpenSession(name, __version__), origin)
        session = state.sessions.rows[name]
        await broker.connect(self.runner, session.cursor)
        self._dispatchers.append(Dispatcher(broker, self.runner, epoch))
        settlement = Settlement(broker, self.runner, self.clock, epoch)
        self._settlements.append(settlement)
        view.sessions[name] = epoch
        await settlement.start()

    async def set_quote(self, broker: str, quote: Quote) -> None:
        """Sets the market of a paper venue, and lets it trade what that makes marketable.

        Raises:
            NotFound: no paper venue of that name.
            Invalid: no such instrument, or a price off its tick.
        """
        self.venue(broker).set_quote(quote)
        await self.quiet()

    def feed(self, quote: Quote) -> None:
        """A quote of a stream, for every paper venue."""
        for venue in self.brokers.values():
            if isinstance(venue, PaperBroker):
                venue.set_quote(quote)

    def venue(self, broker: str) -> PaperBroker:
        """The paper venue of that name.

        Raises:
            NotFound: there is none.
        """
        venue = self.brokers.get(broker)
        if not isinstance(venue, PaperBroker):
            known = ", ".join(n for n, b in self.brokers.items() if isinstance(b, PaperBroker))
            raise NotFound(
                Code.UNKNOWN_BROKER, f"{broker!r} is no paper venue; there are {known}", "#/broker"
            )
        return venue

    async def quiet(self) -> None:
        """Returns once no call to a broker is under way and all that brokers have said is journalled."""
        await asyncio.sleep(0)  # a venue says at the end of a turn what the turn caused
        await self.runner.settled()
        while any(dispatcher.busy for dispatcher in self._dispatchers):
            await self.clock.sleep(_PAUSE_S)
            await self.runner.settled()

    def follow(self, outlet: Outlet) -> None:
        """Feeds an outlet from where it left off."""
        follower = Follower(outlet, self.journal, self.clock)
        self.runner.listen(follower.committed)
        self._followers.append(asyncio.get_running_loop().create_task(follower.run()))

    async def answered(self, order_id: str, timeout_s: float) -> Order:
        """The order, once no request of it waits for an answer, or after that long as it is then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (order := await self.queries.order(order_id)) and _waits(order):
                    await self.clock.sleep(_PAUSE_S)
        return await self.queries.order(order_id)

    async def close(self) -> None:
        """Sends no more, finishes what waits, and lets go of the brokers."""
        self.runner.engine.view.sessions.clear()
        for dispatcher in self._dispatchers:
            await dispatcher.close()
        for settlement in self._settlements:
            await settlement.close()
        for follower in self._followers:
            follower.cancel()
        await asyncio.gather(*self._followers, return_exceptions=True)
        for broker in self.brokers.values():
            await broker.close()
        self.runner.stop()


def _waits(order: Order) -> bool:
    return any(request.phase in (Phase.SENT, Phase.UNKNOWN) for request in order.requests)


@asynccontextmanager
async def open_gate(
    config: Config, url: str | None = None, *, clock: Clock | None = None, ids: Ids | None = None
) -> AsyncIterator[Gate]:
    """A running gate on a database, recovered to where it was.

    Args:
        url: of the database; None takes the configured one.

    Raises:
        StoreError, AuditError, AuditKeyError: the database or its key cannot be used.
    """
    url, clock = url or config.database.url, clock or SystemClock()
    journal = open_journal(url)
    try:
        key_file = Path(config.audit.key_file) if config.audit.key_file else None
        key = find_or_make_key(config.audit.origin, key_file, path_of(url))
        brokers = _brokers(config, path_of(url), clock)
        async with assemble(config, journal, key.signer, clock, ids or TimeIds(), brokers) as gate:
            yield gate
    finally:
        await journal.close()


@asynccontextmanager
async def assemble(
    config: Config, journal: Journal, signer: Signer, clock: Clock, ids: Ids, brokers: Sequence[Broker]
) -> AsyncIterator[Gate]:
    """A running gate from parts; the journal stays open behind it."""
    runner = await _runner(config, journal, signer, clock, ids)
    gate = Gate(config, runner, journal, clock, brokers, signer.verifier)
    running = asyncio.get_running_loop().create_task(runner.run())
    try:
        await _together(gate.open(), running)
        yield gate
    finally:
        await gate.close()
        await running


async def _together(opening: Any, running: asyncio.Task[None]) -> None:
    """Waits for the opening; a runner that fails meanwhile says why."""
    task = asyncio.ensure_future(opening)
    done, _pending = await asyncio.wait({task, running}, return_when=asyncio.FIRST_COMPLETED)
    if running in done:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await running
    await task


async def _runner(config: Config, journal: Journal, signer: Signer, clock: Clock, ids: Ids) -> Runner:
    head = await journal.head()
    tree = await load_tree(journal, head.size)
    check_head(head, tree.root())
    view = View(
        instrument=config.catalogue,
        new_order_id=ids.order_id,
        brokers=frozenset(config.brokers),
        signals=config.signal_routing(),
    )
    state = await load_state(journal)
    engine = Engine(state, view, head.size, await last_instant(journal, head))
    return Runner(engine, journal, Tail(signer, tree), clock)


def _brokers(config: Config, database: Path | None, clock: Clock) -> list[Broker]:
    def beside(name: str) -> Path | None:
        return None if database is None else database.with_name(f"{database.name}.{name}")

    return [
        PaperBroker(name, settings, beside(name), clock, config.catalogue)
        for name, settings in config.brokers.items()
    ]
