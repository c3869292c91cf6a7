"""Nodes on one store in memory, in simulated time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from decimal import Decimal

from ordergate.adapters.clock import VirtualClock
from ordergate.adapters.ids import TimeIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.ports.brokers import Capabilities
from ordergate.application.recovery import load_state
from ordergate.bootstrap import Gate, assemble
from ordergate.domain.errors import ClockError, StoreError
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Executed
from ordergate.protocols.tlog import Signer
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from ordergate.testing.shared_store import SharedStore
from tests.unit.application.gates import CONFIG, START

SIGNER = Signer(CONFIG.audit.origin, bytes(32))


class Node:
    """A node that a test opens and ends as it likes."""

    def __init__(
        self,
        store: SharedStore,
        name: str,
        capabilities: Capabilities = CAPABILITIES,
        off: timedelta = timedelta(0),
        start: datetime = START,
    ) -> None:
        self.journal, self.leases = store.journal(name), store.node_leases(name)
        self.broker = ScriptedBroker(capabilities=capabilities)
        self._clock = VirtualClock(start + off)
        self._end = asyncio.Event()
        self._up: asyncio.Future[Gate] = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def _live(self) -> None:
        try:
            async with assemble(
                CONFIG, self.journal, SIGNER, self._clock, TimeIds(), [self.broker], leases=self.leases
            ) as gate:
                self._up.set_result(gate)
                await self._end.wait()
        finally:
            await self.journal.close()

    async def up(self) -> Gate:
        return await self._up

    async def close(self) -> None:
        self._end.set()
        await self._task

    async def die(self) -> None:
        """As kill -9 does: nothing is finished, nothing is given back."""

        async def gone(*_given):
            raise StoreError("dead")

        self.leases.renew = self.leases.give_back = self.leases.take = gone
        self.journal.commit = self.journal.lock = gone
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def two(
    capabilities: Capabilities = CAPABILITIES, start: datetime = START
) -> AsyncIterator[tuple[Node, Gate, Node, Gate, SharedStore]]:
    store = SharedStore(VirtualClock(start), MemoryJournal())
    one = Node(store, "one", capabilities, start=start)
    first = await one.up()
    other = Node(store, "other", capabilities, start=start)
    second = await other.up()
    yield one, first, other, second, store
    for node in (other, one):
        if not node._task.done():
            with suppress(ClockError):
                await node.close()


async def same(store: SharedStore, *gates: Gate) -> None:
    """Every node knows what the tables say."""
    await asyncio.sleep(0.1)
    tables = await load_state(store.kept)
    for gate in gates:
        await gate.runner.settled()
        state = gate.runner.engine.state
        assert {t.name: t.rows for t in state.tables} == {t.name: t.rows for t in tables.tables}


def fill(order: Order, quantity: int, exec_id: str, **changes) -> Executed:
    return Executed(
        broker="paper", client_id=f"{order.order_id}.1", exec_id=exec_id, time=START,
        quantity=Decimal(quantity), price=Decimal(180), **changes,
    )  # fmt: skip
