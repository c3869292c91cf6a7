"""What became of an order: who did what, when, from which state to which, one row a transition."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from ordergate.application.audit.reading import let_others, lines_of, read_entry
from ordergate.application.entry import Entry, kind_of
from ordergate.application.ports.journal import JournalReader
from ordergate.domain.algos.terms import AlgoTerms
from ordergate.domain.contingencies.events import ProtectionFailed
from ordergate.domain.events import AnyEvent
from ordergate.domain.money import ZERO, text
from ordergate.domain.orders import events as e
from ordergate.domain.orders import parent_events as a
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.rerouting import OrderRerouted
from ordergate.domain.orders.states import State
from ordergate.domain.recon import events as n
from ordergate.domain.risk import events as r
from ordergate.domain.times import format_time


class Transition(Struct, frozen=True, kw_only=True):
    """One step of an order; an entry that moved no state is one row with equal states.

    Attributes:
        index: of the journal entry; several rows of one entry share it.
        kind: of the event, with its version.
        from_state: None before the order existed.
        detail: what else the event says, for people; empty where that is nothing.
    """

    index: int
    time: datetime
    actor: str
    principal: str
    source: str
    kind: str
    from_state: State | None
    to_state: State | None
    detail: str


def show_transition(row: Transition) -> dict[str, Any]:
    """A step as programs are shown it."""
    return {
        "index": row.index,
        "time": format_time(row.time),
        "actor": row.actor,
        "principal": row.principal,
        "source": row.source,
        "event": row.kind,
        "from": row.from_state,
        "to": row.to_state,
        "detail": row.detail,
    }


async def story(reader: JournalReader, order_id: str) -> list[Transition]:
    """Every transition of an order, oldest first.

    Raises:
        NotFound: there is no such order.
        AuditError: an entry cannot be read.
    """
    told: list[Transition] = []
    state: State | None = None
    for done, (index, line) in enumerate(await lines_of(reader, order_id)):
        await let_others(done)
        told += transitions(read_entry(line, index), state)
        state = told[-1].to_state
    return told


def transitions(entry: Entry, state: State | None) -> Iterator[Transition]:
    """The rows of one entry, of an order that was in that state before."""
    event = entry.event
    path, times = (event.path, event.times) if isinstance(event, e.OrderEvent) else ((), ())
    details = (_detail(event), *[""] * (len(path) - 2), _reason(event))
    for reached, at, detail in zip(path or (state,), times or (entry.time,), details, strict=False):
        yield Transition(
            index=entry.index,
            time=at,
            actor=entry.actor,
            principal=entry.principal,
            source=entry.source,
            kind=kind_of(event),
            from_state=state,
            to_state=reached,
            detail=detail,
        )
        state = reached


def _detail(event: AnyEvent) -> str:
    describe = _DETAILS.get(type(event))
    return describe(event) if describe is not None else _reason(event)


def _reason(event: Any) -> str:
    """Why, where an event says so: the code and the words of a refusal, an end or a doubt."""
    order = event.order if isinstance(event, e.OrderEntered) else event
    code = getattr(order, "reason_code", None) or getattr(order, "code", None)
    return ": ".join(part for part in (code, getattr(order, "reason", None)) if part)


def _order(order: Order) -> str:
    terms = _terms(None, order.limit_price, order.stop_price)
    what = f"{order.side} {text(order.quantity)} {order.symbol} {order.order_type}"
    route = "" if order.route is None else f" of {' > '.join(order.route)}"
    return f"{what}{terms} {order.tif}, fund {order.fund_id}, broker {order.broker}{route}{_depends(order)}"


def _depends(order: Order) -> str:
    """What it is to another order, or how it is worked."""
    if order.slice is not None:
        return f", slice {order.slice} of {order.parent_order_id}"
    if order.algo is not None:
        return f", {_algo(order.algo)}"
    depends = "closes" if order.by_broker else "protects"
    return "" if order.parent_order_id is None else f", {depends} {order.parent_order_id}"


def _algo(algo: AlgoTerms) -> str:
    return f"worked by {algo.algorithm} in {algo.slices} slices over {algo.horizon_s} s"


def _child_moved(event: a.ChildMoved) -> str:
    said = [event.child_id] if event.slice is None else [f"slice {event.slice}: {event.child_id}"]
    said += [f"filled {text(event.quantity)}"] if event.quantity else []
    return ", ".join(said)


def _request(request: Request) -> str:
    terms = _terms(request.quantity, request.limit_price, request.stop_price)
    return f"{request.kind} {request.client_id} {request.phase}{terms}"


def _terms(quantity: Decimal | None, limit: Decimal | None, stop: Decimal | None) -> str:
    named = (("quantity", quantity), ("limit", limit), ("stop", stop))
    return "".join(f" {name} {text(value)}" for name, value in named if value is not None)


def _fill(fill: Fill) -> str:
    about = "" if fill.refers_to is None else f" of {fill.refers_to}"
    return f"{fill.kind} {fill.exec_id}{about}: {text(fill.quantity)} at {text(fill.price)}"


def _numbered(event: e.SendDisproved | e.RequestDropped) -> str:
    return f"request {event.number} {_reason(event)}".rstrip()


def _changed(event: e.OrderReplaced | e.OrderRestated) -> str:
    terms = _terms(event.quantity, event.limit_price, event.stop_price)
    return f"{_reason(event)}{terms}".strip()


def _entered(event: e.OrderEntered) -> str:
    waived = () if event.decision is None else event.decision.waived
    return f"{_order(event.order)}{f', waived: {_codes(waived)}' if waived else ''}"


def _judged(event: e.OrderJudged) -> str:
    code = event.decision.code
    if code is not None:
        return f"{code}: {event.decision.reason}"
    return "" if event.request is None else _request(event.request)


def _asked(event: r.OverrideAsked) -> str:
    override = event.override
    until = format_time(override.expires_at)
    return f"asks to waive {_codes(override.codes)} once, until {until}: {override.reason}"


def _answered(event: r.OverrideAnswered) -> str:
    what = f"granted, as order {event.made}" if event.approved else "turned down"
    return ": ".join(part for part in (what, event.reason) if part)


def _adjusted(event: n.PositionAdjusted) -> str:
    trade = event.trade
    if trade is None:
        booked = f"{text(event.amount or ZERO)} {event.currency}"
    else:
        booked = f"{trade.side} {text(trade.quantity)} {trade.symbol} at {text(trade.price)}"
    return f"{event.break_id} adjusted by {event.by}: {booked}, fund {event.fund_id}: {event.why}"


def _codes(codes: Iterable[str]) -> str:
    return ", ".join(codes)


_DETAILS: Final[Mapping[type, Callable[[Any], str]]] = {
    e.OrderEntered: _entered,
    e.OrderJudged: _judged,
    e.OrderAdopted: lambda event: f"{_order(event.order)}, known there as {event.order.broker_order_id}",
    e.OrderSent: lambda event: _request(event.request),
    e.RequestOpened: lambda event: _request(event.request),
    e.SendDisproved: _numbered,
    OrderRerouted: lambda event: f"from {event.before} to {event.broker}: {event.reason}",
    e.RequestDropped: _numbered,
    e.RequestDoubted: lambda event: f"request {event.number} {event.phase} {_reason(event)}".rstrip(),
    e.OrderAcknowledged: lambda event: f"known there as {event.broker_order_id}",
    e.OrderMarked: lambda event: f"{event.mark} {'on' if event.on else 'off'}",
    e.OrderFilled: lambda event: _fill(event.fill),
    e.FillCorrected: lambda event: _fill(event.fill),
    e.FillBusted: lambda event: _fill(event.fill),
    e.OrderOverdue: lambda event: f"{event.why} since {format_time(event.since)}: {event.remedy}",
    a.ChildMoved: _child_moved,
    e.SlippageExceeded: lambda event: (
        f"{event.fill_id} at {text(event.price)}, against a mid of {text(event.benchmark)}"
    ),
    e.OrderReplaced: _changed,
    e.OrderRestated: _changed,
    r.OverrideAsked: _asked,
    r.OverrideAnswered: _answered,
    ProtectionFailed: lambda event: (
        f"{text(event.quantity)} at {text(event.stop_price)}: {event.code}: {event.reason}"
    ),
    e.BreakRaised: lambda event: f"{event.item.kind}: {event.item.detail}",
    n.BreakChanged: lambda event: (
        f"{event.item.break_id} is no longer there"
        if event.item.key is None
        else f"{event.item.kind}: {event.item.detail}"
    ),
    n.BreakAssigned: lambda event: f"{event.item.break_id} to {event.item.owner}",
    n.PositionAdjusted: _adjusted,
    n.BreakResolved: lambda event: (
        f"{event.item.break_id} {event.item.resolution} by {event.item.resolved_by}: {event.item.why}"
    ),
}
