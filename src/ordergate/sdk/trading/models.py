"""The words of signal-to-order services: signals, orders, their states, and the interface to a broker."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from ordergate.adapters.brokers.sync.ticket import Number, Ticket
from ordergate.domain.errors import OrdergateError
from ordergate.domain.orders.states import State

OrderModel = Ticket
"""An order as a broker gets it; what is called `Ticket` where ordergate calls brokers."""


class RiskPolicyViolation(OrdergateError):
    """A policy on risk refused the order: the risk gate, or who it asks, or the broker's margin. Nothing was sent.

    Attributes:
        code: such as `RISK_ORDER_NOTIONAL`; None where a class of your own raises it without one.
        order_id: of the order, which is kept as REJECTED.
    """

    def __init__(self, detail: str, code: str | None = None, order_id: str | None = None) -> None:
        super().__init__(detail)
        self.code, self.order_id = code, order_id


class OrderState(Enum):
    """Where an order stands, in seven words."""

    RECEIVED = "RECEIVED"
    VALIDATED = "VALIDATED"
    SUBMITTED = "SUBMITTED"
    FILLED = "FILLED"
    CLOSED = "CLOSED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"


_STATES: Final[Mapping[State, OrderState]] = {
    State.CREATED: OrderState.RECEIVED,
    State.PENDING_RISK: OrderState.RECEIVED,
    State.ACCEPTED: OrderState.VALIDATED,
    State.SUBMITTED: OrderState.SUBMITTED,
    State.PARTIALLY_FILLED: OrderState.SUBMITTED,
    State.FILLED: OrderState.FILLED,
    State.CLOSED: OrderState.CLOSED,
    State.CANCELED: OrderState.FAILED,
    State.EXPIRED: OrderState.FAILED,
    State.FAILED: OrderState.FAILED,
    State.REJECTED: OrderState.REJECTED,
}


def state_of(state: State) -> OrderState:
    """The word for a state of ordergate; every state has one."""
    return _STATES[state]


class SignalModel(BaseModel):
    """A wish of a strategy.

    Attributes:
        id: makes a repetition the same order.
        direction: BUY or SELL.
        volume: in the instrument's unit; None is no order.
        order_manager: what emitted it, such as a rebalance.
        confidence, explanation, feature_importance, decision_path, metadata: for their readers.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    symbol: str
    direction: str
    volume: Number | None = None
    entry_price: Number | None = None
    stop_loss: Number | None = None
    take_profit: Number | None = None
    strategy_id: str
    order_manager: str | None = None
    confidence: float | None = None
    timestamp: datetime | None = Field(default=None, validation_alias=AliasChoices("timestamp", "created_at"))
    state: str | None = None
    explanation: str | None = None
    feature_importance: dict[str, Any] | None = None
    decision_path: list[Any] | None = None
    metadata: dict[str, Any] | None = None


class OrderResult(BaseModel):
    """What became of placing an order.

    Attributes:
        success: False only where it is certain that no order came of it; `error` says why.
        pending: its broker has not answered yet, so it may still be refused: ask for the status.
    """

    model_config = ConfigDict(frozen=True)

    success: bool
    order_id: str | None = None
    error: str | None = None
    state: OrderState | None = None
    pending: bool = False


class OrderStatus(BaseModel):
    """How an order stands.

    Attributes:
        filled_volume, average_price: of what is filled so far. Whoever says FILLED or CLOSED must say the
            price, and with CLOSED the volume; without, nothing can be booked.
        reason: why it was refused or ended.
    """

    model_config = ConfigDict(frozen=True)

    state: OrderState
    order_id: str | None = None
    symbol: str | None = None
    volume: Number | None = None
    filled_volume: Number | None = None
    average_price: Number | None = None
    reason: str | None = None


class BrokerInterface(ABC):
    """What a broker can be asked. ordergate calls a class written against it in one thread, never in two at once.

    A class may have more: `has_sufficient_margin(volume, symbol) -> bool`, asked before each order;
    `free_margin() -> number` in its `currency` (USD where it names none), which the risk gate measures orders against;
    `get_positions()`, signed quantities by symbol, and `get_balances()`, money by currency, to be compared;
    `order_types` and `tifs`, what it takes beside market orders, day and gtc; `decimals = True`, to get
    decimals where it would get floats; `name`, what ordergate calls it.
    """

    @abstractmethod
    def place_order(self, signal: OrderModel) -> Any:
        """Places an order. An `OrderResult`, or anything with its `success`, `order_id` and `error`."""

    @abstractmethod
    def get_order_status(self, order_id: str) -> Any:
        """How an order stands. An `OrderStatus`, or anything with its `state` and amounts."""

    @abstractmethod
    def close_order(self, order_id: str) -> bool:
        """Cancels what works, closes what is filled; whether that was taken."""
