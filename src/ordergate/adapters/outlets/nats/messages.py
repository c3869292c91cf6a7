"""What is published of orders: numbers are decimals as text, times RFC 3339 in UTC."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from ordergate.application.entry import kind_of
from ordergate.application.naming import LogName
from ordergate.application.steps import Step
from ordergate.application.telling import Told
from ordergate.domain.operations import Operation
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.operations import OperationTerms
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, ExecutionKind, OrderType, Side, State, TimeInForce

Instant = Annotated[datetime, Meta(tz=True)]
"""In UTC."""


class MtsState(StrEnum):
    """Words of the dialect `mts`."""

    CREATED = "CREATED"
    PENDING_RISK = "PENDING_RISK"
    ACCEPTED = "ACCEPTED"
    SUBMITTED = "SUBMITTED"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CLOSED = "CLOSED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


class OrderStatus(StrEnum):
    """Words of the dialect `orders`."""

    PENDING = "PENDING"
    SUBMITTED = "SUBMITTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


class UpdateState(StrEnum):
    """Words of the dialect `updates`."""

    RECEIVED = "RECEIVED"
    VALIDATED = "VALIDATED"
    SUBMITTED = "SUBMITTED"
    FILLED = "FILLED"
    CLOSED = "CLOSED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"


MTS: Final[Mapping[State, MtsState]] = {
    **{state: MtsState(state.value) for state in State if state is not State.PARTIALLY_FILLED},
    State.PARTIALLY_FILLED: MtsState.PARTIAL,
}
ORDERS: Final[Mapping[State, OrderStatus]] = {
    State.CREATED: OrderStatus.PENDING,
    State.PENDING_RISK: OrderStatus.PENDING,
    State.ACCEPTED: OrderStatus.PENDING,
    State.SUBMITTED: OrderStatus.SUBMITTED,
    State.PARTIALLY_FILLED: OrderStatus.PARTIALLY_FILLED,
    State.FILLED: OrderStatus.FILLED,
    State.CLOSED: OrderStatus.FILLED,
    State.CANCELED: OrderStatus.CANCELLED,
    State.EXPIRED: OrderStatus.CANCELLED,
    State.REJECTED: OrderStatus.REJECTED,
    State.FAILED: OrderStatus.FAILED,
}
UPDATES: Final[Mapping[State, UpdateState]] = {
    State.CREATED: UpdateState.RECEIVED,
    State.PENDING_RISK: UpdateState.RECEIVED,
    State.ACCEPTED: UpdateState.VALIDATED,
    State.SUBMITTED: UpdateState.SUBMITTED,
    State.PARTIALLY_FILLED: UpdateState.SUBMITTED,
    State.FILLED: UpdateState.FILLED,
    State.CLOSED: UpdateState.CLOSED,
    State.CANCELED: UpdateState.FAILED,
    State.EXPIRED: UpdateState.FAILED,
    State.FAILED: UpdateState.FAILED,
    State.REJECTED: UpdateState.REJECTED,
}


class FillPart(Struct, frozen=True, gc=False, kw_only=True):
    """The execution behind a message.

    Attributes:
        fill_id: the broker's; the same one of an order counts once.
        quantity: in the instrument's unit; 0 for a bust.
        kind: a trade, or a broker's correction or bust of the one that `refers_to` names.
        late: it came after the order's end.
    """

    fill_id: str
    kind: ExecutionKind
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str | None
    time: Instant
    refers_to: str | None
    late: bool


class Said(Struct, frozen=True, gc=False, kw_only=True):
    """Common to all messages.

    Attributes:
        id: of the message; one that comes again has the same.
        log, journal, index: the journal, by its origin and the beginning of its first entry's hash, and its entry that
            says so.
        time: when it happened.
        event: the entry's kind, such as `OrderFilled/1`.
    """

    id: str
    log: str
    journal: str
    index: int
    time: Instant
    event: str


class OrderMessage(Said, frozen=True, kw_only=True):
    """An order, as the entry left it.

    Attributes:
        client_order_id: what its broker knows it by.
        order_state: ordergate's own word.
        reason_code, reason: of its end, else of what the entry says.
        fill: what was executed, where the message is about that.
    """

    order_id: str
    client_order_id: str | None
    idempotency_key: str | None
    fund_id: str
    strategy_id: str | None
    order_manager: str | None
    parent_order_id: str | None
    slice: int | None
    signal_id: str | None
    actor: str | None
    symbol: str
    side: Side
    order_type: OrderType
    tif: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    filled_quantity: Decimal
    average_price: Decimal | None
    broker: str
    broker_order_id: str | None
    version: int
    created_at: Instant
    operation: Operation
    terms: OperationTerms | None
    order_state: State
    reason_code: str | None
    reason: str | None
    fill: FillPart | None


class MtsOrder(OrderMessage, frozen=True, kw_only=True):
    """On `mts.v1.oms.orders.<verb>`; `state` is the same as `status`."""

    status: MtsState
    previous_status: MtsState | None
    state: MtsState
    rejected_reason: str | None


class OrdersStatus(OrderMessage, frozen=True, kw_only=True):
    """On `orders.<status>.<symbol>`."""

    status: OrderStatus
    previous_status: OrderStatus | None


class OrderUpdate(OrderMessage, frozen=True, kw_only=True):
    """On `ORDER_UPDATE`."""

    status: UpdateState
    previous_status: UpdateState | None


class MtsFill(Said, frozen=True, kw_only=True):
    """On `mts.v1.oms.fills.<verb>`; the attributes are those of an order and of its execution."""

    fill_id: str
    order_id: str
    client_order_id: str | None
    idempotency_key: str | None
    fund_id: str
    strategy_id: str | None
    order_manager: str | None
    parent_order_id: str | None
    slice: int | None
    signal_id: str | None
    symbol: str
    side: Side
    broker: str
    kind: ExecutionKind
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str | None
    filled_at: Instant
    refers_to: str | None
    late: bool


_OF_ORDER: Final = (
    "order_id", "idempotency_key", "fund_id", "strategy_id", "signal_id", "actor", "symbol", "side", "order_type",
    "tif", "quantity", "limit_price", "stop_price", "filled_quantity", "average_price", "broker", "broker_order_id",
    "version", "created_at", "order_manager", "parent_order_id", "slice", "operation", "terms",
)  # fmt: skip


def said(told: Told, name: LogName, identity: str, time: datetime) -> dict[str, Any]:
    """What every message has."""
    entry = told.entry
    return {
        "id": identity,
        "log": name.log,
        "journal": name.journal,
        "index": entry.index,
        "time": time,
        "event": kind_of(entry.event),
    }


def order_part(told: Told, order: Order, step: Step) -> dict[str, Any]:
    """What a message says of its order at one of its steps."""
    ended = step.state in TERMINAL
    return {
        **{name: getattr(order, name) for name in _OF_ORDER},
        "client_order_id": order.client_id,
        "order_state": step.state,
        "reason_code": order.reason_code if ended else None,
        "reason": order.reason if ended else getattr(told.entry.event, "reason", None),
        "fill": None if step.fill is None else _fill_part(step.fill),
    }


def _fill_part(fill: Fill) -> FillPart:
    return FillPart(
        fill_id=fill.exec_id,
        kind=fill.kind,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        fee_currency=fill.fee_currency,
        time=fill.time,
        refers_to=fill.refers_to,
        late=fill.late,
    )


def fill_message(common: dict[str, Any], order: Order, fill: Fill) -> MtsFill:
    """The message of an execution."""
    return MtsFill(
        **common,
        fill_id=fill.exec_id,
        order_id=fill.order_id,
        client_order_id=order.client_id,
        idempotency_key=order.idempotency_key,
        fund_id=fill.fund_id,
        strategy_id=order.strategy_id,
        order_manager=order.order_manager,
        parent_order_id=order.parent_order_id,
        slice=order.slice,
        signal_id=order.signal_id,
        symbol=fill.symbol,
        side=fill.side,
        broker=fill.broker,
        kind=fill.kind,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        fee_currency=fill.fee_currency,
        filled_at=fill.time,
        refers_to=fill.refers_to,
        late=fill.late,
    )
