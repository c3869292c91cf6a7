"""Orders as every door takes and shows them: what a body means, and what is told of what became of it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from ordergate.api import problems
from ordergate.api.problems import DoorCode, Failure, Problem, problem
from ordergate.application.decide.context import OrderResult
from ordergate.application.decide.signaling import SignalResult
from ordergate.application.queries import show_order
from ordergate.domain.money import parse_positive
from ordergate.domain.orders.commands import SubmitOrder, check_fields, parse_order
from ordergate.domain.orders.decision import RiskDecision
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import State

TERMS: Final = ("quantity", "limit_price", "stop_price")


def submit_of(body: Any, where: str = "idempotency_key in the body") -> SubmitOrder:
    """The order that a body asks for.

    Args:
        where: a request may have its key.

    Raises:
        Failure: it has no key.
        Invalid: naming the field, its value and what would be right.
    """
    if isinstance(body, Mapping) and body.get("idempotency_key") is None:
        detail = f"name the request: give {where}"
        error = problems.Detail(code=DoorCode.KEY_MISSING, detail=detail, pointer="#/idempotency_key")
        raise Failure(problem(400, DoorCode.KEY_MISSING, detail, errors=(error,)))
    return parse_order(body)


def terms_of(body: Any) -> dict[str, Decimal]:
    """The terms that a replace names. Raises Invalid."""
    fields = check_fields(body, TERMS)
    return {n: parse_positive(v, f"#/{n}") for n, v in fields.items() if v is not None}


def is_refused(order: Order) -> bool:
    """Whether the risk gate, or who it asks, refused the order; no broker ever heard of it."""
    return order.state is State.REJECTED and order.submitted_at is None


def refused(order: Order, *, stored: bool, verdict: dict[str, Any] | None = None) -> Problem:
    """What is told of an order that was refused; `verdict` is what the gate says where it was only asked."""
    return problem(
        422,
        order.reason_code or "REJECTED",
        order.reason or "the order was refused",
        outcome="rejected",
        retry="never",
        order_id=order.order_id if stored else msgspec.UNSET,
        risk=msgspec.UNSET if verdict is None else verdict,
    )


def change_refused(order: Order, decision: RiskDecision) -> Problem:
    """A change that the gate refused, which the journal has; the order is as it was."""
    return problem(
        422,
        decision.code or "REJECTED",
        decision.reason or "the change was refused",
        outcome="not_sent",
        retry="never",
        order_id=order.order_id,
    )


def refused_change(result: OrderResult) -> Problem | None:
    """The same, where a result says that it was refused."""
    if result.decision is None or result.decision.code is None:
        return None
    return change_refused(result.order, result.decision)


def signal_refused(result: SignalResult) -> Problem:
    """The refusal of a signal, which stands in the journal by now: whatever it was, the signal cannot be done.

    Raises:
        RuntimeError: it led to neither an order nor a refusal.
    """
    refusal = result.refusal
    if refusal is None:
        raise RuntimeError("a signal led to neither an order nor a refusal")
    told = problems.of_error(refusal, about_orders=True)
    return problem(422, told.code, told.detail, errors=told.errors, outcome=told.outcome, retry="never")


def with_verdict(order: Order, verdict: dict[str, Any] | None) -> dict[str, Any]:
    """The order as it is shown, and what the gate says of it where it was only asked."""
    shown = show_order(order)
    return shown if verdict is None else {**shown, "risk": verdict}
