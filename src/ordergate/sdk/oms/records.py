"""The values that the order service takes and gives: frozen, exact, and JSON both ways.

What ordergate does not know is None.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from ordergate.application.queries import Shown
from ordergate.domain.errors import Code, Invalid
from ordergate.domain.funds import Fund, TaxLotMethod
from ordergate.domain.instruments import AssetClass
from ordergate.domain.money import exact
from ordergate.domain.orders import executions, order
from ordergate.domain.orders.commands import ORDER_FIELDS, SubmitOrder, parse_choice, parse_order
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce
from ordergate.domain.positions.lots import Lot
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
    parent_order_id: str | None = None
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


class TaxLot(Record):
    """What one fill opened; quantities are signed, below zero is short."""

    lot_id: str
    fund_id: str
    symbol: str
    open_date: date
    open_qty: Exact
    open_price: Exact
    close_date: date | None = None
    close_qty: Exact = Decimal(0)
    close_price: Exact | None = None

    @classmethod
    def of(cls, lot: Lot) -> "TaxLot":
        """The lot as booked; `close_price` is that of the fill that closed the last of it."""
        return cls(
            lot_id=lot.lot_id,
            fund_id=lot.fund_id,
            symbol=lot.symbol,
            open_date=lot.opened_at.date(),
            open_qty=lot.quantity,
            open_price=lot.price,
            close_date=None if lot.closed_at is None else lot.closed_at.date(),
            close_qty=lot.quantity - lot.remaining,
            close_price=lot.close_price,
        )


class UsdRate(Record):
    """What one unit of an instrument's currency is worth in US dollars.

    Attributes:
        source: the symbols of quotes or the fixed pairs that it follows from.
        time: of the oldest quote in it; None without any.
    """

    rate: Decimal
    source: str
    time: datetime | None = None


class Position(Record):
    """What a fund holds of a symbol.

    Attributes:
        quantity: signed, in the instrument's unit.
        avg_price: None when flat.
        last_price: what closing would bring: the bid of a long, the ask of a short; None without a quote.
        market_value_usd: signed; None without a quote, or without a rate from the instrument's currency.
        unrealized_pl_usd, realized_pl_usd: None likewise; realized since the first fill, fees apart.
        realized_pl_ytd_usd: by fills of the present calendar year, in UTC.
        usd_rate: what the amounts in dollars were made with; None where there is no rate.
        tax_lots: the open ones, oldest first.
    """

    fund_id: str
    symbol: str
    quantity: Exact
    avg_price: Exact | None = None
    last_price: Exact | None = None
    market_value_usd: Decimal | None = None
    unrealized_pl_usd: Decimal | None = None
    realized_pl_usd: Decimal | None = None
    realized_pl_ytd_usd: Decimal | None = None
    usd_rate: UsdRate | None = None
    last_updated: datetime
    tax_lots: tuple[TaxLot, ...] = ()

    @classmethod
    def of(cls, shown: Shown, lots: list[Lot]) -> "Position":
        """The position as it is shown."""
        same = ("fund_id", "symbol", "quantity", "market_value_usd", "unrealized_pl_usd", "realized_pl_usd",
                "realized_pl_ytd_usd")  # fmt: skip
        return cls(
            **{name: shown[name] for name in same},
            avg_price=shown["average_price"],
            last_price=shown["price"],
            usd_rate=None if shown["usd_rate"] is None else UsdRate(**shown["usd_rate"]),
            last_updated=shown["updated_at"],
            tax_lots=tuple(TaxLot.of(lot) for lot in lots),
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
