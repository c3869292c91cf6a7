"""How the bodies of requests look, for the OpenAPI document alone: it is the domain that reads them.

A test holds the fields against what the parsers take.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ordergate.api.rest.schema_types import Key, Name, NotNegative, OrderId, Positive, When
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level

Reason = Annotated[str, Field(min_length=1, max_length=1_000)]


LotId = Annotated[str, Field(min_length=1, max_length=400)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _OfAnOperation(_Request):
    venue: Name | None = Field(None, description="The protocol or venue at which it is done.")
    token_out: Name | None = Field(None, description="What is got, where that is another token.")
    target: Key | None = Field(None, description="Where a transfer goes: a venue's name, or an address.")
    least_out: Positive | None = Field(None, description="If less came out, nothing is done.")


class LegRequest(_OfAnOperation):
    """One operation of a bundle."""

    operation: Operation
    quantity: Positive
    token: Name


class OperationTermsRequest(_OfAnOperation):
    """What an operation needs beside its token and quantity."""

    legs: Annotated[list[LegRequest], Field(max_length=20)] | None = Field(None, description="Of a bundle.")


class _OrderTerms(_Request):
    fund_id: Name
    symbol: Key
    side: Side | None = Field(None, description="Needed of a trade.")
    quantity: Positive = Field(description="In the instrument's unit.")
    order_type: OrderType | None = Field(None, description="Needed of a trade.")
    order_id: OrderId | None = Field(None, description="Left out, ordergate names the order.")
    limit_price: Positive | None = None
    stop_price: Positive | None = None
    tif: TimeInForce | None = Field(None, description="Left out: day.")
    strategy_id: Name | None = None
    order_manager: Key | None = Field(None, description="What emits it, such as a rebalance.")
    broker: Name | None = Field(None, description="Left out, the fund's.")
    actor: Name | None = Field(None, description="Who acts; left out, the principal.")
    signal_id: Key | None = None
    retry_of: OrderId | None = None
    thesis: Annotated[str, Field(max_length=4_000)] | None = None
    entry_price: Positive | None = None
    stop_loss: Positive | None = None
    take_profit: Positive | None = None
    expires_at: When | None = Field(None, description="Until when a gtd order works.")
    max_slippage_bps: Positive | None = Field(
        None, description="How much worse than the present mid it may trade, in basis points."
    )
    max_slippage_pips: Positive | None = Field(
        None, description="The same in pips, in place of basis points."
    )
    operation: Operation | None = Field(
        None,
        description="What it does; left out: a trade. Of another, side, order_type and tif may be left out.",
    )
    terms: OperationTermsRequest | None = Field(None, description="Of what is no trade.")
    lots: Annotated[list[LotId], Field(min_length=1, max_length=100)] | None = Field(
        None, description="Ids of the tax lots that it closes first; for funds whose method is specific."
    )


class OrderRequest(_OrderTerms):
    """An order to submit."""

    idempotency_key: Key = Field(description="Names the request: the same key never makes two orders.")


class KeyedOrderRequest(_OrderTerms):
    """An order to submit; the key may stand in the header Idempotency-Key instead."""

    idempotency_key: Key | None = Field(None, description="Needed, unless the header Idempotency-Key has it.")


class BatchRequest(_Request):
    """Orders to submit at once; each stands for itself."""

    orders: list[OrderRequest | Any] = Field(
        min_length=1, max_length=500, description="What is no order gets a problem among the results."
    )


class CancelRequest(_Request):
    """Why."""

    reason: Annotated[str, Field(max_length=1_000)] | None = None


class ReplaceRequest(_Request):
    """New terms; what is left out stays."""

    quantity: Positive | None = None
    limit_price: Positive | None = None
    stop_price: Positive | None = None


class SignalRequest(_Request):
    """A strategy's signal, in either of two dialects."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "allOf": [
                {"anyOf": [{"required": ["signal_id"]}, {"required": ["id"]}]},
                {"anyOf": [{"required": ["signal_type"]}, {"required": ["direction"]}]},
            ]
        },
    )

    signal_id: Key | None = Field(None, description="Names the signal: the same one never makes two orders.")
    id: Key | None = Field(None, description="The same as signal_id.")
    idempotency_key: Key | None = Field(
        None,
        description="What names it instead, where signals.dedupe_by is idempotency_key; else it changes nothing.",
    )
    symbol: Key
    signal_type: Key | None = Field(
        None, description="buy, sell, long, short, close_long, close_short; hold makes none."
    )
    direction: Key | None = Field(None, description="The same as signal_type.")
    position_size: Positive | None = None
    volume: Positive | None = None
    position_size_recommended: Positive | None = None
    entry_price: Positive | None = None
    stop_loss: Positive | None = None
    take_profit: Positive | None = None
    strategy_id: Name | None = None
    order_manager: Key | None = None
    fund_id: Name | None = None
    approved: bool | None = None
    risk_approval_status: Key | None = None
    expires_at: When | None = None
    valid_until: When | None = None
    time: When | None = None
    timestamp: When | None = None
    created_at: When | None = None
    timestamp_ms: Annotated[int, Field(ge=0, lt=10**14)] | None = None
    timeframe: Any = None
    confidence: Any = None
    confidence_score: Any = None
    model_version: Any = None
    metadata: Any = None
    reason: Any = None
    checks: Any = None
    state: Any = None
    explanation: Any = None
    feature_importance: Any = None
    decision_path: Any = None


class QuoteRequest(_Request):
    """Best bid and ask; a size that is left out is unlimited."""

    bid: Positive
    ask: Positive
    bid_size: NotNegative | None = None
    ask_size: NotNegative | None = None


class CheckRequest(_OrderTerms):
    """An order that is only judged; a key may be there, and names nothing."""

    idempotency_key: Key | None = None


class LimitsRequest(_Request):
    """A change of limits."""

    limits: dict[str, Any] = Field(
        description="By name; null takes one away, and what is left out stays. Numbers as text or JSON numbers."
    )
    reason: Reason = Field(description="Kept in the journal.")
    reverts_at: When | None = Field(None, description="When the change is over; left out, it is for good.")


class HaltRequest(_Request):
    """What to stop."""

    level: Level = Field(description="firm, fund, strategy or broker.")
    name: str | None = Field(None, description="Left out for the firm.")
    mode: Mode | None = Field(
        None, description="halt (as left out): nothing new. reduce_only: only what makes a position smaller."
    )
    reason: Reason = Field(description="Kept in the journal.")


class ReleaseRequest(_Request):
    """Which halt to lift."""

    level: Level
    name: str | None = Field(None, description="Left out for the firm.")
    reason: Reason = Field(description="Kept in the journal.")


class ReasonRequest(_Request):
    """Why."""

    reason: Reason


class OverrideRequest(_Request):
    """Which refused order shall go on all the same."""

    order_id: OrderId
    reason: Reason = Field(description="Kept in the journal.")
    expires_at: When | None = Field(None, description="Until when it may be granted; left out, an hour.")
