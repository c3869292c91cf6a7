"""What failover does at a start: nothing before the broker where an order waits is compared, or has long taken none."""

from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.ids import CountingIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.ports.brokers import LoginRefused, Lookup, Presence
from ordergate.bootstrap import Gate, assemble
from ordergate.config import Config, FundSection, PaperBroker
from ordergate.domain.breaks import Break, Cause
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Working
from ordergate.domain.orders.states import State
from ordergate.domain.recon.statement import Statement
from ordergate.domain.routing import Route
from ordergate.protocols.tlog import Signer
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.gates import START, buy

NAMES = ("one", "two")
SECTION = FundSection(unlimited=True, broker="one", routes=(Route(brokers=NAMES),))
CONFIG = Config(funds={"paper-momentum": SECTION}, brokers={name: PaperBroker() for name in NAMES})
ID = "ord-000001.1"


class Telling(ScriptedBroker):
    """Takes a while to tell of its account.

    Attributes:
        has: client ids of what works there.
        is_shut: it refuses our login.
    """

    def __init__(self, name: str, clock: VirtualClock) -> None:
        super().__init__(name, replace(CAPABILITIES, statements=True))
        self.clock, self.takes_s, self.is_shut, self.has = clock, 0.0, False, frozenset[str]()

    async def connect(self, *given: Any) -> None:
        if self.is_shut:
            raise LoginRefused("planted")
        await super().connect(*given)

    async def statement(self, since: datetime) -> Statement:
        await self.clock.sleep(self.takes_s)
        return Statement(
            as_of=self.clock.now(), complete=True, working=self.has, executions=(), executions_since=since
        )


def restarted(how, seconds: float) -> tuple[Order, list[Break], list[list[str]]]:
    """An order that waited at `one` when the first run ended, so long after the second began; breaks, and calls."""
    journal, ids, clock = MemoryJournal(), CountingIds(), VirtualClock(START)
    signer = Signer(CONFIG.audit.origin, bytes(32))

    async def main() -> tuple[Order, list[Break], list[list[str]]]:
        made = [Telling(name, clock) for name in NAMES]
        async with assemble(CONFIG, journal, signer, clock, ids, made) as gate:
            gate.runner.engine.view.sessions.clear()
            await gate.execute(buy())
        await clock.sleep(3_600)
        again = [Telling(name, clock) for name in NAMES]
        how(again[0])
        async with assemble(CONFIG, journal, signer, clock, ids, again) as gate:
            await clock.sleep(seconds)
            return await ended(gate, again)

    return run_virtual(main())


async def ended(gate: Gate, brokers: list[Telling]) -> tuple[Order, list[Break], list[list[str]]]:
    calls = [[call.client_id for call in broker.calls] for broker in brokers]
    return await gate.queries.order("ord-000001"), await gate.journal.select("breaks"), calls


def slow(broker: Telling) -> None:
    broker.takes_s = 5


def ahead(broker: Telling) -> None:
    slow(broker)
    broker.has = frozenset({ID})
    working = Working(broker=broker.name, client_id=ID)
    broker.lookups.extend([Lookup(presence=Presence.FOUND, reports=(working,))] * 10)


def shut(broker: Telling) -> None:
    broker.is_shut = True


def test_it_is_sent_where_it_waits_once_that_account_is_compared() -> None:
    order, breaks, calls = restarted(slow, 60)
    assert (order.broker, order.state, calls, breaks) == ("one", State.SUBMITTED, [[ID], []], [])


def test_it_is_sent_nowhere_where_the_restored_journal_is_older_than_the_account() -> None:
    order, breaks, calls = restarted(ahead, 60)
    assert (order.broker, order.state, calls) == ("one", State.CANCELED, [[], []])
    assert Cause.JOURNAL_BEHIND in {item.cause for item in breaks}


@pytest.mark.parametrize(("seconds", "broker"), [(20, "one"), (40, "two")])
def test_a_broker_that_takes_none_is_waited_for_from_the_start_on(seconds: int, broker: str) -> None:
    order, _breaks, _calls = restarted(shut, seconds)
    assert order.broker == broker
