"""Who a request is and what it is about: repeats, the orders that requests name, refusals, answers.

A client id counts once for ever, whatever the request's kind and whether it was done or refused.
"""

from datetime import datetime
from typing import Final

import msgspec

from ordergate.adapters.brokers.paper.orders import Status, VenueOrder, broker_order_id
from ordergate.adapters.brokers.paper.register import Register
from ordergate.application.ports.brokers import Answer, Change, Withdraw
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import RequestKind

_encode: Final = msgspec.json.Encoder().encode


class Desk:
    """Takes requests in."""

    def __init__(self, register: Register) -> None:
        self._register = register

    def repeated(self, client_id: str, kind: RequestKind) -> Answer | None:
        """The answer to a client id that was used before."""
        known = self._register.request(client_id)
        if known is None:
            return None
        if known.kind != kind:
            reason = f"client id {client_id!r} already names a {known.kind}"
            return answer_of(client_id, Outcome.REJECTED, known.order_number, reason)
        if known.refused is not None:
            return answer_of(client_id, Outcome.REJECTED, known.order_number, known.refused)
        return answer_of(client_id, Outcome.DUPLICATE, known.order_number)

    def target(
        self, request: Change | Withdraw, kind: RequestKind, at: datetime
    ) -> tuple[VenueOrder | None, Answer]:
        """The working order to change and the answer that says so; no order where nothing is to be done."""
        known = self.repeated(request.client_id, kind)
        if known is not None:
            return None, known
        order = self._register.order_of(request.order, request.broker_order_id)
        if order is None:
            return None, self.refuse(request.client_id, kind, None, f"unknown order {request.order!r}", at)
        if order.status is not Status.WORKING:
            reason = f"too late: order {order.broker_order_id} is {order.status}"
            return None, self.refuse(request.client_id, kind, order.number, reason, at)
        return order, answer_of(request.client_id, Outcome.ACCEPTED, order.number)

    def accept(self, client_id: str, kind: RequestKind, number: int, at: datetime) -> None:
        """Books that a request is done."""
        self._register.add_request(client_id, kind, number, None, at)

    def refuse(
        self, client_id: str, kind: RequestKind, number: int | None, reason: str, at: datetime
    ) -> Answer:
        """Books that a request was not done."""
        self._register.add_request(client_id, kind, number, reason, at)
        return answer_of(client_id, Outcome.REJECTED, number, reason)


def answer_of(client_id: str, outcome: Outcome, number: int | None, reason: str | None = None) -> Answer:
    """An answer, with itself as JSON text."""
    name = None if number is None else broker_order_id(number)
    raw = {"client_id": client_id, "outcome": outcome, "broker_order_id": name, "reason": reason}
    return Answer(outcome=outcome, broker_order_id=name, reason=reason, raw=_encode(raw).decode())
