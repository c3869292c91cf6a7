"""Orders as requests of the terminal: nothing is rounded, and what the symbol does not take is refused here.

Numbers become floats in the request alone, which the package wants so.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.naming import comment_of, magic_of
from ordergate.adapters.brokers.mt5.symbols import Symbol, quantity_of, volume_of
from ordergate.application.ports.brokers import Send
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import ZERO, is_multiple, is_sane, plain, text
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

_TYPES: Final = {
    (OrderType.LIMIT, 1): c.BUY_LIMIT,
    (OrderType.LIMIT, -1): c.SELL_LIMIT,
    (OrderType.STOP, 1): c.BUY_STOP,
    (OrderType.STOP, -1): c.SELL_STOP,
    (OrderType.STOP_LIMIT, 1): c.BUY_STOP_LIMIT,
    (OrderType.STOP_LIMIT, -1): c.SELL_STOP_LIMIT,
}
_MASKS: Final = {
    OrderType.MARKET: c.MASK_MARKET,
    OrderType.LIMIT: c.MASK_LIMIT,
    OrderType.STOP: c.MASK_STOP,
    OrderType.STOP_LIMIT: c.MASK_STOP_LIMIT,
}
_AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)
OPENS: Final = (Side.BUY, Side.SHORT)
"""Sides that close nothing, on an account that has several positions in a symbol."""
Request = dict[str, Any]


class Refusal(Exception):
    """An order that is none for here: field, value, and what would be right."""


class Step(Struct, frozen=True):
    """A part of an order that is sent by itself: so many lots, closing that position, or opening one.

    Attributes:
        standing: `sl` and `tp` of the position that it adds to: those that the order itself does not have go on.
    """

    volume: Decimal
    position: int | None = None
    standing: Request = {}


def check_terms(send: Send) -> None:
    """Raises Refusal unless each number that the order needs is there, and is one above zero."""
    needed = (
        ("quantity", True, send.quantity),
        ("limit_price", send.order_type.has_limit, send.limit_price),
        ("stop_price", send.order_type.has_stop, send.stop_price),
        ("stop_loss", False, send.stop_loss),
        ("take_profit", False, send.take_profit),
    )
    for name, is_needed, value in needed:
        if value is None:
            if is_needed:
                raise Refusal(f"{name}: is missing: a {send.order_type} order needs one")
        elif not is_sane(value) or value <= 0:
            raise Refusal(f"{name}: {value} is no number above zero")


def request_of(send: Send, step: Step, symbol: Symbol, deviation: int, expiration: int | None) -> Request:
    """What is handed to order_send.

    Args:
        send: with terms that were checked.
        deviation: points that a market order may trade from the price asked for.
        expiration: of a GTD order, in seconds of the server's clock.

    Raises:
        Refusal: the symbol does not take it.
    """
    if symbol.trade_mode == c.TRADE_DISABLED:
        raise Refusal(f"symbol: {symbol.name} is not traded at the broker")
    if not symbol.orders & _MASKS[send.order_type]:
        raise Refusal(f"order_type: {symbol.name} takes no {send.order_type} orders")
    request: Request = {
        "symbol": symbol.name,
        "volume": float(step.volume),
        "magic": magic_of(send.client_id),
        "comment": comment_of(send.client_id),
    }
    if step.position is not None:
        request["position"] = step.position
    if deals_at_once(send, symbol):
        request |= _deal(send, symbol, deviation)
    else:
        request |= _pending(send, symbol, expiration)
    if step.position is None:
        request |= step.standing | (_levels(send, symbol) if send.side in OPENS else {})
    return request


def ends_at_once(send: Send) -> bool:
    """Whether it is a market order, or a limit order that does not wait, as a bound on slippage makes of one."""
    return send.order_type is OrderType.MARKET or (
        send.order_type is OrderType.LIMIT and send.tif in _AT_ONCE
    )


def deals_at_once(send: Send, symbol: Symbol) -> bool:
    """Whether it is a market order, or a limit order that ends at once where the server trades at the price asked for.

    Raises:
        Refusal: it is to end at once at a limit that the server does not look at.
    """
    if send.order_type is OrderType.MARKET:
        return True
    if not ends_at_once(send):
        return False
    if symbol.execution == c.EXECUTION_MARKET:
        raise Refusal(
            f"tif: {symbol.name} trades market orders at any price, so none with a limit can end at once: write "
            "gtc, or a market order"
        )
    return symbol.execution != c.EXECUTION_EXCHANGE


def _deal(send: Send, symbol: Symbol, deviation: int) -> Request:
    """At once. The price counts where execution takes one; a limit becomes how far it may be off."""
    buys, touch = send.side.sign > 0, _touch(send, symbol)
    if send.limit_price is not None and send.order_type is OrderType.LIMIT:
        room = (send.limit_price - touch) * send.side.sign
        on_tick("limit_price", send.limit_price, symbol)
        if room < 0:
            raise Refusal(_not_reached(send.limit_price, touch))
        deviation = int(room / symbol.point)
    return {
        "action": c.ACTION_DEAL,
        "type": c.BUY if buys else c.SELL,
        "price": float(touch),
        "deviation": deviation,
        "type_filling": _filling(send, symbol),
        "type_time": c.TIME_GTC,
    }


def _touch(send: Send, symbol: Symbol) -> Decimal:
    touch = symbol.ask if send.side.sign > 0 else symbol.bid
    if touch <= 0:
        raise Refusal(f"symbol: {symbol.name} has no price at the broker now")
    return touch


def _not_reached(limit: Decimal, touch: Decimal) -> str:
    where = f"{text(limit)} is not reached, the market is at {text(touch)}"
    return f"limit_price: {where}: an order that ends at once gets nothing"


def _filling(send: Send, symbol: Symbol) -> int:
    """By the symbol's mask: what must be filled at once does not become what may be filled in part."""
    if symbol.execution not in (c.EXECUTION_MARKET, c.EXECUTION_EXCHANGE):
        return c.FILLING_FOK  # at a price asked for there is nothing else (MetaTrader 5 help, Fill Policy)
    wanted = {TimeInForce.FOK: (c.FILLING_FOK, c.MASK_FOK), TimeInForce.IOC: (c.FILLING_IOC, c.MASK_IOC)}
    if send.tif in wanted:
        filling, mask = wanted[send.tif]
        if not symbol.fillings & mask:
            raise Refusal(f"tif: {symbol.name} takes no {send.tif} orders: write gtc")
        return filling
    if symbol.execution == c.EXECUTION_EXCHANGE:
        return c.FILLING_RETURN
    if symbol.fillings & c.MASK_FOK:
        return c.FILLING_FOK
    return c.FILLING_IOC if symbol.fillings & c.MASK_IOC else c.FILLING_RETURN


def _pending(send: Send, symbol: Symbol, expiration: int | None) -> Request:
    """An order that waits for its price."""
    sign = send.side.sign
    request: Request = {"action": c.ACTION_PENDING, "type": _TYPES[send.order_type, sign]}
    if send.stop_price is not None and send.order_type.has_stop:
        on_tick("stop_price", send.stop_price, symbol)
        _away("stop_price", send.stop_price, (send.stop_price - _touch(send, symbol)) * sign, symbol)
        request["price"] = float(send.stop_price)
    if send.limit_price is not None and send.order_type.has_limit:
        on_tick("limit_price", send.limit_price, symbol)
        if send.order_type is OrderType.STOP_LIMIT:
            request["stoplimit"] = float(send.limit_price)
        else:
            _check_limit(send, send.limit_price, symbol)
            request["price"] = float(send.limit_price)
    return {**request, **_duration(send, symbol, expiration)}


def _check_limit(send: Send, limit: Decimal, symbol: Symbol) -> None:
    """On an exchange a limit order may take what is there; elsewhere it waits on its side of the market."""
    room = (_touch(send, symbol) - limit) * send.side.sign
    if symbol.execution == c.EXECUTION_EXCHANGE:
        if send.tif in _AT_ONCE and room > 0:
            raise Refusal(_not_reached(limit, _touch(send, symbol)))
        if room <= 0:
            return
    _away("limit_price", limit, room, symbol)


def _away(name: str, price: Decimal, room: Decimal, symbol: Symbol) -> None:
    """`room` is how far the price is on its own side of the market."""
    if room <= 0 or room < symbol.distance:
        market = f"bid {text(symbol.bid)} and ask {text(symbol.ask)}"
        raise Refusal(
            f"{name}: {text(price)} must be at least {symbol.stops_level} points on its side of the market, "
            f"which is at {market}"
        )


def _duration(send: Send, symbol: Symbol, expiration: int | None) -> Request:
    if send.tif in _AT_ONCE:
        if send.order_type is not OrderType.LIMIT:
            raise Refusal(f"tif: a {send.order_type} order waits for its price, so it cannot be {send.tif}")
        return {"type_filling": _filling(send, symbol), "type_time": c.TIME_GTC}
    kinds = {
        TimeInForce.GTC: (c.TIME_GTC, c.MASK_GTC),
        TimeInForce.DAY: (c.TIME_DAY, c.MASK_DAY),
        TimeInForce.GTD: (c.TIME_SPECIFIED, c.MASK_SPECIFIED),
    }
    if send.tif not in kinds:
        raise Refusal(f"tif: this broker takes no {send.tif} orders")
    kind, mask = kinds[send.tif]
    if not symbol.times & mask:
        other = next((str(tif) for tif, (_kind, one) in kinds.items() if symbol.times & one), "none of them")
        raise Refusal(f"tif: {symbol.name} takes no {send.tif} orders: write {other}")
    time: Request = {"type_filling": c.FILLING_RETURN, "type_time": kind}
    if kind == c.TIME_SPECIFIED:
        time["expiration"] = expiration
    return time


def _levels(send: Send, symbol: Symbol) -> Request:
    """Stop loss and take profit, on the side of the market where they end the position that is opened."""
    market = send.order_type is OrderType.MARKET
    entry = send.limit_price if send.limit_price is not None and not market else send.stop_price
    reference = (symbol.bid if send.side.sign > 0 else symbol.ask) if market or entry is None else entry
    levels: Request = {}
    for name, key, value, sign, mask in (
        ("stop_loss", "sl", send.stop_loss, -send.side.sign, c.MASK_SL),
        ("take_profit", "tp", send.take_profit, send.side.sign, c.MASK_TP),
    ):
        if value is None:
            continue
        if not symbol.orders & mask:
            raise Refusal(f"{name}: {symbol.name} takes none: let ordergate protect the fills")
        on_tick(name, value, symbol)
        room = (value - reference) * sign
        if room <= 0 or room < symbol.distance:
            side = "above" if sign > 0 else "below"
            raise Refusal(
                f"{name}: {text(value)} must be {symbol.stops_level} points or more {side} {text(reference)}"
            )
        levels[key] = float(value)
    return levels


def on_tick(name: str, price: Decimal, symbol: Symbol) -> None:
    """Raises Refusal where the symbol does not take that price."""
    if not is_multiple(price, symbol.tick):
        below = plain(price // symbol.tick * symbol.tick)
        raise Refusal(
            f"{name}: {text(price)} is no multiple of {text(symbol.tick)}: {text(below)} or "
            f"{text(plain(below + symbol.tick))} is"
        )


def volume_in(send: Send, symbol: Symbol, instrument: Instrument) -> Decimal:
    """The order's lots.

    Raises:
        Refusal: they are none that the symbol takes.
    """
    volume = volume_of(send.quantity, symbol, instrument)
    step = text(quantity_of(symbol.step, symbol, instrument))
    if not is_multiple(volume, symbol.step):
        raise Refusal(
            f"quantity: {text(send.quantity)} is no multiple of {step}, which {symbol.name} is traded by"
        )
    if volume < symbol.least:
        least = text(quantity_of(symbol.least, symbol, instrument))
        raise Refusal(f"quantity: {text(send.quantity)} is below the minimum of {least} of {symbol.name}")
    if symbol.most and volume > symbol.most:
        most = text(quantity_of(symbol.most, symbol, instrument))
        raise Refusal(f"quantity: {text(send.quantity)} is above the maximum of {most} of {symbol.name}")
    return volume


def steps_of(volume: Decimal, positions: Iterable[tuple[int, Decimal]], symbol: Symbol) -> list[Step]:
    """Positions that are closed, the first first, and what is left of it, which opens one.

    Args:
        positions: tickets and lots.

    Raises:
        Refusal: a part of it would be less than the symbol takes.
    """
    steps, left = list[Step](), volume
    for ticket, held in positions:
        if left <= ZERO:
            break
        part = min(held, left)
        steps.append(Step(part, ticket))
        left -= part
    if left > ZERO:
        steps.append(Step(left))
    for step in steps:
        if step.volume < symbol.least:
            raise Refusal(
                f"quantity: {text(volume)} lots would be sent in parts, of which one is {text(step.volume)}, below the "
                f"minimum of {text(symbol.least)}"
            )
    return steps
