"""What the venue says when it is asked for a request: everything about its order, or proof of absence."""

from ordergate.adapters.brokers.paper.records import with_raw
from ordergate.adapters.brokers.paper.register import Register
from ordergate.adapters.brokers.paper.store import Store
from ordergate.application.ports.brokers import Lookup, Presence
from ordergate.domain.orders.reports import Acknowledged, AnyReport, End, Ended, RequestRefused
from ordergate.domain.orders.states import RequestKind


def look_up(name: str, register: Register, store: Store, client_id: str) -> Lookup:
    """The answer to a lookup; everything of the register must be committed.

    The reports are those that went out, plus an acknowledgement where none was needed, plus the refusal where
    the request itself was refused. Absence is proof: what arrived is on disk, and there is one venue.
    """
    request = register.request(client_id)
    if request is None:
        return Lookup(presence=Presence.ABSENT, reason=f"no request {client_id!r} ever arrived")
    reports: list[AnyReport] = []
    order = register.order(request.order_number)
    if order is not None:
        history = store.reports_of(order.number)
        if not any(isinstance(report, Acknowledged) for report in history):
            names = {"client_id": order.client_id, "broker_order_id": order.broker_order_id}
            reports.append(with_raw(Acknowledged(broker=name, **names)))
        reports += history
    if request.refused is not None:
        reports.append(_refusal(name, client_id, request.kind, request.refused))
    return Lookup(presence=Presence.FOUND, reports=tuple(reports))


def _refusal(name: str, client_id: str, kind: str, reason: str) -> AnyReport:
    if kind == RequestKind.SUBMIT:
        return with_raw(Ended(broker=name, client_id=client_id, end=End.REJECTED, reason=reason))
    return with_raw(RequestRefused(broker=name, client_id=client_id, reason=reason))
