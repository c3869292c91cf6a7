"""Which terms go with which type of order: checks that every door and the engine share."""

from datetime import datetime
from decimal import Decimal

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.orders.states import OrderType, TimeInForce


def check_time_in_force(order_type: OrderType, tif: TimeInForce, expires_at: datetime | None) -> None:
    """A GTD order says until when it works; an OPG order has no stop, for it trades at one moment.

    Raises:
        Invalid: naming the field.
    """
    if tif is TimeInForce.GTD and expires_at is None:
        raise Invalid(Code.MISSING, "is missing: a gtd order says until when it works", "#/expires_at")
    if tif is TimeInForce.OPG and order_type.has_stop:
        detail = f"opg of a {order_type} order: what trades at the opening alone is a market or limit order"
        raise Invalid(Code.BAD_VALUE, detail, "#/tif")


def check_max_slippage(order_type: OrderType, bps: Decimal | None, pips: Decimal | None) -> None:
    """A bound on slippage has one unit, and counts from the market when the order is created.

    Raises:
        Invalid: naming the field.
    """
    pointer = "#/max_slippage_bps" if bps is not None else "#/max_slippage_pips"
    if bps is not None and pips is not None:
        raise Invalid(Code.BAD_VALUE, "is given beside max_slippage_pips: write one of them", pointer)
    if order_type.has_stop and (bps is not None or pips is not None):
        detail = f"a {order_type} order trades at a market yet to come: write a stop_limit order's limit_price instead"
        raise Invalid(Code.BAD_VALUE, detail, pointer)


def check_prices(order_type: OrderType, limit: Decimal | None, stop: Decimal | None) -> None:
    """A limit order has a limit price, a stop order a stop price, and the others none.

    Raises:
        Invalid: one is missing or too many.
    """
    for pointer, price, wanted in (
        ("#/limit_price", limit, order_type.has_limit),
        ("#/stop_price", stop, order_type.has_stop),
    ):
        if wanted and price is None:
            raise Invalid(Code.PRICE_MISSING, f"a {order_type} order needs one", pointer)
        if not wanted and price is not None:
            raise Invalid(Code.PRICE_UNEXPECTED, f"{price} given, but a {order_type} order has none", pointer)
