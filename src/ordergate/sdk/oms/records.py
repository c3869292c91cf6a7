"""The values that the order service takes and gives: frozen, exact, and JSON both ways.

What ordergate does not know is None.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.funds import Fund, TaxLotMethod
from ordergate.domain.instruments import AssetClass
from ordergate.domain.money import exact
from ordergate.domain.operations import Operation
from ordergate.domain.orders import executions, order
from ordergate.domain.orders.commands import ORDER_FIELDS, SubmitOrder, parse_choice, parse_order
from ordergate.domain.orders.operations import OperationTerms
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce
from ordergate.domain.risk.limits import (
    ENVELOPE,
    LEVELS,
    ConfiguredLimits,
    Level,
    Limits,
    amended,
    check_limits,
)
from ordergate.domain.risk.parsing import parse_limits


def _exact(value: object) -> Decimal:
    try:
        return exact(value, "#")
    except Invalid as error:
        raise ValueError(error.detail) from None


Exact = Annotated[Decimal, BeforeValidator(_exact)]
"""A decimal; a float is taken by its shortest text, NaN and infinities are refused."""


def _limits(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    try:
        return amended(ENVELOPE, parse_limits(Level.FUND, _of_floats(value), "#/risk_envelope"))
    except Invalid as error:
        raise ValueError(str(error)) from None


def _of_floats(value: Mapping[str, Any]) -> dict[str, Any]:
    return {n: _exact(v) if isinstance(v, float) else v for n, v in value.items()}


def _shown_limits(limits: Limits) -> dict[str, Any]:
    """Every limit by name, so that reading it again leaves none to the defaults."""
    shown = msgspec.to_builtins(limits)
    return {name: shown.get(name) for name in limits.__struct_fields__ if name in LEVELS[Level.FUND]}


Envelope = Annotated[Limits, BeforeValidator(_limits), PlainSerializer(_shown_limits)]
"""A fund's limits, also from a mapping."""


Terms = Annotated[
    dict[str, Any],
    BeforeValidator(lambda value: msgspec.to_builtins(value) if isinstance(value, OperationTerms) else value),
]
"""Of what is no trade; see `OperationTerms` of the REST reference."""


class Record(BaseModel):
    """A frozen value."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Order(Record):
    """An order: as asked for, and as it is.

    Attributes:
        order_id: None lets ordergate name it.
        idempotency_key: the same key is the same order, however often it is submitted.
        broker: None takes the fund's.
        lots: ids of the tax lots that it closes first, in this order; for funds whose `tax_lot_method` is specific.
        state and all below it: as ordergate knows them; not part of the request.
    """

    idempotency_key: str | None = None
    symbol: str
    side: Side
    quantity: Exact
    order_type: OrderType = OrderType.MARKET
    fund_id: str
    order_id: str | None = None
    limit_price: Exact | None = None
    stop_price: Exact | None = None
    tif: TimeInForce = TimeInForce.DAY
    strategy_id: str | None = None
    order_manager: str | None = None
    broker: str | None = None
    actor: str | None = None
    signal_id: str | None = None
    retry_of: str | None = None
    thesis: str | None = None
    entry_price: Exact | None = None
    stop_loss: Exact | None = None
    take_profit: Exact | None = None
    expires_at: datetime | None = None
    lots: tuple[str, ...] | None = None
    max_slippage_bps: Exact | None = None
    max_slippage_pips: Exact | None = None
    operation: Operation = Operation.SPOT_TRADE
    terms: Terms | None = None
    parent_order_id: str | None = None
    slice: int | None = None
    state: State | None = None
    filled_quantity: Exact | None = None
    leaves_quantity: Exact | None = None
    average_price: Exact | None = None
    broker_order_id: str | None = None
    rejected_reason: str | None = None
    reason_code: str | None = None
    version: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def command(self) -> SubmitOrder:
        """The request in it.

        Raises:
            Invalid: naming the field, its value and what would be right.
        """
        return parse_order({name: getattr(self, name) for name in ORDER_FIELDS})

    @classmethod
    def of(cls, known: order.Order) -> "Order":
        """The order as it is."""
        rejected = known.state is State.REJECTED
        return cls(
            **{name: getattr(known, name) for name in _SAME},
            leaves_quantity=known.leaves_quantity,
            average_price=known.average_price,
            rejected_reason=known.reason if rejected else None,
        )


_SAME = tuple(set(Order.model_fields) & set(order.Order.__struct_fields__))


class Fill(Record):
    """An execution.

    Attributes:
        fill_id: the broker's; one of an order counts once.
        quantity: also read from `qty`.
        fee_currency: None is the instrument's.
    """

    fill_id: str
    order_id: str
    fund_id: str
    symbol: str
    quantity: Exact = Field(validation_alias=AliasChoices("quantity", "qty"))
    price: Exact
    time: datetime
    side: Side | None = None
    fee: Exact = Decimal(0)
    fee_currency: str | None = None
    broker: str | None = None

    @classmethod
    def of(cls, known: executions.Fill) -> "Fill":
        """The execution as booked."""
        names = ("order_id", "fund_id", "symbol", "quantity", "price", "time", "side", "fee", "fee_currency")
        return cls(
            fill_id=known.exec_id, broker=known.broker, **{name: getattr(known, name) for name in names}
        )


class OrderUpdate(Record):
    """Something that happened to an order.

    Attributes:
        index: of its journal entry; `stream_updates(fund, after=index)` goes on behind it.
        kind: of the event, such as `OrderFilled/1`.
        path: the states that the order went through by it; empty where the state stayed.
        order: as it is by now, which may be further.
    """

    index: int
    time: datetime
    kind: str
    path: tuple[State, ...]
    order: Order


class FundConfig(Record):
    """A fund.

    Attributes:
        asset_classes, strategies: what it may trade, and who may; empty is everything and all.
        dedupe_window: how long an idempotency key holds; None is for ever.
        risk_envelope: the fund's limits; a mapping of some is the default envelope with these in place (None takes
            one away). Without `nav_usd`, shares are of `target_nav_usd`.
        unlimited: it trades without limits; a fund has either these or a `risk_envelope`.
        name, description, broker_account_id, created_at, notes: for their readers; ordergate does nothing with
            them.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True
    )

    fund_id: str
    broker: str = "paper"
    name: str = ""
    description: str = ""
    base_currency: str = "USD"
    target_nav_usd: Exact | None = None
    broker_account_id: str = ""
    active: bool = True
    asset_classes: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    tax_lot_method: str = "fifo"
    dedupe_window: timedelta | None = None
    risk_envelope: Envelope | None = None
    unlimited: bool = False
    created_at: datetime | None = None
    notes: str = ""

    def fund(self) -> Fund:
        """The fund as the engine takes it.

        Raises:
            Invalid: an asset class or tax lot method that there is not, a fund that is not active, or one that has
                no limits and does not say that it shall have none.
        """
        if not self.active:
            raise Invalid(Code.BAD_VALUE, "a fund cannot be switched off: leave it out instead", "#/active")
        if self.risk_envelope is None and not self.unlimited:
            detail = (
                f"is missing: give fund {self.fund_id!r} limits, such as "
                "risk_envelope=Limits(nav_usd=Decimal(1_000_000), max_order_notional_usd=Decimal(100_000)), or write "
                "unlimited=True"
            )
            raise Invalid(Code.MISSING, detail, "#/risk_envelope")
        classes: list[Any] = [parse_choice(AssetClass, c, "#/asset_classes") for c in self.asset_classes]
        return Fund(
            fund_id=self.fund_id,
            broker=self.broker,
            base_currency=self.base_currency,
            asset_classes=tuple(classes),
            strategies=self.strategies,
            tax_lot_method=parse_choice(TaxLotMethod, self.tax_lot_method, "#/tax_lot_method"),
            dedupe_window=self.dedupe_window,
            unlimited=self.unlimited,
        )

    def limits(self) -> ConfiguredLimits | None:
        """Its limits as the engine takes them; None where it has none.

        Raises:
            Invalid: a limit that a fund does not know, a number that is none, or shares without a `nav_usd`.
        """
        if self.risk_envelope is None:
            return None
        limits = self.risk_envelope
        if limits.nav_usd is None and self.target_nav_usd is not None:
            limits = replace(limits, nav_usd=self.target_nav_usd)
        check_limits(Level.FUND, limits, "#/risk_envelope")
        return ConfiguredLimits(level=Level.FUND, name=self.fund_id, limits=limits)
