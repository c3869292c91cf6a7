"""Gates to measure: with the durable paper venue, with the same venue in memory, and with one that costs nothing."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from bench.orders import ASK, BID, RICH, quote
from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.adapters.brokers.paper.broker import CAPABILITIES
from ordergate.adapters.clock import SystemClock
from ordergate.adapters.ids import TimeIds
from ordergate.adapters.journals.database import open_journal
from ordergate.adapters.journals.stores import open_journal as open_journal_at
from ordergate.adapters.journals.stores import open_leases
from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.bootstrap import Gate, assemble, leave_to_itself
from ordergate.config import DEFAULT_BROKER, Config
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.orders.reports import Executed, Outcome
from ordergate.domain.orders.states import Side
from ordergate.protocols.tlog import Signer

_KEEPS_NOTHING: Final = replace(CAPABILITIES, statements=False)


class Venue(StrEnum):
    """What stands behind the gate."""

    DURABLE = "durable venue"
    MEMORY = "venue in memory"
    INSTANT = "instant venue"


class InstantBroker:
    """Fills every order at once and keeps nothing: what is left is the gate's own cost.

    Args:
        working: client ids of orders that it has from earlier, and lets be.
    """

    def __init__(self, working: frozenset[str] = frozenset()) -> None:
        self._clock, self._number, self._working = SystemClock(), 0, working
        self._sink: Sink | None = None

    @property
    def name(self) -> str:
        """As orders name it."""
        return DEFAULT_BROKER

    @property
    def capabilities(self) -> Capabilities:
        """Those of the paper venue, but that it keeps no account to tell of."""
        return _KEEPS_NOTHING

    @property
    def taken_over(self) -> bool:
        """Never: it has one node."""
        return False

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Keeps the sink."""
        self._sink = sink
        sink.quote(quote(self._clock.now()))

    async def submit(self, send: Send) -> Answer:
        """Accepts and fills."""
        self._number += 1
        if self._sink is not None:
            self._sink.report(
                Executed(
                    broker=self.name,
                    client_id=send.client_id,
                    broker_order_id=f"B{send.client_id}",
                    exec_id=f"E{send.client_id}",
                    time=self._clock.now(),
                    quantity=send.quantity,
                    price=ASK if send.side is Side.BUY else BID,
                    completes=True,
                    cursor=str(self._number),
                )
            )
        return Answer(outcome=Outcome.ACCEPTED, broker_order_id=f"B{send.client_id}")

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Nothing works here."""
        return Answer(outcome=Outcome.REJECTED, reason=f"{withdraw.order} has been filled")

    async def replace(self, change: Change) -> Answer:
        """Nothing works here."""
        return Answer(outcome=Outcome.REJECTED, reason=f"{change.order} has been filled")

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """It keeps nothing to look up."""
        return Lookup(presence=Presence.UNAVAILABLE, reason=f"{client_id} is not kept")

    async def open_orders(self) -> OpenOrders:
        """Those of earlier."""
        return OpenOrders(as_of=self._clock.now(), complete=True, client_ids=self._working)

    async def close(self) -> None:
        """Nothing to let go of."""


@asynccontextmanager
async def open_bench_gate(
    database: Path,
    venue: Venue = Venue.DURABLE,
    config: Config | None = None,
    working: frozenset[str] = frozenset(),
) -> AsyncIterator[Gate]:
    """A gate on a SQLite file, with signed checkpoints, and a market that fills the orders."""
    config = config or Config(limits=RICH)
    journal = open_journal(f"sqlite:///{database}")
    try:
        signer = Signer(config.audit.origin, bytes(32))
        broker: InstantBroker | PaperBroker = (
            InstantBroker(working) if venue is Venue.INSTANT else _paper(database, venue, config)
        )
        clock = SystemClock()
        async with assemble(config, journal, signer, clock, TimeIds(), [broker]) as gate:
            leave_to_itself()
            if isinstance(broker, PaperBroker):
                await gate.set_quote(DEFAULT_BROKER, quote(clock.now()))
            yield gate
    finally:
        await journal.close()


@asynccontextmanager
async def open_node(
    url: str, venue: Venue = Venue.DURABLE, sent: dict[str, float] | None = None
) -> AsyncIterator[Gate]:
    """A node on PostgreSQL, whose paper venue has a schema in the same database, and a market that fills orders.

    Args:
        sent: gets the time at which each order left, by its id.
    """
    config, clock = Config(limits=RICH), SystemClock()
    journal, leases = await open_journal_at(url), open_leases(url)
    try:
        signer = Signer(config.audit.origin, bytes(32))
        settings = config.brokers[DEFAULT_BROKER]
        place = url if venue is Venue.DURABLE else None
        broker = (
            InstantBroker()
            if venue is Venue.INSTANT
            else PaperBroker(DEFAULT_BROKER, settings, place, clock, config.catalogue)
        )
        if sent is not None:
            _note_sends(broker, sent)
        async with assemble(config, journal, signer, clock, TimeIds(), [broker], None, leases) as gate:
            leave_to_itself()
            if isinstance(broker, PaperBroker):
                await gate.set_quote(DEFAULT_BROKER, quote(clock.now()))
            yield gate
    finally:
        await leases.close()
        await journal.close()


def _note_sends(broker: InstantBroker | PaperBroker, sent: dict[str, float]) -> None:
    submit = broker.submit

    async def noted(send: Send) -> Answer:
        sent[order_id_of(send.client_id)] = time.perf_counter()
        return await submit(send)

    broker.submit = noted  # type: ignore[method-assign]


def venue_file(database: Path) -> Path:
    """The file of the durable venue beside a database."""
    return database.with_name(f"{database.name}.{DEFAULT_BROKER}")


def _paper(database: Path, venue: Venue, config: Config) -> PaperBroker:
    path = venue_file(database) if venue is Venue.DURABLE else None
    return PaperBroker(DEFAULT_BROKER, config.brokers[DEFAULT_BROKER], path, SystemClock(), config.catalogue)
