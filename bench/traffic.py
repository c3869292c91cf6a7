"""Clients in flight: each submits an order, waits until it is CLOSED, and submits the next."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, field

from bench.orders import order
from bench.stopwatch import Spent, stopwatch
from ordergate.application.entry import Entry
from ordergate.application.runner import Runner
from ordergate.bootstrap import Gate
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.events import OrderEvent
from ordergate.domain.orders.states import State

Make = Callable[[int], SubmitOrder]


class Traffic(Struct):
    """What a stretch of traffic took.

    Attributes:
        answers_s: from submit to answered, per order.
        batches: entries of each commit.
        begun: when each order was submitted, by its id.
    """

    orders: int
    spent: Spent = field(default_factory=Spent)
    answers_s: list[float] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    begun: dict[str, float] = field(default_factory=dict)


class Closings:
    """Tells who waits that an order is CLOSED in the journal."""

    def __init__(self, runner: Runner) -> None:
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._early: set[str] = set()
        self.batches: list[int] = []
        runner.listen(self._committed)

    def _committed(self, entries: Sequence[Entry]) -> None:
        self.batches.append(len(entries))
        for entry in entries:
            event = entry.event
            if isinstance(event, OrderEvent) and event.path and event.path[-1] is State.CLOSED:
                waiting = self._waiting.pop(event.order_id, None)
                if waiting is None:
                    self._early.add(event.order_id)
                elif not waiting.done():
                    waiting.set_result(None)

    async def closed(self, order_id: str) -> None:
        """Returns once the order is closed."""
        if order_id in self._early:
            self._early.discard(order_id)
            return
        waiting = self._waiting[order_id] = asyncio.get_running_loop().create_future()
        await waiting


async def drive(
    gate: Gate, closings: Closings, first: int, orders: int, in_flight: int, make: Make = order
) -> Traffic:
    """`in_flight` clients bring that many orders from submitted to CLOSED, numbered from `first` on."""
    traffic, numbers = Traffic(orders), iter(range(first, first + orders))
    closings.batches = traffic.batches
    with stopwatch() as traffic.spent:
        async with asyncio.TaskGroup() as clients:
            for _ in range(min(in_flight, orders)):
                clients.create_task(_client(gate, closings, map(make, numbers), traffic))
        await gate.quiet()
    return traffic


async def _client(gate: Gate, closings: Closings, orders: Iterator[SubmitOrder], traffic: Traffic) -> None:
    for wanted in orders:
        begun = time.perf_counter()
        result = await gate.execute(wanted)
        traffic.answers_s.append(time.perf_counter() - begun)
        traffic.begun[result.order.order_id] = begun
        await closings.closed(result.order.order_id)
