"""What an exchange takes of a market, checked before anything is sent: nothing is ever rounded.

ccxt would cut a quantity down to its step and round a price, and say nothing.
"""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ordergate.application.ports.brokers import Send
from ordergate.domain.money import ONE, is_multiple, is_sane, plain, text
from ordergate.domain.orders.states import OrderType, TimeInForce

_DECIMAL_PLACES: Final = 2
_SIGNIFICANT_DIGITS: Final = 3
_TICK_SIZE: Final = 4


def number(value: Any) -> Decimal | None:
    """A number of ccxt's; None where there is none."""
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return plain(found) if found.is_finite() else None


def contract_size(market: dict[str, Any]) -> Decimal:
    """How much of the base one contract is; 1 where the market has none."""
    size = number(market.get("contractSize"))
    return size if market.get("contract") and size else ONE


def wrong(send: Send, market: dict[str, Any], mode: int) -> str | None:
    """What the market would not take of an order: field, value, and what would be right; None where it takes it.

    Args:
        mode: the exchange's `precisionMode`.
    """
    limit = send.limit_price if send.order_type is OrderType.LIMIT else None
    if send.order_type is OrderType.LIMIT and limit is None:
        return "limit_price: is missing: a limit order needs one"
    for name, value in (("quantity", send.quantity), ("limit_price", limit)):
        if value is not None and (not is_sane(value) or value <= 0):
            return f"{name}: {value} is no number above zero"
    if send.order_type is OrderType.MARKET and send.tif is TimeInForce.FOK:
        return "tif: a market order cannot be fok here: it trades what there is and ends"
    if market.get("active") is False:
        return f"symbol: {send.symbol} is not traded at the exchange now"
    amount = send.quantity / contract_size(market)
    precision, limits = market["precision"], market["limits"]
    return (
        _off(amount, "quantity", send.quantity, number(precision.get("amount")), mode)
        or _outside(amount, "quantity", limits.get("amount"))
        or (_outside(amount, "quantity", limits.get("market")) if limit is None else None)
        or (limit is not None and _off(limit, "limit_price", limit, number(precision.get("price")), mode))
        or (limit is not None and _outside(limit, "limit_price", limits.get("price")))
        or (
            _outside(limit * send.quantity, "quantity times limit_price", limits.get("cost"))
            if limit is not None
            else None
        )
        or None
    )


def _off(value: Decimal, name: str, shown: Decimal, precision: Decimal | None, mode: int) -> str | None:
    if precision is None:
        return None
    if mode == _SIGNIFICANT_DIGITS:
        digits = len(value.normalize().as_tuple().digits)
        return None if digits <= precision else f"{name}: {text(shown)} has more than {precision} digits"
    step = precision if mode == _TICK_SIZE else ONE.scaleb(-int(precision))
    if step <= 0 or is_multiple(value, step):
        return None
    below = plain(value // step * step)
    return f"{name}: {text(shown)} is no multiple of {text(step)}: {text(below)} or {text(plain(below + step))} is"


def _outside(value: Decimal, name: str, limits: dict[str, Any] | None) -> str | None:
    least, most = number((limits or {}).get("min")), number((limits or {}).get("max"))
    if least is not None and value < least:
        return f"{name}: {text(plain(value))} is below the minimum of {text(least)}"
    if most and value > most:
        return f"{name}: {text(plain(value))} is above the maximum of {text(most)}"
    return None
