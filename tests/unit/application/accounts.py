"""A gate at a paper venue whose statements and lookups a test can falsify, in simulated time."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ordergate.adapters.brokers.paper import PaperBroker, PaperSettings
from ordergate.adapters.clock import VirtualClock
from ordergate.adapters.ids import TimeIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.ports.brokers import Lookup
from ordergate.bootstrap import Gate, assemble
from ordergate.config import Config, FundSection
from ordergate.config.reconciliation import ReconciliationSection
from ordergate.domain.breaks import Break
from ordergate.domain.instruments import built_in
from ordergate.domain.market import Quote
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Executed
from ordergate.domain.recon.statement import Statement
from ordergate.protocols.tlog import Signer
from tests.unit.application.gates import START, buy

Edit = Callable[[Statement], Statement]


class LyingBroker(PaperBroker):
    """A paper venue between which and the gate somebody edits what is said.

    Attributes:
        edits: of statements, in their order.
        mute: orders that lookups do not tell executions of.
    """

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.edits: list[Edit] = []
        self.mute = False
        self.asked = 0

    async def statement(self, since: datetime) -> Statement:
        self.asked += 1
        told = await super().statement(since)
        for edit in self.edits:
            told = edit(told)
        return told

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        found = await super().lookup(client_id, broker_order_id)
        if self.mute:
            found = replace(found, reports=tuple(r for r in found.reports if not isinstance(r, Executed)))
        return found


def config(**section: Any) -> Config:
    return Config(
        funds={"paper-momentum": FundSection(unlimited=True)},
        reconciliation=ReconciliationSection(**section),
    )


@asynccontextmanager
async def account(
    journal: MemoryJournal | None = None,
    settings: PaperSettings = PaperSettings(),  # noqa: B008
    start: datetime = START,
    broker: LyingBroker | None = None,
    **section: Any,
) -> AsyncIterator[tuple[Gate, LyingBroker]]:
    """A gate, its venue, AAPL at 180 to 181."""
    how, clock = config(**section), VirtualClock(start)
    broker = broker or LyingBroker("paper", settings, None, clock, built_in)
    broker._clock = clock
    signer = Signer(how.audit.origin, bytes(32))
    journal = MemoryJournal() if journal is None else journal
    async with assemble(how, journal, signer, clock, TimeIds(), [broker]) as gate:
        market(gate)
        yield gate, broker


def market(gate: Gate, bid: int = 180, size: int | None = None) -> None:
    sizes = () if size is None else (Decimal(size), Decimal(size))
    gate.venue("paper").set_quote(Quote("AAPL", gate.clock.now(), Decimal(bid), Decimal(bid + 1), *sizes))


async def bought(gate: Gate, key: str, quantity: int = 100, **more: Any) -> Order:
    made = await gate.execute(buy(key, quantity=Decimal(quantity), **more))
    await gate.quiet()
    return await gate.queries.order(made.order.order_id)


async def breaks(gate: Gate) -> list[Break]:
    return sorted(await gate.journal.select("breaks"), key=lambda row: row.raised_at)
