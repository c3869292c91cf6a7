"""What the venue refuses of an order's terms, in words; nothing raises."""

from datetime import datetime
from decimal import Decimal

from ordergate.adapters.brokers.paper.capabilities import CAPABILITIES
from ordergate.adapters.brokers.paper.orders import VenueOrder
from ordergate.application.ports.brokers import Change, Send
from ordergate.domain.errors import Invalid
from ordergate.domain.instruments import TOKEN, Instrument
from ordergate.domain.money import text
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType, TimeInForce


def refused_order(send: Send, instrument: Instrument | None, at: datetime) -> str | None:
    """Why the venue does not take an order that arrives at `at`; None where it does."""
    if send.operation not in CAPABILITIES.operations:
        return f"the paper venue does no {send.operation}"
    if instrument is None:
        return f"unknown symbol {send.symbol!r}"
    if (wrong := _wrong_kind(send, instrument)) is not None:
        return wrong
    if send.tif is TimeInForce.GTD and (send.expires_at is None or send.expires_at <= at):
        return "a gtd order needs a time to come at which it expires"
    if send.tif is TimeInForce.OPG and send.order_type.has_stop:
        return f"a {send.order_type} order does not trade at the opening alone"
    prices = (("limit price", send.limit_price), ("stop price", send.stop_price))
    for (name, price), wanted in zip(
        prices, (send.order_type.has_limit, send.order_type.has_stop), strict=True
    ):
        if wanted and price is None:
            return f"a {send.order_type} order needs a {name}"
        if price is not None and not wanted:
            return f"a {send.order_type} order has no {name}"
    return _bad_numbers(instrument, send.quantity, send.limit_price, send.stop_price)


def _wrong_kind(send: Send, instrument: Instrument) -> str | None:
    if send.operation.is_trade == instrument.symbol.startswith(TOKEN):
        return f"a {send.operation} of {send.symbol}: tokens are moved, and pairs and contracts traded"
    if send.operation is Operation.PERP_TRADE and not instrument.perpetual:
        return f"{send.symbol} is no perpetual contract"
    if not send.operation.is_trade and send.order_type is not OrderType.MARKET:
        return f"a {send.operation} is a market order"
    return None


def refused_change(change: Change, order: VenueOrder, instrument: Instrument | None) -> str | None:
    """Why the venue does not take new terms for a working order; None where it does."""
    if instrument is None:
        return f"unknown symbol {order.symbol!r}"
    if not order.operation.is_trade:
        return refused_of_operation(order)
    if change.limit_price is not None and not order.order_type.has_limit:
        return f"a {order.order_type} order has no limit price"
    if change.stop_price is not None and (order.triggered or order.order_type is OrderType.LIMIT):
        return f"order {order.broker_order_id} does not wait for a stop price"
    quantity = change.quantity
    if quantity is not None and quantity.is_finite() and 0 < quantity <= order.filled:
        quantity = None  # amended to what is filled, which is a whole number of lots
    return _bad_numbers(instrument, quantity, change.limit_price, change.stop_price)


def refused_of_operation(order: VenueOrder) -> str:
    """Why an operation that takes its time can neither be canceled nor changed."""
    return f"order {order.broker_order_id} is under way: what it was to move has left, and the rest will come"


def _bad_numbers(
    instrument: Instrument, quantity: Decimal | None, limit: Decimal | None, stop: Decimal | None
) -> str | None:
    try:
        if quantity is not None:
            _check_finite("quantity", quantity)
            instrument.check_quantity(quantity)
        for name, price in (("limit price", limit), ("stop price", stop)):
            if price is not None:
                _check_finite(name, price)
                instrument.check_price(price, f"#/{name.replace(' ', '_')}")
    except ValueError as error:
        return str(error)
    except Invalid as error:
        return error.detail
    except ArithmeticError:
        return "a number has more digits than the venue can count"
    return None


def _check_finite(name: str, value: Decimal) -> None:
    if not value.is_finite() or value <= 0:
        raise ValueError(f"the {name} is {text(value)}: it must be above zero")
