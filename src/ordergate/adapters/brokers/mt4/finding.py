"""What the terminal knows of a request, and what that proves."""

from typing import Final

from ordergate.adapters.brokers.mt4 import outcomes
from ordergate.adapters.brokers.mt4.desk import DONE, Desk, is_dead
from ordergate.adapters.brokers.mt4.ids import client_of, step_ref
from ordergate.adapters.brokers.mt4.known import Known
from ordergate.adapters.brokers.mt4.session import Behind, Session
from ordergate.adapters.brokers.mt4.wire import Result
from ordergate.application.ports.brokers import Lookup, Presence
from ordergate.domain.orders.reports import End

_OTHERS: Final = 8
"""Requests of an order that are looked for by their number."""


def find(session: Session, client_id: str, broker_order_id: str | None) -> Known | None:
    """The order that a request belongs to, as far as the events have told of it."""
    orders = session.book.orders
    for candidate in _candidates(client_id):
        if candidate in orders:
            return orders[candidate]
    if broker_order_id is None:
        return None
    return next((known for known in orders.values() if known.ticket == broker_order_id), None)


def _candidates(client_id: str) -> list[str]:
    """The request itself, then the others of its order, the first first."""
    order, _dot, number = client_id.rpartition(".")
    last = int(number) if number.isascii() and number.isdecimal() else 0
    return [client_id, *(f"{order}.{other}" for other in range(1, min(last, _OTHERS + 1)))]


async def look_up(session: Session, desk: Desk, client_id: str, broker_order_id: str | None) -> Lookup:
    """What is known of a request, once all that has happened was told, and all of it is settled. Raises Behind."""
    await session.fresh()
    known = find(session, client_id, broker_order_id)
    if known is None:
        known_or_not = await _settled(session, desk, client_id)
        if isinstance(known_or_not, Lookup):
            return known_or_not
        known = known_or_not
    steps = session.book.steps_of(known.client_id)
    if steps and not known.complete and known.end is None:
        unsettled = await _settle_steps(session, desk, known, len(steps))
        if unsettled is not None:
            return unsettled
    return Lookup(presence=Presence.FOUND, reports=session.book.reports_of(known))


async def _settled(session: Session, desk: Desk, client_id: str) -> Known | Lookup:
    """What became of a request of which no event has told. Raises Behind."""
    result = await desk.fate(client_id, session.sent_after(client_id))
    if result is None:
        return Lookup(presence=Presence.UNAVAILABLE, reason="the expert has not told what became of it")
    if result.state == DONE:
        return await _told(session, client_id, result)
    if is_dead(result):
        return Lookup(presence=Presence.ABSENT, reason=f"the expert proves it: {outcomes.reason(result)}")
    if outcomes.is_not_done(result):
        known = session.book.known(client_id, "")
        session.book.end(known, End.REJECTED, outcomes.reason(result))
        return known
    return Lookup(presence=Presence.UNPROVEN, reason=outcomes.reason(result))


async def _told(session: Session, client_id: str, result: Result) -> Known:
    """What is done, once the events have told of it. Raises Behind."""
    known = find(session, client_id, None)
    if known is None:
        entry = session.book.entries.get(result.ticket, "")
        closed = bool(entry) and client_of(entry) != client_id  # what another order of ours has opened
        session.tell(session.book.learn(result.ticket, client_id, closed=closed))
        await session.fresh()
    known = find(session, client_id, None)
    if known is None:
        raise Behind(f"ticket {result.ticket} is done, and the events have not told of it")
    return known


async def _settle_steps(session: Session, desk: Desk, known: Known, count: int) -> Lookup | None:
    """Settles every step of an order; None where all are: its end is told then. Raises Behind."""
    for number in range(1, count + 1):
        ref = step_ref(known.client_id, number)
        if ref in known.done:
            continue
        result = await desk.fate(ref, session.sent_after(known.client_id))
        if result is None:
            return Lookup(presence=Presence.UNAVAILABLE, reason=f"what became of step {number} was not told")
        if outcomes.is_not_done(result):
            why = f"step {number} of {count} was not done: {outcomes.reason(result)}"
            session.tell(session.book.end(known, End.CANCELED, why))
            return None
        if result.state != DONE:
            reason = f"step {number} of {count}: {outcomes.reason(result)}"
            return Lookup(presence=Presence.UNPROVEN, reason=reason)
        closed = bool(session.book.steps_of(known.client_id)[number - 1].ticket)
        session.tell(session.book.learn(result.ticket, ref, closed=closed))
        await session.fresh()
        if ref not in known.done:
            raise Behind(f"step {number} of {count} is done, and the events have not told of it")
    session.tell(session.book.finish(known))
    return None
