"""An order for any venue: a trade, an operation on a chain, or a transfer.

Numbers are floats here and nowhere behind: each is read as it is written (0.1 is 0.1).
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ordergate.sdk.venues.names import ON_CHAIN, TRADES, OrderOperation, VenueType, type_of

_NEEDED: Final[dict[OrderOperation, tuple[str, ...]]] = {
    OrderOperation.SPOT_TRADE: ("pair", "side"),
    OrderOperation.PERP_TRADE: ("pair", "side"),
    OrderOperation.SUPPLY: ("token_in",),
    OrderOperation.STAKE: ("token_in",),
    OrderOperation.SWAP: ("token_in",),
    OrderOperation.TRANSFER: ("source_venue", "target_venue", "token"),
}


class Order(BaseModel):
    """What a strategy wants done at a venue.

    Attributes:
        pair, side: of a trade; BUY and LONG buy, SELL and SHORT sell.
        amount: in units of the base, or of the token that the operation is about; above zero.
        price: of a limit order; of a market order what was expected, which slippage is measured against.
        token_in, token_out: what is given and what is got.
        source_venue, target_venue, token: of a transfer; `source_token` may stand for `token`.
        take_profit, stop_loss: levels of the position that the order opens.
        execution_mode: `atomic` is all of its group or nothing.
        atomic_group_id, sequence_in_group: the group, and the place in it.
        operation_id: makes a repetition the same order; without one, each call is an order of its own.
        slippage_tolerance: how much worse than expected, as a fraction (0.005 is half a percent); of a market order
            above zero, None is any.
        metadata: for its readers; an `idempotency_key` in it is what makes a repetition the same order.
        expected_deltas, operation_details, strategy_intent, timestamp_group, gas_cost_type, ltv_target,
            flash_fee_bps: for its readers.
    """

    model_config = ConfigDict(validate_assignment=True, extra="forbid", allow_inf_nan=False)

    venue: str
    operation: OrderOperation
    pair: str | None = None
    side: Literal["BUY", "SELL", "LONG", "SHORT"] | None = None
    amount: float
    price: float | None = None
    order_type: Literal["market", "limit"] = "market"
    token_in: str | None = None
    token_out: str | None = None
    source_venue: str | None = None
    target_venue: str | None = None
    token: str | None = None
    take_profit: float | None = None
    stop_loss: float | None = None
    execution_mode: Literal["sequential", "atomic"] = "sequential"
    atomic_group_id: str | None = None
    sequence_in_group: int | None = None
    timestamp_group: str = "default"
    strategy_intent: str | None = None
    strategy_id: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    ltv_target: float | None = None
    slippage_tolerance: float | None = None
    flash_fee_bps: float | None = None
    gas_cost_type: str | None = None
    operation_id: str | None = None
    source_token: str | None = None
    target_token: str | None = None
    expected_deltas: dict[str, float] = Field(default_factory=dict)
    operation_details: dict[str, Any] = Field(default_factory=dict)

    @field_validator("amount")
    @classmethod
    def _amount(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("amount must be positive")
        return value

    @field_validator("price")
    @classmethod
    def _price(cls, value: float | None) -> float | None:
        if value is not None and value <= 0:
            raise ValueError("price must be positive")
        return value

    @field_validator("slippage_tolerance")
    @classmethod
    def _slippage_tolerance(cls, value: float | None) -> float | None:
        if value is not None and value < 0:
            raise ValueError("slippage_tolerance must not be negative")
        return value

    @model_validator(mode="after")
    def _fits(self) -> "Order":
        for name in _NEEDED.get(self.operation, ()):
            if not (self.moved_token if name == "token" else getattr(self, name)):
                raise ValueError(f"{self.operation} requires '{name}' parameter")
        if self.execution_mode == "atomic" and not self.atomic_group_id:
            raise ValueError("atomic_group_id required when execution_mode is atomic")
        if self.atomic_group_id and self.sequence_in_group is None:
            raise ValueError("sequence_in_group required when atomic_group_id is provided")
        self._check_levels()
        return self

    def _check_levels(self) -> None:
        """A profit lies on the side of the entry where the position gains, a stop on the other."""
        if self.price is None or self.side not in ("LONG", "SHORT"):
            return
        sign = 1 if self.side == "LONG" else -1
        above, below = ("higher", "lower") if sign > 0 else ("lower", "higher")
        of = f"than entry price for {self.side} positions"
        if self.take_profit is not None and sign * (self.take_profit - self.price) <= 0:
            raise ValueError(f"take_profit must be {above} {of}")
        if self.stop_loss is not None and sign * (self.stop_loss - self.price) >= 0:
            raise ValueError(f"stop_loss must be {below} {of}")

    @property
    def moved_token(self) -> str | None:
        """The token of a transfer."""
        return self.token or self.source_token

    def is_atomic(self) -> bool:
        """Whether it belongs to a group of which all is done or nothing."""
        return self.execution_mode == "atomic" and self.atomic_group_id is not None

    def is_cex_trade(self) -> bool:
        """Whether it is a trade."""
        return self.operation in TRADES

    def is_defi_operation(self) -> bool:
        """Whether it is an operation on a chain."""
        return self.operation in ON_CHAIN

    def is_wallet_transfer(self) -> bool:
        """Whether it is a transfer."""
        return self.operation is OrderOperation.TRANSFER

    def get_venue_type(self) -> VenueType:
        """The kind of its venue."""
        return type_of(self.venue)

    def to_dict(self) -> dict[str, Any]:
        """Its fields."""
        return self.model_dump()
