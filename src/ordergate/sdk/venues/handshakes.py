"""What became of an order at its venue."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ordergate.adapters.clock import SystemClock
from ordergate.sdk.venues.models import Order

BUNDLE = "bundle"
"""In `venue_metadata`: the order that did several operations as one."""


class ExecutionHandshakeStatus(StrEnum):
    """How an order stands. PENDING: it may still be executed. ROLLED_BACK: it was, and has been undone."""

    PENDING = "pending"
    EXECUTED = "executed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"

    @classmethod
    def _missing_(cls, value: object) -> "ExecutionHandshakeStatus | None":
        return cls.EXECUTED if value == "confirmed" else None


_now = SystemClock().now


class ExecutionHandshake(BaseModel):
    """What became of an order.

    Attributes:
        trade_id: the venue's name of it.
        executed_amount, executed_price: what was executed, and at which average.
        position_deltas: by asset what it moved at the order's venue, or by position key where that is elsewhere; the
            fee is not among them.
        slippage: executed less expected price; above zero is adverse to who buys.
        error_code, error_message: of one that failed; see `codes`.
        venue_metadata: `order_id`, `broker`, `state` and `fills` of ordergate's order; `reason_code` where it has one.
        simulated: it was done at a paper venue.
        operation_id: the order's.
    """

    model_config = ConfigDict(validate_assignment=True, extra="forbid", allow_inf_nan=False)

    order: Order
    status: ExecutionHandshakeStatus
    trade_id: str | None = None
    executed_amount: float = 0.0
    executed_price: float | None = None
    position_deltas: dict[str, float] = Field(default_factory=dict)
    fee_amount: float = 0.0
    fee_currency: str = "USDT"
    slippage: float | None = None
    submitted_at: datetime = Field(default_factory=_now)
    executed_at: datetime | None = None
    error_code: str | None = None
    error_message: str | None = None
    venue_metadata: dict[str, Any] = Field(default_factory=dict)
    simulated: bool = False
    operation_id: str | None = None
    execution_details: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _newer_names(cls, data: Any) -> Any:
        """`actual_deltas` is another name of `position_deltas`."""
        if isinstance(data, Mapping) and "actual_deltas" in data and "position_deltas" not in data:
            data = {**data, "position_deltas": data["actual_deltas"]}
            del data["actual_deltas"]
        return data

    @property
    def actual_deltas(self) -> dict[str, float]:
        """Another name of `position_deltas`."""
        return self.position_deltas

    def was_successful(self) -> bool:
        """Whether it was executed."""
        return self.status is ExecutionHandshakeStatus.EXECUTED

    def was_failed(self) -> bool:
        """Whether it failed."""
        return self.status is ExecutionHandshakeStatus.FAILED

    def is_pending(self) -> bool:
        """Whether it may still be executed."""
        return self.status is ExecutionHandshakeStatus.PENDING

    def to_position_delta(self) -> dict[str, float]:
        """A copy of what it moved."""
        return self.position_deltas.copy()

    def get_net_cost(self) -> float:
        """Of a trade what was paid and the fee, else the fee."""
        if self.order.is_cex_trade() and self.executed_price:
            return self.executed_amount * self.executed_price + self.fee_amount
        return self.fee_amount

    def get_execution_summary(self) -> dict[str, Any]:
        """Its main fields, for logs."""
        named = (
            "executed_amount", "executed_price", "fee_amount", "fee_currency", "position_deltas", "error_code",
            "error_message", "simulated",
        )  # fmt: skip
        order = self.order
        return {
            "order_id": f"{order.venue}_{order.operation}_{order.amount}",
            "status": str(self.status),
            **{name: getattr(self, name) for name in named},
        }

    def validate_execution(self) -> bool:
        """Whether it is whole: a success has an amount, a price of trades and deltas; a failure code and message."""
        if self.was_failed():
            return bool(self.error_code and self.error_message)
        if not self.was_successful():
            return True
        if self.executed_amount <= 0 or (self.order.is_cex_trade() and not self.executed_price):
            return False
        return bool(self.position_deltas) or BUNDLE in self.venue_metadata

    @classmethod
    def create_successful_trade(
        cls,
        order: Order,
        trade_id: str,
        executed_amount: float,
        executed_price: float | None = None,
        position_deltas: dict[str, float] | None = None,
        fee_amount: float = 0.0,
        fee_currency: str = "USDT",
        slippage: float | None = None,
        venue_metadata: dict[str, Any] | None = None,
        simulated: bool = False,
    ) -> "ExecutionHandshake":
        """One that was executed now."""
        return cls(
            order=order,
            status=ExecutionHandshakeStatus.EXECUTED,
            trade_id=trade_id,
            executed_amount=executed_amount,
            executed_price=executed_price,
            position_deltas=position_deltas or {},
            fee_amount=fee_amount,
            fee_currency=fee_currency,
            slippage=slippage,
            executed_at=_now(),
            venue_metadata=venue_metadata or {},
            simulated=simulated,
            operation_id=order.operation_id,
        )

    @classmethod
    def create_failed_trade(
        cls,
        order: Order,
        error_code: str,
        error_message: str,
        venue_metadata: dict[str, Any] | None = None,
        simulated: bool = False,
    ) -> "ExecutionHandshake":
        """One that failed, and why."""
        return cls(
            order=order,
            status=ExecutionHandshakeStatus.FAILED,
            error_code=error_code,
            error_message=error_message,
            venue_metadata=venue_metadata or {},
            simulated=simulated,
            operation_id=order.operation_id,
        )

    @classmethod
    def create_pending_trade(
        cls,
        order: Order,
        trade_id: str | None = None,
        venue_metadata: dict[str, Any] | None = None,
        simulated: bool = False,
    ) -> "ExecutionHandshake":
        """One whose end is not known yet."""
        return cls(
            order=order,
            status=ExecutionHandshakeStatus.PENDING,
            trade_id=trade_id,
            venue_metadata=venue_metadata or {},
            simulated=simulated,
            operation_id=order.operation_id,
        )
