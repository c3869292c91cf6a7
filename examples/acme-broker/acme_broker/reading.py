"""What the venue says, as ordergate has it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from ordergate.domain.money import ZERO
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.reports import Acknowledged, AnyReport, End, Ended, Executed, Outcome, Replaced
from ordergate.domain.orders.states import ExecutionKind, Side

OUTCOMES: Final[Mapping[tuple[Any, Any], Outcome]] = {
    (200, None): Outcome.ACCEPTED,
    (409, "DUPLICATE"): Outcome.DUPLICATE,
    (422, "REFUSED"): Outcome.REJECTED,
    (404, "UNKNOWN_ORDER"): Outcome.REJECTED,
    (400, "CLOCK"): Outcome.NOT_SENT,  # "is checked before anything else is done"
    (429, "TOO_MANY"): Outcome.NOT_SENT,  # likewise
}
"""What the documents say that each answer to a request means. What is not here is unknown."""
TAKEN_BY_WORD: Final = (200, 404)
"""Answers to a query that say something."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def in_micros(at: datetime) -> int:
    """Microseconds since 1970, as the venue counts."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def report_of(broker: str, event: Mapping[str, Any], cursor: str | None = None) -> AnyReport:
    """What an event says."""
    common: dict[str, Any] = {
        "broker": broker,
        "client_id": event["client_id"],
        "broker_order_id": event["order"],
        "cursor": cursor,
    }
    if event["kind"] == "taken":
        return Acknowledged(**common)
    if event["kind"] == "ended":
        return Ended(**common, end=End(event["end"]))
    if event["kind"] == "replaced":
        return Replaced(**common, quantity=Decimal(event["quantity"]), limit_price=Decimal(event["limit"]))
    if event["kind"] == "moved":
        token, amount = event["token"], Decimal(event["amount"])
        what = ExecutionKind(event["what"])
        moved = (Delta(f"{broker}:BaseToken:{token}", amount, "transfer"),)
        return Executed(
            **common,
            exec_id=event["exec_id"],
            time=_EPOCH + timedelta(microseconds=event["at"]),
            quantity=-amount if what is ExecutionKind.TRADE else ZERO,
            execution_kind=what,
            refers_to=event.get("refers_to"),
            deltas=moved if what is ExecutionKind.TRADE else None,
            completes=what is ExecutionKind.TRADE,
        )
    return Executed(
        **common,
        exec_id=event["exec_id"],
        time=_EPOCH + timedelta(microseconds=event["at"]),
        quantity=Decimal(event["quantity"]),
        price=Decimal(event["price"]),
        execution_kind=ExecutionKind(event["what"]),
        refers_to=event.get("refers_to"),
        symbol=event["symbol"],
        side=Side(event["side"]),
        completes=event["completes"],
    )
