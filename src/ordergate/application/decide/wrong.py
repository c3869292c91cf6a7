"""What is wrong with a broker's report by itself, whatever its order's state."""

import hashlib
from typing import Final

from ordergate.domain.breaks import REPORT, BreakKind
from ordergate.domain.money import ONE, is_sane
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import ExecutionKind, RequestKind

_OF_A_REQUEST: Final = (r.Answered, r.Replaced, r.RequestRefused, r.LookedUp)

_TERMS: Final = (
    "outcome", "end", "mark", "on", "finding", "quantity", "limit_price", "stop_price", "ratio",
)  # fmt: skip
_DIGITS: Final = 32


def name_of(said: r.AnyReport) -> str:
    """The kind of a report."""
    return type(said).__name__


def report_key(kind: BreakKind, said: r.AnyReport, order_id: str | None) -> str:
    """What a break of a report is about: the same for every delivery of it, whatever has become of its order.

    An execution is known by its id, anything else by what it asks to be believed.
    """
    about = order_id or said.client_id or said.broker_order_id
    if isinstance(said, r.Executed):
        what: tuple[object, ...] = (said.exec_id,)
    else:
        what = name_of(said), said.client_id, *(getattr(said, term, None) for term in _TERMS)
    digest = hashlib.sha256(repr((about, *what)).encode(errors="backslashreplace")).hexdigest()
    return f"{REPORT}{kind}/{digest[:_DIGITS]}"


def request_of(order: Order, said: r.AnyReport) -> Request | None:
    """The open request that a report names."""
    for request in order.requests:
        if request.client_id == said.client_id:
            return request
    return None


def wrong_report(order: Order, said: r.AnyReport) -> tuple[BreakKind, str] | None:
    """What is wrong with a report by itself, whatever the order's state."""
    if isinstance(said, r.Executed):
        return wrong_execution(order, said)
    detail = _wrong_terms(said) if isinstance(said, (r.Replaced, r.Restated)) else None
    if detail is None and isinstance(said, _OF_A_REQUEST):
        detail = _wrong_request(order, said)
    return None if detail is None else (BreakKind.ILLEGAL_REPORT, f"{name_of(said)} {detail}")


def _wrong_terms(said: r.Replaced | r.Restated) -> str | None:
    ratio = said.ratio if isinstance(said, r.Restated) else ONE
    named = (said.quantity, said.limit_price, said.stop_price, ratio)
    if any(number is not None and not (is_sane(number) and number > 0) for number in named):
        return f"with a number that is not above zero: {', '.join(map(str, named))}"
    if ratio != ONE and said.quantity is None:
        return f"by {ratio} without the quantity that results"
    return None


def _wrong_request(order: Order, said: r.AnyReport) -> str | None:
    number = (said.client_id or "").rpartition(".")[2]
    if not number.isdecimal() or not 1 <= int(number) <= order.request_count:
        return f"of {said.client_id}, which is no request of the order"
    request = request_of(order, said)
    if isinstance(said, r.Replaced) and request is not None and request.kind is not RequestKind.REPLACE:
        return f"of {said.client_id}, which is a {request.kind}"
    return None


def wrong_execution(order: Order, said: r.Executed) -> tuple[BreakKind, str] | None:
    """Why it cannot be one of the order's executions; None where it can."""
    if said.symbol is not None and said.symbol != order.symbol:
        return BreakKind.WRONG_INSTRUMENT, f"execution {said.exec_id} is in {said.symbol}, not {order.symbol}"
    if said.side is not None and said.side.sign != order.side.sign:
        return BreakKind.WRONG_SIDE, f"execution {said.exec_id} is a {said.side}, the order a {order.side}"
    about = said.execution_kind
    if (about is ExecutionKind.TRADE) != (said.refers_to is None) or said.refers_to == said.exec_id:
        return BreakKind.BAD_EXECUTION, f"execution {said.exec_id}: a {about} that refers to {said.refers_to}"
    if said.time.tzinfo is None or not all(map(is_sane, (said.quantity, said.price, said.fee))):
        said_so = f"{said.quantity} at {said.price}, fee {said.fee}, at {said.time}"
        return BreakKind.BAD_EXECUTION, f"execution {said.exec_id}: {said_so}; no sane numbers, or no offset"
    wrong = None if about is ExecutionKind.BUST else _wrong_amounts(order, said)
    return None if wrong is None else (BreakKind.BAD_EXECUTION, f"execution {said.exec_id}: {wrong}")


def _wrong_amounts(order: Order, said: r.Executed) -> str | None:
    """A trade has both; of another operation an execution may be a step, or a fee alone."""
    for delta in said.deltas or ():
        if not is_sane(delta.amount) or delta.position_key.count(":") < 2:
            return f"{delta.amount} of {delta.position_key}: no sane number, or no venue:type:symbol"
    numbers = f"quantity {said.quantity} at {said.price}"
    if order.operation.is_trade:
        return f"{numbers}; both must be above zero" if said.quantity <= 0 or said.price <= 0 else None
    if said.quantity < 0 or said.price < 0:
        return f"{numbers}; neither may be below zero"
    return f"no deltas, and a {order.operation} moves balances by them alone" if said.deltas is None else None
