"""A gate over a scripted broker, in simulated time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

from ordergate.adapters.clock import VirtualClock
from ordergate.adapters.ids import CountingIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.ports.journal import Journal
from ordergate.bootstrap import Gate, assemble
from ordergate.config import Config, FundSection
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side
from ordergate.protocols.tlog import Signer
from ordergate.testing.scripted_broker import ScriptedBroker

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
CONFIG = Config(funds={"paper-momentum": FundSection(unlimited=True)})
"""Without limits, so that orders pass though nobody quotes."""


@asynccontextmanager
async def scripted_gate(broker: ScriptedBroker, journal: Journal | None = None) -> AsyncIterator[Gate]:
    signer = Signer(CONFIG.audit.origin, bytes(32))
    clock = VirtualClock(START)
    async with assemble(CONFIG, journal or MemoryJournal(), signer, clock, CountingIds(), [broker]) as gate:
        yield gate


def buy(key: str = "key-1", **changes) -> SubmitOrder:
    order = {
        "fund_id": "paper-momentum",
        "symbol": "AAPL",
        "side": Side.BUY,
        "quantity": Decimal(100),
        "order_type": OrderType.MARKET,
        "key_kind": "idempotency_key",
        "key": key,
    }
    return SubmitOrder(**(order | changes))
