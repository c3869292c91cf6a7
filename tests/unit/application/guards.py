"""A gate whose orders wait for others, in simulated time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from ordergate.adapters.clock import VirtualClock
from ordergate.adapters.ids import CountingIds, TimeIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.entry import Entry, decode
from ordergate.application.ports.gates import GateQuestion, Verdict
from ordergate.bootstrap import Gate, assemble
from ordergate.config import Config, FundSection
from ordergate.config.limits import LimitSections
from ordergate.config.risk import GateSection
from ordergate.domain.errors import NotFound
from ordergate.domain.orders.order import Order
from ordergate.domain.risk.limits import Limits
from ordergate.protocols.tlog import Signer
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.unit.application.gates import START


class Sentry:
    """A gate that says what a test tells it to, once `open` is set; a name of its own and what it was asked."""

    def __init__(self, name: str = "desk", verdict: object = Verdict(True), *, at_once: bool = True) -> None:
        self.name, self.verdict, self.asked = name, verdict, list[GateQuestion]()
        self.open = asyncio.Event()
        if at_once:
            self.open.set()

    async def check(self, question: GateQuestion) -> Verdict:
        self.asked.append(question)
        await self.open.wait()
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


class Agreeable(Sentry):
    """One that a configuration can name."""


class Named:
    """It has a name, and nothing else of a gate."""

    name = "desk"


def limited(*gates: str, sections: dict | None = None, **more) -> Config:
    """One fund whose orders wait for those gates."""
    limits = Limits(gates=gates, **more)
    return Config(
        funds={"paper-momentum": FundSection()},
        limits=LimitSections(funds={"paper-momentum": limits}),
        gates={name: GateSection() for name in gates} if sections is None else sections,
    )


@asynccontextmanager
async def guarded(
    config: Config, broker: ScriptedBroker, journal: MemoryJournal | None = None, start: datetime = START
) -> AsyncIterator[Gate]:
    signer = Signer(config.audit.origin, bytes(32))
    ids = CountingIds() if journal is None or start == START else TimeIds()  # names of a later run are new
    journal = MemoryJournal() if journal is None else journal
    async with assemble(config, journal, signer, VirtualClock(start), ids, [broker]) as gate:
        yield gate


async def entries(gate: Gate, kind: str | None = None) -> list[Entry]:
    """Of the journal, those whose event has that name."""
    lines = await gate.journal.lines(0, 1_000)
    decoded = [decode(line.data, index) for index, line in enumerate(lines)]
    return [one for one in decoded if kind in (None, type(one.event).__name__)]


async def now_is(gate: Gate, order_id: str = "ord-000001") -> Order:
    """The order, once everything that is under way is done."""
    await gate.clock.sleep(0.001)
    await gate.quiet()
    try:
        return await gate.queries.order(order_id)
    except NotFound:
        raise AssertionError(f"there is no order {order_id}") from None
