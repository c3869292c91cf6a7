"""Of dispatch and settlement."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from ordergate.application import dispatch
from ordergate.application.deadlines import Deadline
from ordergate.application.decide import reporting
from ordergate.application.dispatch import Dispatcher
from ordergate.application.ports.brokers import Answer, Lookup, Presence
from ordergate.application.recovery import load_state
from ordergate.application.settlement import Settlement
from ordergate.bootstrap import opening
from ordergate.domain.book import Book
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import Phase
from tests.simulation.bugs.registry import bug


@bug
def timeout_is_a_rejection() -> Iterator[Any]:
    """No answer in time counts as a refusal."""
    call = Dispatcher._call

    async def sure(self: Any, order: Any, request: Any) -> Answer:
        answer = await call(self, order, request)
        if answer.outcome is r.Outcome.UNKNOWN:
            return Answer(outcome=r.Outcome.REJECTED, reason=answer.reason)
        return answer

    with patch.object(Dispatcher, "_call", sure):
        yield


@bug
def duplicate_is_a_rejection() -> Iterator[Any]:
    """A venue that says it has the order already is taken to refuse it."""
    answered = reporting._HANDLERS[r.Answered]

    def misread(ctx: Any, order: Order, said: r.Answered) -> Any:
        if said.outcome is r.Outcome.DUPLICATE:
            said = replace(said, outcome=r.Outcome.REJECTED)
        return answered(ctx, order, said)

    with patch.dict(reporting._HANDLERS, {r.Answered: misread}):
        yield


@bug
def fresh_client_id_for_every_attempt() -> Iterator[Any]:
    """Each attempt to send an order has a client id of its own, which no entry names."""
    send_of, count = dispatch.send_of, [0]

    def renamed(order: Any, request: Any) -> Any:
        count[0] += 1
        send = send_of(order, request)
        return replace(send, client_id=f"{send.client_id}{count[0]}")

    with patch.object(dispatch, "send_of", renamed):
        yield


@bug
def blind_resubmit() -> Iterator[Any]:
    """An order without an answer is sent again without asking what became of it."""
    look = Settlement._look

    async def again(self: Any, key: Any, order: Any, request: Any, looks: Any) -> None:
        if request.kind == "submit" and request.phase is Phase.UNKNOWN:
            with suppress(ConnectionError):
                await self._broker.submit(dispatch.send_of(order, request))
        await look(self, key, order, request, looks)

    with patch.object(Settlement, "_look", again):
        yield


@bug
def no_grace() -> Iterator[Any]:
    """An order that the venue does not have yet counts as one that it never will."""
    start = Settlement.__init__

    def hasty(self: Any, broker: Any, *rest: Any) -> None:
        start(self, _NoGrace(broker), *rest)

    with patch.object(Settlement, "__init__", hasty):
        yield


class _NoGrace:
    """A broker that declares no grace."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self.capabilities = replace(broker.capabilities, grace_s=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


@bug
def calls_have_no_deadline() -> Iterator[Any]:
    """A broker that never answers a request is waited for until the gate is started anew."""
    with patch.object(Deadline, "_ring", lambda _self: None):
        yield


@bug
def failed_lookup_is_absence() -> Iterator[Any]:
    """A lookup that fails is taken to prove that the order never arrived."""
    lookup = Settlement._lookup

    async def sure(self: Any, client_id: str, broker_order_id: str | None) -> Lookup:
        found = await lookup(self, client_id, broker_order_id)
        return Lookup(presence=Presence.ABSENT) if found.presence is Presence.UNAVAILABLE else found

    with patch.object(Settlement, "_lookup", sure):
        yield


@bug
def parked_without_a_break() -> Iterator[Any]:
    """What could not be found out is parked, and nobody is told."""
    looked_up = reporting._HANDLERS[r.LookedUp]

    def silently(ctx: Any, order: Order, said: r.LookedUp) -> Any:
        for event in looked_up(ctx, order, said):
            if type(event).__name__ != "BreakRaised":
                yield event

    with patch.dict(reporting._HANDLERS, {r.LookedUp: silently}):
        yield


@bug
def recovery_forgets_requests() -> Iterator[Any]:
    """After a crash nobody takes up what had no answer."""

    async def forgetful(reader: Any) -> Book:
        state = await load_state(reader)
        for order in tuple(state.orders.rows.values()):
            state.orders.put(replace(order, requests=()))
        state.settle()
        return state

    with patch.object(opening, "load_state", forgetful):
        yield


@bug
def old_epoch_is_sent_again() -> Iterator[Any]:
    """A new session sends what an earlier one had sent and not heard of."""
    start = Settlement.start

    async def resend(self: Any) -> None:
        for order in self._ours():
            for request in order.requests:
                if request.kind == "submit" and request.phase is Phase.SENT:
                    with suppress(ConnectionError):
                        await self._broker.submit(dispatch.send_of(order, request))
        await start(self)

    with patch.object(Settlement, "start", resend):
        yield


@bug
def replace_sent_again_over_a_later_one() -> Iterator[Any]:
    """A replace in doubt is sent again although a later one has been done."""
    with patch.object(Order, "overtaken", lambda _self, _request: False):
        yield
