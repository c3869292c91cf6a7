"""What the venue says when it is asked for a request: everything about its order, or proof of absence."""

from ordergate.adapters.brokers.paper.records import with_raw
from ordergate.adapters.brokers.paper.stores import History
from ordergate.application.ports.brokers import Lookup, Presence
from ordergate.domain.orders.reports import Acknowledged, AnyReport, End, Ended, RequestRefused
from ordergate.domain.orders.states import RequestKind


def look_up(name: str, client_id: str, history: History | None) -> Lookup:
    """The answer to a lookup, from what is committed.

    The reports are those that went out, plus an acknowledgement where none was needed, plus the refusal where
    the request itself was refused. Absence is proof: what arrived is on disk, and there is one venue.
    """
    if history is None:
        return Lookup(presence=Presence.ABSENT, reason=f"no request {client_id!r} ever arrived")
    reports: list[AnyReport] = []
    order, request = history.order, history.request
    if order is not None and not any(isinstance(report, Acknowledged) for report in history.reports):
        names = {"client_id": order.client_id, "broker_order_id": order.broker_order_id}
        reports.append(with_raw(Acknowledged(broker=name, **names)))
    reports += history.reports
    if request.refused is not None:
        reports.append(_refusal(name, client_id, request.kind, request.refused))
    return Lookup(presence=Presence.FOUND, reports=tuple(reports))


def _refusal(name: str, client_id: str, kind: str, reason: str) -> AnyReport:
    if kind == RequestKind.SUBMIT:
        return with_raw(Ended(broker=name, client_id=client_id, end=End.REJECTED, reason=reason))
    return with_raw(RequestRefused(broker=name, client_id=client_id, reason=reason))
