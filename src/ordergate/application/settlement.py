"""Settlement: finds out what became of a request that has no clear answer. Never guesses.

Found: the broker's own record is booked. Proven absent: sent again. Neither: looked for again until the
broker's grace has passed, then parked for a person, with the order still open and a break raised. A lookup that
fails says nothing and is repeated.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Struct

from ordergate.application.dispatch import request_of
from ordergate.application.entry import Entry, Origin
from ordergate.application.fetching import look_up
from ordergate.application.health import BrokerHealth
from ordergate.application.ports.brokers import Broker, Deduplication, Lookup, Presence
from ordergate.application.ports.clock import Clock
from ordergate.application.runner import Runner
from ordergate.domain.errors import OutcomeUnknown, Refused, StoreError
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.orders.commands import Release
from ordergate.domain.orders.events import GateAnswered, RequestDoubted, SendDisproved
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.reports import Finding, LookedUp, Working
from ordergate.domain.orders.states import UNSENT, Phase, RequestKind, State

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_DEADLINE_S: Final = 30.0
"""After which a broker that says nothing counts as one that cannot be asked."""
_LOOKS: Final = 2
"""Unproven absences after the grace that park a request."""

_SENT: Final = (State.SUBMITTED, State.PARTIALLY_FILLED, State.FILLED)
_Key = tuple[str, int]
_log = structlog.get_logger("ordergate.settlement")


class _Looks(Struct):
    """How many lookups after the grace have proven nothing."""

    unproven: int = 0


class Settlement:
    """Of one broker's requests; one task for each that is unsettled, which is rare.

    The grace of a request counts, on a clock that cannot jump, from when it was last doubted: bytes may have
    left until then.
    """

    def __init__(
        self, broker: Broker, runner: Runner, clock: Clock, epoch: int, health: BrokerHealth
    ) -> None:
        self._broker, self._runner, self._clock, self._epoch = broker, runner, clock, epoch
        self._health = health
        self._tasks: dict[_Key, asyncio.Task[None]] = {}
        self._doubted_at: dict[_Key, float] = {}
        self._one_by_one: asyncio.Task[None] | None = None
        runner.listen(self._committed)

    async def start(self) -> None:
        """Compares what works with the broker, and takes up every request that an earlier run left open.

        In that order: what works there must not be sent, whatever a restored journal holds of it.
        """
        gone = await self._compare()
        for order in self._ours():
            for request in order.requests:
                self._take_up(order.order_id, request.number)
        if gone is None:
            self._one_by_one = asyncio.get_running_loop().create_task(self._look_up_all())
            self._one_by_one.add_done_callback(self._fail_with)
        for order in gone or ():
            await self.look_up(order)

    async def release(self) -> None:
        """Sends, in their order, what waited for its session alone."""
        for order in self._ours():
            for request in order.requests:
                if request.phase is Phase.READY:
                    with suppress(Refused, StoreError, OutcomeUnknown):  # it is tried again
                        await self._release(order.order_id, request.number)

    def _ours(self) -> list[Order]:
        orders = self._runner.engine.state.orders.rows.values()
        ours = (order for order in orders if order.broker == self._broker.name)
        return [order for order in ours if order.algo is None]  # no broker has a parent

    async def _compare(self) -> list[Order] | None:
        """Reports orders that work at the broker and are not ours; those of ours that no longer work there.

        Reports of ours those too that never left, as a restored journal has it. None where it does not tell of all.
        """
        asked_after = self._runner.engine.last
        try:
            async with asyncio.timeout(_DEADLINE_S):
                snapshot = await self._broker.open_orders()
        except Exception:
            _log.exception("a broker adapter raised", broker=self._broker.name)
            return []
        if not snapshot.complete:
            return None
        there = {order_id_of(client_id): client_id for client_id in snapshot.client_ids}
        ours = {order.order_id: order for order in self._ours()}
        sent = {order_id for order_id, order in ours.items() if order.state not in UNSENT}
        for order_id in sorted(there.keys() - sent):
            working = Working(broker=self._broker.name, client_id=there[order_id], asked_after=asked_after)
            await self._runner.deliver(working)
        return [ours[order_id] for order_id in sorted(ours.keys() - there.keys())]

    async def _look_up_all(self) -> None:
        """Asks for each order that works here, where no list says which work there."""
        if self._broker.capabilities.lists:
            _log.warning("the broker's open orders came incomplete", broker=self._broker.name)
        for order in sorted(self._ours(), key=lambda order: order.order_id):
            await self.look_up(order)

    async def look_up(self, order: Order) -> None:
        """Asks the broker about an order that it has answered, and takes what it says."""
        settled = all(request.phase is Phase.PARKED for request in order.requests)
        if order.state in _SENT and settled and order.client_id is not None:
            for report in (await self._lookup(order, order.client_id)).reports:
                await self._runner.deliver(report)

    def _committed(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            event = entry.event
            if isinstance(event, (RequestDoubted, SendDisproved, GateAnswered)):
                self._take_up(event.order_id, event.number)
                continue
            request = request_of(entry)
            if request is not None and request.phase is Phase.READY:  # of a node that may not send it
                self._take_up(entry.order_id or "", request.number)

    def _take_up(self, order_id: str, number: int) -> None:
        key = order_id, number
        if self._find(key) is None:
            return
        loop = asyncio.get_running_loop()
        self._doubted_at[key] = loop.time()
        if key not in self._tasks:
            task = loop.create_task(self._settle(key))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))

    def _finished(self, key: _Key, done: asyncio.Task[None]) -> None:
        del self._tasks[key], self._doubted_at[key]
        self._fail_with(done)

    def _fail_with(self, done: asyncio.Task[None]) -> None:
        failure = None if done.cancelled() else done.exception()
        if failure is not None:
            self._runner.fail(failure)

    def _find(self, key: _Key) -> tuple[Order, Request] | None:
        """The request, while it is open at this broker and not left to a person."""
        order = self._runner.engine.state.orders.get(key[0])
        request = order.request(key[1]) if order is not None else None
        if order is None or request is None or order.broker != self._broker.name:
            return None
        return None if request.phase in (Phase.PARKED, Phase.RISK) else (order, request)

    async def _settle(self, key: _Key) -> None:
        """Goes on until the request is answered or parked, ever more slowly."""
        pause, looks = 0.0, _Looks()
        while (found := self._find(key)) is not None:
            order, request = found
            try:
                if request.phase is Phase.READY:
                    await self._release(*key)
                elif _submit_is_open(order, request):
                    pass  # of an order that the broker may not have yet, it can tell nothing about changes
                elif request.phase is Phase.UNKNOWN or request.epoch != self._epoch:
                    await self._look(key, order, request, looks)
            except (Refused, StoreError, OutcomeUnknown) as error:
                _log.warning("settlement is tried again", order=key[0], error=str(error))
            if self._find(key) is not None:
                pause = min(max(pause * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
                await self._clock.sleep(pause)

    async def _look(self, key: _Key, order: Order, request: Request, looks: _Looks) -> None:
        """One lookup, and what follows from it. Only one that began after the grace can prove an absence."""
        change = request.kind is not RequestKind.SUBMIT
        asked = (order.client_id or request.client_id) if change else request.client_id
        waited = asyncio.get_running_loop().time() - self._doubted_at[key]
        grace_is_over = waited >= self._broker.capabilities.grace_s
        found = await self._lookup(order, asked)
        if found.presence is Presence.FOUND:
            for report in found.reports:
                await self._runner.deliver(report)
            if change and (grace_is_over or not self._overtaken(key)):
                await self._release(*key)
        elif found.presence is Presence.UNAVAILABLE or not grace_is_over:
            return
        elif found.presence is Presence.ABSENT and not self._may_be_forgotten(request):
            await self._report(request, Finding.ABSENT, found.reason, final=change)
        elif self._sends_again_safely and not change:
            await self._report(request, Finding.REPEATABLE, found.reason, final=False)
        else:
            looks.unproven += 1
            await self._report(request, Finding.UNPROVEN, found.reason, final=looks.unproven >= _LOOKS)

    def _may_be_forgotten(self, request: Request) -> bool:
        """Whether it was sent so long ago that the venue may know nothing of an order that has ended since."""
        remembers_s = self._broker.capabilities.remembers_s
        if remembers_s is None or request.sent_at is None:
            return False
        return (self._clock.now() - request.sent_at).total_seconds() > remembers_s

    def _overtaken(self, key: _Key) -> bool:
        """Whether it is a replace that will be dropped: not before what was sent of it can no longer turn up."""
        found = self._find(key)
        return found is not None and found[0].overtaken(found[1])

    @property
    def _sends_again_safely(self) -> bool:
        return self._broker.capabilities.deduplication is Deduplication.FOREVER

    async def _lookup(self, order: Order, client_id: str) -> Lookup:
        try:
            found = await look_up(self._broker, order, client_id)
        except Exception as error:
            _log.exception("a broker adapter raised", broker=self._broker.name, request=client_id)
            found = Lookup(presence=Presence.UNAVAILABLE, reason=f"{type(error).__name__}: {error}")
        self._health.looked_up(found)
        return found

    async def _report(self, request: Request, finding: Finding, reason: str | None, *, final: bool) -> None:
        said = LookedUp(
            broker=self._broker.name,
            client_id=request.client_id,
            finding=finding,
            reason=reason,
            final=final,
            epoch=request.epoch,
        )
        await self._runner.deliver(said)

    async def _release(self, order_id: str, number: int) -> None:
        await self._runner.execute(Release(order_id=order_id, number=number), Origin(source="settlement"))

    async def close(self) -> None:
        """Stops looking; the next run goes on."""
        self._runner.unlisten(self._committed)
        tasks = [*self._tasks.values(), *([self._one_by_one] if self._one_by_one else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _submit_is_open(order: Order, request: Request) -> bool:
    """Whether the order's own submit has to be settled before this request can be."""
    submit = order.open_request(RequestKind.SUBMIT)
    return submit is not None and submit.number != request.number and submit.phase is not Phase.PARKED
