"""A running ordergate: a journal, its runner, and a session at every broker."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.adapters.brokers.sync import SyncSettings, broker_of, look_as_often_as
from ordergate.adapters.gates import check_gate
from ordergate.application.alerting import AlertLog
from ordergate.application.comparison import Comparison
from ordergate.application.engine import Command
from ordergate.application.entry import Origin
from ordergate.application.fitting import is_emulated
from ordergate.application.guarding import Guard
from ordergate.application.health import BrokersHealth
from ordergate.application.naming import Naming
from ordergate.application.outlets import EACH, Follower, Outlet, Pace
from ordergate.application.ownership import Keeper, Presence
from ordergate.application.ports.brokers import Broker
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.gates import RiskGate
from ordergate.application.ports.journal import Journal
from ordergate.application.ports.leases import Leases
from ordergate.application.queries import Queries
from ordergate.application.reconciliation import Reconciler
from ordergate.application.runner import Runner
from ordergate.application.secrets import Secrets
from ordergate.application.session import BrokerSession
from ordergate.application.view import GateTerms
from ordergate.application.workers import Workers
from ordergate.bootstrap.alerts import Alerts, target_of
from ordergate.bootstrap.beside import beside
from ordergate.bootstrap.configuring import configure
from ordergate.bootstrap.in_force import InForce
from ordergate.bootstrap.logins import Logins, session_at
from ordergate.bootstrap.paper_venues import introduce
from ordergate.config import Config, check_broker_name
from ordergate.domain.errors import Code, Conflict, NotFound, quoted
from ordergate.domain.market import Quote
from ordergate.domain.operations import Operation
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TimeInForce
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.case import BrokerAccount
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level
from ordergate.protocols.tlog import Verifier

_PAUSE_S: Final = 0.002


class Gate:
    """A running ordergate.

    Attributes:
        in_force: the configuration that is read from; another may be put there.
        runner: takes commands.
        brokers: by name.
        queries, lists: read orders, fills, positions; `lists` what may take long, see `reading_aside`.
        verifier, loop: of the checkpoints that it signs; that it runs on.
        health, logins: of the brokers.
        guard, workers, sessions, alerts, external_gates: what works beside the runner, on terms of the configuration.
        database, files: its file, None in memory and on a server; what files beside it are named after, None in memory.
        secrets: those in use.
        running: the runner at work; it ends before `close` only where it fails.
        keeper: has this node's duties.
    """

    def __init__(
        self,
        in_force: InForce,
        runner: Runner,
        journal: Journal,
        clock: Clock,
        brokers: Sequence[Broker],
        verifier: Verifier,
        leases: Leases,
        secrets: Secrets,
        database: Path | None = None,
        files: Path | None = None,
        gates: Mapping[str, RiskGate] = MappingProxyType({}),
    ) -> None:
        self.in_force, self.runner, self.journal, self.clock = in_force, runner, journal, clock
        self.brokers = {broker.name: broker for broker in brokers}
        self.verifier, self.database, self.files = verifier, database, files
        self.loop = asyncio.get_running_loop()
        self.running: asyncio.Task[None] | None = None
        self.queries = self.lists = Queries(journal)
        self.leases, self.secrets = leases, secrets
        self.keeper = Keeper(leases, clock, runner.fail)
        self.sessions: list[BrokerSession] = []
        self.logins = Logins(self.sessions, secrets, clock)
        view = runner.engine.view
        self.health = BrokersHealth(self.loop.time, view.sessions, alone=leases.node is None)
        parts = in_force, runner, clock, leases.node, self.health, self.queries.reader
        self._session_at = partial(session_at, *parts)
        view.account, view.replaces, view.operations = self._account_of, self._replaces, self._operations
        view.is_down = self.health.is_down
        self.guard = Guard(runner, clock, self.config.triggers)
        self.workers = Workers(runner, clock, in_force.worker_terms, self._emulated, self._look_up)
        naming = Naming(journal, self.config.audit.origin)
        self.alerts = Alerts(partial(self.follow, from_its_start=False), naming, clock)
        self.external_gates = gates
        for name, gate in gates.items():
            self.guard.gating.add(name, gate)

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.in_force.config

    def _emulated(self, broker: str, tif: TimeInForce) -> bool:
        known = self.brokers.get(broker)
        return known is not None and is_emulated(tif, known.capabilities)

    async def _look_up(self, order: Order) -> None:
        for session in self.sessions:
            await session.look_up(order)

    def _account_of(self, broker: str) -> BrokerAccount | None:
        return getattr(self.brokers.get(broker), "account", None)

    def _operations(self, broker: str) -> frozenset[Operation]:
        known = self.brokers.get(broker)
        return frozenset() if known is None else known.capabilities.operations

    def _replaces(self, broker: str) -> bool:
        return broker in self.brokers and self.brokers[broker].capabilities.makes_smaller

    async def execute(self, command: Command, origin: Origin | None = None, raw: str | None = None) -> Any:
        """Runs a command; see `Runner.execute`."""
        return await self.runner.execute(command, origin or Origin(source="sdk"), raw)

    async def preview(self, command: Command, origin: Origin | None = None) -> Any:
        """What `execute` would answer now; see `Runner.preview`."""
        return await self.runner.preview(command, origin or Origin(source="sdk"))

    async def open(self) -> None:
        """Journals what is configured, and opens a session at every broker that no other node has.

        Raises:
            SecretError: alerts have a webhook, and no secret to sign them with.
        """
        await self.keeper.check_clock()
        if self.leases.node is not None:
            await self.keeper.add(Presence(self.leases.node))
        symbols = sorted(self.config.instruments.keys() | self.runner.engine.state.instruments.rows.keys())
        instruments = tuple(i for symbol in symbols if (i := self.config.catalogue(symbol)) is not None)
        await configure(self.runner, self.config, instruments)
        self.runner.listen(AlertLog().committed)  # before anything is sent
        self.alerts.turn(await target_of(self.config.alerts, self.secrets))
        await self.alerts.follow()
        for broker in self.brokers.values():
            await self._open_session(broker)
        await self.keeper.add(self.guard)
        await self.keeper.add(self.workers)

    def add_gate(self, gate: RiskGate, terms: GateTerms = GateTerms()) -> None:  # noqa: B008 (it is frozen)
        """Asks a gate of the embedder's own where limits name it. Every node of a journal needs the same ones.

        Raises:
            Conflict: another gate has that name.
            GateClassError: it is no such object.
        """
        check_gate(gate)
        self.guard.gating.add(gate.name, gate)
        self.runner.engine.view.gates[gate.name] = terms

    async def audit_failed(self, reason: str) -> None:
        """Halts the firm, for its journal is not what was signed.

        Raises:
            StoreError: the store cannot take it.
        """
        halt = ThrowSwitch(level=Level.FIRM, name="", reason=reason, trigger=Trigger.AUDIT)
        await self.runner.execute(halt, Origin(source="audit"))

    async def attach(self, name: str, made: object) -> None:
        """Takes up a broker that is an instance of somebody's own class; nothing, where it has that one.

        Raises:
            Conflict: another broker has that name.
            ConfigError: a broker cannot have that name.
            ClassError: it is no such class.
            StoreError: its notebook cannot be used.
        """
        known = self.brokers.get(name)
        if known is not None and getattr(known, "made", known) is made:
            return
        if known is not None:
            detail = f"{name!r} is another broker: give this one another name"
            raise Conflict(Code.BAD_VALUE, detail, "#/broker")
        check_broker_name(name, f"broker {name!r}")
        await self.take_up(broker_of(name, SyncSettings(), beside(self.files, name), self.clock, made))

    async def take_up(self, broker: Broker) -> None:
        """Opens a session at a broker that nobody has configured. Raises StoreError where that fails."""
        name, view = broker.name, self.runner.engine.view
        self.brokers[name] = broker
        view.brokers |= {name}
        try:
            await self._open_session(broker)
        except BaseException:
            del self.brokers[name], self.health.of[name]
            view.brokers -= {name}
            await broker.close()
            raise

    async def _open_session(self, broker: Broker) -> None:
        await introduce(broker, self.brokers, self.runner)
        look_as_often_as(broker, self.config.fills.look_every_ms)
        session = self._session_at(broker)
        await self.keeper.add(session)
        self.sessions.append(session)

    async def compare(self, broker: str) -> Comparison:
        """Compares the account at a broker with the broker's own record, now.

        Raises:
            NotFound: there is no broker of that name.
            Conflict: it tells nothing of the account, or another node has its session.
            StoreError: the store cannot be read or written.
        """
        return await self._reconciler(broker).compare()

    async def statement(self, broker: str) -> Statement | None:
        """What a broker says of the account now; None where it fails to. Raises as `compare`."""
        return await self._reconciler(broker).statement()

    def _reconciler(self, broker: str) -> Reconciler:
        session = next((one for one in self.sessions if one.lease == f"broker:{broker}"), None)
        if session is None:
            detail = f"{quoted(broker)} is no broker; there are {', '.join(sorted(self.brokers))}"
            raise NotFound(Code.UNKNOWN_BROKER, detail, "#/broker")
        if session.reconciler is None:
            why = self.health.why_away(broker) if broker in self.compared_brokers else "it is not told"
            raise Conflict(Code.NOT_COMPARED, f"the account at {broker} was not compared: {why}", "#/broker")
        return session.reconciler

    @property
    def compared_brokers(self) -> list[str]:
        """The names of the brokers that tell of their accounts."""
        return [name for name, broker in self.brokers.items() if broker.capabilities.statements]

    async def set_quote(self, broker: str, quote: Quote) -> None:
        """Sets the market of a paper venue, and lets it trade what that makes marketable.

        Raises:
            NotFound: no paper venue of that name, or no such instrument.
            Invalid: a price is not above zero, or a size below it.
            StoreError: no node of the venue could take it; see `PaperBroker.put_quote`.
        """
        await self._set(broker, quote)
        await self.quiet()

    async def put_quote(self, broker: str, quote: Quote) -> None:
        """As `set_quote`, but waits for the fills alone, not for everything else that is under way."""
        await self._set(broker, quote)
        await asyncio.sleep(0)  # a venue says at the end of a turn what the turn caused
        await self.runner.settled()

    async def _set(self, broker: str, quote: Quote) -> None:
        self.check_symbol(quote.symbol)
        await self.venue(broker).put_quote(quote)

    def check_symbol(self, symbol: str) -> None:
        """Raises NotFound unless there is such an instrument."""
        if self.runner.engine.view.instrument(symbol) is None:
            detail = f"{quoted(symbol)} is neither built in nor configured"
            raise NotFound(Code.UNKNOWN_SYMBOL, detail, "#/symbol")

    @property
    def paper_venues(self) -> list[str]:
        """The names of the brokers that are paper venues."""
        return [name for name, broker in self.brokers.items() if isinstance(broker, PaperBroker)]

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
            detail = f"{broker!r} is no paper venue; there are {known}"
            raise NotFound(Code.UNKNOWN_BROKER, detail, "#/broker")
        return venue

    async def quiet(self) -> None:
        """Returns once no call to a broker is under way and all that brokers have said is journalled."""
        await asyncio.sleep(0)  # a venue says at the end of a turn what the turn caused
        await self.runner.settled()
        while any(session.busy for session in self.sessions):
            await self.clock.sleep(_PAUSE_S)
            await self.runner.settled()

    async def follow(self, outlet: Outlet, *, from_its_start: bool = True, pace: Pace = EACH) -> None:
        """Feeds an outlet from where it was left, while no other node does; see `Follower`."""
        follower = Follower(outlet, self.journal, self.clock, from_its_start=from_its_start, pace=pace)
        self.runner.listen(follower.committed)
        await self.keeper.add(follower)

    async def answered(self, order_id: str, timeout_s: float) -> Order:
        """The order, once no request of it waits for an answer, or after that long as it is then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (await self.queries.order(order_id)).waits:
                    await self.clock.sleep(_PAUSE_S)
        return await self.queries.order(order_id)

    @property
    def shards(self) -> "Mapping[str, Gate]":
        """Itself alone, without a name: there are no shards."""
        return {"": self}

    async def find(self, _order_id: str) -> "Gate":
        """Where any order is."""
        return self

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """The last quote of each symbol."""
        return self.runner.engine.view.quotes

    def failed(self) -> None:
        """The runner has ended: other nodes take over as soon as the leases run out."""
        self.keeper.abandon()

    async def close(self) -> None:
        """Sends no more, finishes what waits, and lets go of the brokers."""
        self.runner.engine.view.sessions.clear()
        await self.logins.close()
        await self.keeper.close()
        for broker in self.brokers.values():
            if isinstance(broker, PaperBroker):
                await broker.unwatch()
        self.runner.stop()
