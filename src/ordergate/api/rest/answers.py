"""How the bodies of answers look, for the OpenAPI document alone: they are encoded as they are.

A test holds the fields against what the queries show.
"""

from pydantic import Field

from ordergate.api.rest.algo_answers import Algo
from ordergate.api.rest.schema_types import Index, Instant, Number
from ordergate.api.rest.shown import Shown
from ordergate.domain.instruments import Unit
from ordergate.domain.operations import Operation
from ordergate.domain.orders.decision import PriceSource, RiskCode
from ordergate.domain.orders.states import (
    ExecutionKind,
    Mark,
    OrderType,
    Protection,
    Side,
    State,
    TimeInForce,
)


class Leg(Shown):
    """One operation of a bundle."""

    operation: Operation
    quantity: Number
    token: str
    venue: str | None
    token_out: str | None
    target: str | None
    least_out: Number | None


class OperationTerms(Shown):
    """What an operation needs beside its token and quantity."""

    venue: str | None = Field(description="The protocol or venue at which it is done.")
    token_out: str | None
    target: str | None
    least_out: Number | None
    legs: list[Leg]


class Order(Shown):
    """An order as it is."""

    order_id: str
    fund_id: str
    symbol: str
    side: Side
    quantity: Number
    order_type: OrderType
    tif: TimeInForce
    broker: str
    state: State
    created_at: Instant
    updated_at: Instant
    limit_price: Number | None
    stop_price: Number | None
    cash_quantity: Number | None
    strategy_id: str | None
    actor: str | None
    idempotency_key: str | None
    signal_id: str | None
    retry_of: str | None
    thesis: str | None
    entry_price: Number | None
    stop_loss: Number | None
    take_profit: Number | None
    expires_at: Instant | None
    arrival_bid: Number | None
    arrival_ask: Number | None
    version: int = Field(description="Counts changes; the ETag.")
    filled_quantity: Number
    client_id: str | None = Field(description="What the broker knows it by.")
    broker_order_id: str | None
    accepted_at: Instant | None
    submitted_at: Instant | None
    acknowledged_at: Instant | None
    filled_at: Instant | None
    ended_at: Instant | None
    marks: list[Mark]
    reason_code: str | None
    reason: str | None
    reference_price: Number | None = Field(description="What the risk gate measured it at.")
    awaits: list[str] | None = Field(description="The gates that must agree yet; approval is a person.")
    decide_by: Instant | None = Field(description="When it waits for them no longer.")
    lots: list[str] | None = Field(description="Ids of the tax lots that its fills close first.")
    max_slippage_bps: Number | None
    max_slippage_pips: Number | None
    protect: Protection | None = Field(description="What each of its fills is protected by; null is nothing.")
    parent_order_id: str | None = Field(
        description="The entry that it protects, or that its broker closed by it; of a slice: its parent."
    )
    order_manager: str | None = Field(description="What emitted it, such as a rebalance.")
    slice: int | None = Field(description="Which slice of its parent it is.")
    algo: Algo | None = Field(description="How a parent is worked; of any other order null.")
    operation: Operation = Field(description="What it does.")
    terms: OperationTerms | None = Field(description="Of what is no trade.")
    route: list[str] | None = Field(
        description="The brokers of the rule that chose its broker, in the order of failover; null where none did."
    )
    average_price: Number | None
    leaves_quantity: Number
    overdue: list[str] = Field(description="Delays that were noticed, and how often, such as unfilled:2.")
    pending: list[str] = Field(description="Requests without an answer, such as cancel:sent.")


class Verdict(Shown):
    """What the risk gate says of an order, or would say."""

    approved: bool
    gate: str | None = Field(description="The check that refuses.")
    code: RiskCode | None = Field(description="Of the refusal.")
    reason: str | None
    numbers: dict[str, Number] = Field(
        description="What was compared, in US dollars or the instrument's unit."
    )
    limits: dict[str, int] = Field(description="The versions of the limits that counted, by scope.")
    reference_price: Number | None
    price_source: PriceSource | None
    margin_before: Number | None = Field(description="What the fund's exposure binds, in US dollars.")
    margin_after: Number | None = Field(
        description="With this order; null where the decision needed no margin."
    )
    awaits: list[str] = Field(description="Who else must agree: external gates, and approval for a person.")


class OrderOrPreview(Order):
    """An order as it is; with validate_only, as it would be, and what the risk gate says of it."""

    risk: Verdict | None = Field(None, description="With validate_only alone.")


class Delta(Shown):
    """A balance that moved."""

    position_key: str
    amount: Number
    source: str


class Fill(Shown):
    """An execution, with its slippage: positive is adverse."""

    fill_id: str
    order_id: str
    fund_id: str
    symbol: str
    side: Side
    quantity: Number
    price: Number
    fee: Number
    fee_currency: str | None
    time: Instant
    broker: str
    exec_id: str
    kind: ExecutionKind
    late: bool
    deltas: list[Delta] = Field(description="What it moved; nothing where it does not count.")
    slippage_bps: Number | None = Field(description="Against the mid when the order arrived.")
    slippage_pips: Number | None
    entry_slippage_bps: Number | None = Field(description="Against the signal's entry price.")
    entry_slippage_pips: Number | None
    limit_slippage_bps: Number | None = Field(description="Against the limit.")
    limit_slippage_pips: Number | None


class Lot(Shown):
    """What one fill opened, and what of it is open."""

    lot_id: str
    opened_at: Instant
    quantity: Number
    remaining: Number
    price: Number


class Rate(Shown):
    """What one unit of a currency is worth in another."""

    rate: Number
    source: str = Field(
        description="Where it comes from: quotes of symbols, fixed rates, or the same currency."
    )
    time: Instant | None = Field(description="Of the oldest quote in it; null without any.")


class Position(Shown):
    """What a fund holds of a symbol."""

    fund_id: str
    symbol: str
    quantity: Number = Field(description="Below zero is short.")
    unit: Unit
    average_price: Number | None
    currency: str
    cost: Number
    realized_pnl: Number
    realized_pnl_ytd: Number = Field(description="By fills of the present calendar year, in UTC.")
    unrealized_pnl: Number | None = Field(description="At the last quote; null without one.")
    price: Number | None = Field(
        description="What closing would bring: the bid of a long, the ask of a short."
    )
    priced_at: Instant | None = Field(description="The time of that quote.")
    market_value: Number | None = Field(description="At that price, in the currency; below zero for a short.")
    usd_rate: Rate | None = Field(
        description="What a unit of the currency is worth; null where no rate leads there."
    )
    market_value_usd: Number | None
    unrealized_pl_usd: Number | None
    realized_pl_usd: Number | None
    realized_pl_ytd_usd: Number | None
    fund_currency: str = Field(description="The fund's base currency.")
    fund_rate: Rate | None = Field(description="What a unit of the currency is worth in it; null likewise.")
    market_value_fund: Number | None
    unrealized_pl_fund: Number | None
    realized_pl_fund: Number | None
    realized_pl_ytd_fund: Number | None
    fees: dict[str, Number]
    updated_at: Instant
    lots: list[Lot] = Field(description="The open ones, oldest first; at most 100.")
    more_lots: bool = Field(description="There are more open lots than these.")


class Orders(Shown):
    """A page of orders."""

    items: list[Order]
    next_page_token: str | None


class Fills(Shown):
    """A page of fills."""

    items: list[Fill]
    next_page_token: str | None


class Positions(Shown):
    """A page of positions."""

    items: list[Position]
    next_page_token: str | None


class Transition(Shown):
    """One step of an order; rows of one entry share its index."""

    index: Index
    time: Instant
    actor: str
    principal: str
    source: str
    event: str
    from_: State | None = Field(alias="from")
    to: State | None
    detail: str


class Timeline(Shown):
    """What became of an order, oldest first."""

    order_id: str
    items: list[Transition]


class Quote(Shown):
    """The last quote; a pinned one was set by hand."""

    symbol: str
    time: Instant
    bid: Number
    ask: Number
    bid_size: Number | None
    ask_size: Number | None
    pinned: bool


class Detail(Shown):
    """One thing that was wrong."""

    code: str
    detail: str
    pointer: str | None = Field(
        None, description="JSON Pointer (RFC 6901) into the body, such as #/limit_price."
    )
    parameter: str | None = Field(None, description="A parameter or header.")


class Problem(Shown):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; the words beside it may change.")
    instance: str
    request_id: str
    errors: list[Detail]


class OrderProblem(Problem):
    """An error of a request about an order."""

    outcome: str = Field(
        json_schema_extra={"enum": ["not_sent", "rejected", "unknown"]},
        description="not_sent: this request has done nothing; an earlier one with its key may have. "
        "rejected: the order is kept and over. unknown: it may have happened.",
    )
    retry: str = Field(
        json_schema_extra={"enum": ["never", "same_key"]},
        description="never: the same content is refused again. same_key: repeat it as it is.",
    )
    order_id: str | None = Field(None, description="Of the order that was kept.")
    risk: Verdict | None = Field(None, description="What the risk gate said, with validate_only.")


class BatchResult(Shown):
    """What became of one order: `order` or `problem`."""

    status: int
    order: OrderOrPreview | None = None
    problem: OrderProblem | None = None


class BatchResults(Shown):
    """One result an order, in their order."""

    results: list[BatchResult]


class Health(Shown):
    """That the service lives."""

    status: str
    instance: str = Field(
        description="Names this run of the service; the file beside its database has it too."
    )


class Status(Shown):
    """How the service is."""

    status: str
