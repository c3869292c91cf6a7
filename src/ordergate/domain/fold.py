"""The fold: state after an event. Uses the event alone, so any reader of the journal gets the same state."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from ordergate.domain.book import Book, Key, Refusal, Session
from ordergate.domain.errors import Defect
from ordergate.domain.events import AnyEvent
from ordergate.domain.fold_algos import ALGO_FOLDS
from ordergate.domain.fold_book import book_fill
from ordergate.domain.fold_moves import MOVE_FOLDS
from ordergate.domain.fold_orders import name_of, order_of, put
from ordergate.domain.fold_readers import FOLDS_FOR_READERS
from ordergate.domain.fold_recon import RECON_FOLDS
from ordergate.domain.fold_risk import RISK_FOLDS, count_message, count_order
from ordergate.domain.fold_routing import ROUTING_FOLDS
from ordergate.domain.money import ZERO
from ordergate.domain.orders import events as e
from ordergate.domain.orders.executions import Fill, effective, supersede
from ordergate.domain.orders.order import Order, Overdue
from ordergate.domain.orders.states import WORKING, Phase, RequestKind, State
from ordergate.domain.orders.ways import check_way


def evolve(state: Book, event: AnyEvent, index: int, time: datetime) -> None:
    """Applies the event of journal entry `index`, which happened at `time`.

    Raises:
        Defect: the event cannot have come from our own decisions; the node must stop.
    """
    _FOLDS[type(event)](state, event, index, time)


def _fund(state: Book, event: e.FundConfigured, _index: int, _time: datetime) -> None:
    state.funds.put(event.fund)


def _instrument(state: Book, event: e.InstrumentDefined, _index: int, _time: datetime) -> None:
    state.instruments.put(event.instrument)


def _session(state: Book, event: e.SessionOpened, _index: int, _time: datetime) -> None:
    before = state.sessions.get(event.broker)
    state.sessions.put(replace(before or Session(broker=event.broker, epoch=0), epoch=event.epoch))


def advance_cursor(state: Book, broker: str, cursor: str) -> None:
    """Notes how far a broker's stream has come."""
    session = state.sessions.get(broker) or Session(broker=broker, epoch=0)
    state.sessions.put(replace(session, cursor=cursor))


def _refusal(state: Book, event: e.SignalRefused, index: int, time: datetime) -> None:
    state.refusals.put(
        Refusal(
            number=index,
            signal_id=event.signal_id,
            symbol=event.symbol,
            code=event.code,
            reason=event.reason,
            refused_at=time,
            fund_id=event.fund_id,
        )
    )


def _break(state: Book, event: e.BreakRaised, _index: int, _time: datetime) -> None:
    state.breaks.put(event.item)


def _entered(state: Book, event: e.OrderEntered, _index: int, _time: datetime) -> None:
    _put_new(state, event, event.order)
    state.keys.put(
        Key(
            fund_id=event.order.fund_id,
            kind=event.key_kind,
            key=event.key,
            order_id=event.order_id,
            fingerprint=event.fingerprint,
            expires_at=event.key_expires,
        )
    )
    count_order(state, event, event.order, event.order.created_at)


def _judged(state: Book, event: e.OrderJudged, _index: int, time: datetime) -> None:
    order, said, request = order_of(state, event), event.decision, event.request
    if order.state is not State.CREATED:
        raise Defect(f"{name_of(event)} of order {event.order_id}, which was {order.state} already")
    if request is not None:
        order = order.with_request(request)
        order = order if event.algo is not None else replace(order, client_id=request.client_id)
    changes: dict[str, Any] = {
        "reference_price": said.reference_price,
        "reason_code": said.code,
        "reason": said.reason,
    }
    if event.algo is not None:
        changes["algo"] = event.algo
    put(state, event, order, time, awaits=event.awaits, decide_by=event.decide_by, **changes)
    count_order(state, event, state.orders.rows[event.order_id], time)


def _adopted(state: Book, event: e.OrderAdopted, _index: int, _time: datetime) -> None:
    _put_new(state, event, event.order)


def _put_new(state: Book, event: e.OrderEvent, order: Order) -> None:
    if state.orders.get(event.order_id) is not None:
        raise Defect(f"{name_of(event)} of order {event.order_id}, which exists")
    check_way(event, None)
    if (order.order_id, order.state) != (event.order_id, event.path[-1]):
        raise Defect(f"{name_of(event)}: order {order.order_id} is {order.state} at the end of {event.path}")
    state.put_order(order)


def _advanced(state: Book, event: e.OrderAdvanced, _index: int, time: datetime) -> None:
    put(state, event, order_of(state, event), time)


def _with_request(state: Book, event: e.OrderSent | e.RequestOpened, _index: int, time: datetime) -> None:
    known = order_of(state, event)
    if event.request.number > known.request_count and event.request.kind is not RequestKind.SUBMIT:
        count_message(state, known, time)
    order = known.with_request(event.request)
    client_id = event.request.client_id if event.request.kind is RequestKind.SUBMIT else order.client_id
    waits: dict[str, Any] = {}
    if isinstance(event, e.RequestOpened) and event.awaits is not None:
        waits = {"awaits": event.awaits, "decide_by": event.decide_by}
    put(state, event, order, time, client_id=client_id, **waits)


def _gate_answered(state: Book, event: e.GateAnswered, _index: int, time: datetime) -> None:
    order = order_of(state, event)
    request = order.request(event.number)
    if request is None or order.awaits is None or event.gate not in order.awaits:
        raise Defect(f"order {order.order_id} does not wait for {event.gate} about request {event.number}")
    awaits = tuple(gate for gate in order.awaits if gate != event.gate) if event.approved else ()
    if not awaits and event.approved:
        ready = replace(request, phase=Phase.READY)
        order = order.with_request(ready) if order.algo is None else order.without_request(request.number)
    put(state, event, order, time, awaits=awaits or None, decide_by=order.decide_by if awaits else None)


def _disproved(state: Book, event: e.SendDisproved, _index: int, time: datetime) -> None:
    order = order_of(state, event)
    request = order.request(event.number)
    if request is None:
        raise Defect(f"order {order.order_id} has no request {event.number} to disprove")
    put(state, event, order.with_request(replace(request, phase=Phase.READY)), time)


def _acknowledged(state: Book, event: e.OrderAcknowledged, _index: int, time: datetime) -> None:
    put(state, event, _known_at_broker(order_of(state, event), event.broker_order_id, event.time), time)


def _known_at_broker(order: Order, broker_order_id: str | None, at: datetime) -> Order:
    return replace(order, **_sign_of(order, broker_order_id, at))


def _sign_of(order: Order, broker_order_id: str | None, at: datetime) -> dict[str, Any]:
    """What a sign of the order at the broker changes: its submit is answered, and it is acknowledged."""
    changes: dict[str, Any] = {"acknowledged_at": order.acknowledged_at or at}
    submit = order.open_request(RequestKind.SUBMIT)
    if submit is not None:
        changes["requests"] = order.other_requests(submit.number)
    if broker_order_id:
        changes["broker_order_id"] = broker_order_id
    return changes


def _marked(state: Book, event: e.OrderMarked, _index: int, time: datetime) -> None:
    order = _known_at_broker(order_of(state, event), None, time)
    marks = tuple(mark for mark in order.marks if mark is not event.mark)
    put(state, event, order, time, marks=(*marks, event.mark) if event.on else marks)


def _doubted(state: Book, event: e.RequestDoubted, _index: int, time: datetime) -> None:
    order = order_of(state, event)
    request = order.request(event.number)
    if request is not None:
        order = order.with_request(replace(request, phase=event.phase))
    put(state, event, order, time)


def _dropped(state: Book, event: e.RequestDropped, _index: int, time: datetime) -> None:
    put(state, event, order_of(state, event).without_request(event.number), time)


def _executed(
    state: Book, event: e.OrderFilled | e.FillCorrected | e.FillBusted, _index: int, time: datetime
) -> None:
    order = order_of(state, event)
    if isinstance(event, e.OrderFilled):
        changes = _sign_of(order, event.broker_order_id, time) | {"confirmed": event.completes}
    else:
        changes = _sign_of(order, None, time) | {"confirmed": False}
    changed = revisions(state, event.fill)
    quantity, value = order.filled_quantity, order.filled_value
    for before, after in changed:
        quantity += effective(after, order.ratio) - effective(before, order.ratio)
        value += _value(after) - _value(before)
    put(state, event, order, time, **changes, filled_quantity=quantity, filled_value=value)
    for before, after in changed:
        if before is not None and before.counts:
            book_fill(state, before, time, taken_back=True)
        state.put_fill(book_fill(state, after, time, taken_back=False) if after.counts else after)


def _value(fill: Fill | None) -> Decimal:
    return fill.quantity * fill.price if fill is not None and fill.counts else ZERO


def revisions(state: Book, fill: Fill) -> list[tuple[Fill | None, Fill]]:
    """What booking an execution changes: pairs of (row before, row after)."""
    if fill.refers_to is None and state.fills.get((fill.order_id, fill.exec_id)) is None:
        return [(None, fill)]
    known = {row.exec_id: row for row in state.order_executions(fill.order_id)}
    return [(known.get(after.exec_id), after) for after in supersede(fill, known)]


def filled_after(state: Book, order: Order, fill: Fill) -> Decimal:
    """The order's filled quantity once an execution is booked."""
    filled = order.filled_quantity
    for before, after in revisions(state, fill):
        filled += effective(after, order.ratio) - effective(before, order.ratio)
    return filled


def _replaced(state: Book, event: e.OrderReplaced, _index: int, time: datetime) -> None:
    order = _known_at_broker(order_of(state, event), event.broker_order_id, time)
    request = order.request(event.number)
    if request is not None:
        order = replace(order.without_request(request.number), client_id=request.client_id)
    confirmed = event.completes or (order.confirmed and order.state in WORKING)  # said before, out of order
    put(state, event, order, time, confirmed=confirmed, **_terms(order, event))


def _restated(state: Book, event: e.OrderRestated, _index: int, time: datetime) -> None:
    order = _known_at_broker(order_of(state, event), None, time)
    scaled = {"ratio": order.ratio * event.ratio, "filled_quantity": order.filled_quantity * event.ratio}
    put(state, event, order, time, confirmed=False, **scaled, **_terms(order, event))


def _terms(order: Order, event: e.OrderReplaced | e.OrderRestated) -> dict[str, Any]:
    return {
        "quantity": order.quantity if event.quantity is None else event.quantity,
        "limit_price": order.limit_price if event.limit_price is None else event.limit_price,
        "stop_price": order.stop_price if event.stop_price is None else event.stop_price,
    }


def _ended(state: Book, event: e.OrderEnd, _index: int, time: datetime) -> None:
    put(state, event, order_of(state, event), time, reason_code=event.code, reason=event.reason)


def _closed(state: Book, event: e.OrderClosed | e.OrderConfirmed, _index: int, time: datetime) -> None:
    put(state, event, order_of(state, event), time, confirmed=True)


def _overdue(state: Book, event: e.OrderOverdue, _index: int, time: datetime) -> None:
    order = order_of(state, event)
    before = order.noticed(event.why)
    noticed = Overdue(event.why, time, event.count or (1 if before is None else before.times + 1))
    others = tuple(one for one in order.overdue or () if one is not before)
    put(state, event, order, time, overdue=(*others, noticed))


_FOLDS: Final[Mapping[type, Callable[[Book, Any, int, datetime], None]]] = {
    e.FundConfigured: _fund,
    e.InstrumentDefined: _instrument,
    e.SessionOpened: _session,
    e.SignalRefused: _refusal,
    e.BreakRaised: _break,
    e.OrderEntered: _entered,
    e.OrderJudged: _judged,
    e.OrderAdopted: _adopted,
    e.OrderAdvanced: _advanced,
    e.GateAnswered: _gate_answered,
    e.OrderSent: _with_request,
    e.RequestOpened: _with_request,
    e.SendDisproved: _disproved,
    e.OrderAcknowledged: _acknowledged,
    e.OrderMarked: _marked,
    e.ReplaceRefused: _advanced,
    e.RequestDoubted: _doubted,
    e.RequestDropped: _dropped,
    e.OrderFilled: _executed,
    e.FillCorrected: _executed,
    e.FillBusted: _executed,
    e.OrderReplaced: _replaced,
    e.OrderRestated: _restated,
    e.OrderCanceled: _ended,
    e.OrderRejected: _ended,
    e.OrderExpired: _ended,
    e.OrderFailed: _ended,
    e.OrderClosed: _closed,
    e.OrderConfirmed: _closed,
    e.OrderOverdue: _overdue,
    e.SlippageExceeded: _advanced,
    **ALGO_FOLDS,
    **MOVE_FOLDS,
    **RISK_FOLDS,
    **RECON_FOLDS,
    **FOLDS_FOR_READERS,
    **ROUTING_FOLDS,
}
