"""Settlement: finds out what became of a request that has no clear answer. Never guesses.

Found: the broker's own record is booked. Proven absent: sent again. Neither: looked for again until the
broker's grace has passed, then parked for a person, with the order still open and a break raised. A lookup that
fails says nothing and is repeated.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from ordergate.application.entry import Entry, Origin
from ordergate.application.ports.brokers import Broker, Lookup, Presence
from ordergate.application.ports.clock import Clock
from ordergate.application.runner import Runner
from ordergate.domain.errors import StoreError
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.orders.commands import Release
from ordergate.domain.orders.events import RequestDoubted, SendDisproved
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.reports import Acknowledged, Finding, LookedUp
from ordergate.domain.orders.states import WORKING, Phase, RequestKind

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_LOOKS: Final = 2
"""Unproven absences after the grace that park a request."""

_log = structlog.get_logger("ordergate.settlement")


class Settlement:
    """Of one broker's requests; one task for each that is unsettled, which is rare."""

    def __init__(self, broker: Broker, runner: Runner, clock: Clock, epoch: int) -> None:
        self._broker, self._runner, self._clock, self._epoch = broker, runner, clock, epoch
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        runner.listen(self._committed)

    async def start(self) -> None:
        """Takes up every request that an earlier run left open, and compares what works with the broker."""
        for order in self._ours():
            for request in order.requests:
                self._take_up(order.order_id, request.number)
        await self._compare()

    def _ours(self) -> list[Order]:
        orders = self._runner.engine.state.orders.rows.values()
        return [order for order in orders if order.broker == self._broker.name]

    async def _compare(self) -> None:
        """Looks up orders that no longer work at the broker; reports those that work there and are not ours."""
        try:
            snapshot = await self._broker.open_orders()
        except Exception:
            _log.exception("a broker adapter raised", broker=self._broker.name)
            return
        if not snapshot.complete:
            _log.warning("the broker's open orders came incomplete", broker=self._broker.name)
            return
        there = {order_id_of(client_id): client_id for client_id in snapshot.client_ids}
        ours = {order.order_id: order for order in self._ours()}
        for order_id in sorted(there.keys() - ours.keys()):
            await self._runner.deliver(Acknowledged(broker=self._broker.name, client_id=there[order_id]))
        for order_id in sorted(ours.keys() - there.keys()):
            order = ours[order_id]
            if order.state in WORKING and not order.requests and order.client_id is not None:
                for report in (await self._lookup(order.client_id)).reports:
                    await self._runner.deliver(report)

    def _committed(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry.event, RequestDoubted | SendDisproved):
                self._take_up(entry.event.order_id, entry.event.number)

    def _take_up(self, order_id: str, number: int) -> None:
        key = order_id, number
        if key in self._tasks or self._find_unclear(order_id, number) is None:
            return
        task = asyncio.get_running_loop().create_task(self._settle(order_id, number))
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._finished(key, done))

    def _finished(self, key: tuple[str, int], done: asyncio.Task[None]) -> None:
        self._tasks.pop(key, None)
        failure = None if done.cancelled() else done.exception()
        if isinstance(failure, StoreError):
            _log.warning("settlement ended with the gate", order=key[0])
        elif failure is not None:
            self._runner.fail(failure)
        elif not done.cancelled():
            self._take_up(*key)  # doubted again while the task ended

    def _find_unclear(self, order_id: str, number: int) -> tuple[Order, Request] | None:
        """The request, if it is this broker's and must be looked after."""
        order = self._runner.engine.state.orders.get(order_id)
        request = order.request(number) if order is not None else None
        if order is None or request is None or order.broker != self._broker.name:
            return None
        of_before = request.phase is Phase.SENT and request.epoch != self._epoch
        return (order, request) if of_before or request.phase in (Phase.READY, Phase.UNKNOWN) else None

    async def _settle(self, order_id: str, number: int) -> None:
        pause, unproven = _FIRST_PAUSE_S, 0
        while (found := self._find_unclear(order_id, number)) is not None:
            order, request = found
            if request.phase is not Phase.READY:
                unproven = await self._look(order, request, unproven)
            else:
                if order.submitted_at is not None:  # it could not be sent just now: not at once again
                    await self._clock.sleep(_FIRST_PAUSE_S)
                await self._release(order_id, number)
            if self._find_unclear(order_id, number) is not None:
                await self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _look(self, order: Order, request: Request, unproven: int) -> int:
        """One lookup, and what follows from it; returns how many absences have gone unproven since the grace."""
        change = request.kind is not RequestKind.SUBMIT
        asked = (order.client_id or request.client_id) if change else request.client_id
        found = await self._lookup(asked)
        if found.presence is Presence.FOUND:
            for report in found.reports:
                await self._runner.deliver(report)
            if change:
                await self._release(order.order_id, request.number)
        elif found.presence is Presence.ABSENT and self._grace_is_over(request):
            await self._report(request, Finding.ABSENT, found.reason, final=change)
        elif found.presence is Presence.UNPROVEN and self._grace_is_over(request):
            unproven += 1
            await self._report(request, Finding.UNPROVEN, found.reason, final=unproven >= _LOOKS)
        return unproven

    async def _lookup(self, client_id: str) -> Lookup:
        try:
            return await self._broker.lookup(client_id)
        except Exception as error:
            _log.exception("a broker adapter raised", broker=self._broker.name, request=client_id)
            return Lookup(presence=Presence.UNAVAILABLE, reason=f"{type(error).__name__}: {error}")

    def _grace_is_over(self, request: Request) -> bool:
        grace = timedelta(seconds=self._broker.capabilities.grace_s)
        return request.sent_at is None or self._clock.now() >= request.sent_at + grace

    async def _report(self, request: Request, finding: Finding, reason: str | None, *, final: bool) -> None:
        said = LookedUp(
            broker=self._broker.name, client_id=request.client_id, finding=finding, reason=reason, final=final
        )
        await self._runner.deliver(said)

    async def _release(self, order_id: str, number: int) -> None:
        await self._runner.execute(Release(order_id=order_id, number=number), Origin(source="settlement"))

    async def close(self) -> None:
        """Stops looking; the next run goes on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
