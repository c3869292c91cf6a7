"""What the server looks at before it takes a request. Each check raises Refusal with the return code that it is for."""

from decimal import Decimal
from typing import Final

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.records import ZERO, Order, Position, State, Symbol
from ordergate.testing.metatrader5.requests import Request
from ordergate.testing.metatrader5.texts import Refusal
from ordergate.testing.metatrader5.trading import held

_KINDS: Final = {
    mt5.ORDER_TYPE_BUY: mt5.SYMBOL_ORDER_MARKET,
    mt5.ORDER_TYPE_SELL: mt5.SYMBOL_ORDER_MARKET,
    mt5.ORDER_TYPE_BUY_LIMIT: mt5.SYMBOL_ORDER_LIMIT,
    mt5.ORDER_TYPE_SELL_LIMIT: mt5.SYMBOL_ORDER_LIMIT,
    mt5.ORDER_TYPE_BUY_STOP: mt5.SYMBOL_ORDER_STOP,
    mt5.ORDER_TYPE_SELL_STOP: mt5.SYMBOL_ORDER_STOP,
    mt5.ORDER_TYPE_BUY_STOP_LIMIT: mt5.SYMBOL_ORDER_STOP_LIMIT,
    mt5.ORDER_TYPE_SELL_STOP_LIMIT: mt5.SYMBOL_ORDER_STOP_LIMIT,
}
_FILLINGS: Final = {
    mt5.ORDER_FILLING_FOK: mt5.SYMBOL_FILLING_FOK,
    mt5.ORDER_FILLING_IOC: mt5.SYMBOL_FILLING_IOC,
    mt5.ORDER_FILLING_BOC: mt5.SYMBOL_FILLING_BOC,
}
_LASTS: Final = {
    mt5.ORDER_TIME_GTC: mt5.SYMBOL_EXPIRATION_GTC,
    mt5.ORDER_TIME_DAY: mt5.SYMBOL_EXPIRATION_DAY,
    mt5.ORDER_TIME_SPECIFIED: mt5.SYMBOL_EXPIRATION_SPECIFIED,
    mt5.ORDER_TIME_SPECIFIED_DAY: mt5.SYMBOL_EXPIRATION_SPECIFIED_DAY,
}
_AT_A_PRICE: Final = (mt5.SYMBOL_TRADE_EXECUTION_REQUEST, mt5.SYMBOL_TRADE_EXECUTION_INSTANT)


def check_symbol(state: State, name: str) -> Symbol:
    """It is known, traded, open and priced."""
    symbol = state.symbols.get(name)
    if symbol is None:
        raise Refusal(mt5.TRADE_RETCODE_INVALID)
    if symbol.trade_mode == mt5.SYMBOL_TRADE_MODE_DISABLED or not state.trade_allowed:
        raise Refusal(mt5.TRADE_RETCODE_TRADE_DISABLED)
    if symbol.closed:
        raise Refusal(mt5.TRADE_RETCODE_MARKET_CLOSED)
    if not symbol.priced:
        raise Refusal(mt5.TRADE_RETCODE_PRICE_OFF)
    return symbol


def check_kind(symbol: Symbol, kind: int) -> None:
    """The broker takes orders of this type."""
    if kind not in _KINDS or not symbol.order_mode & _KINDS[kind]:
        raise Refusal(mt5.TRADE_RETCODE_INVALID_ORDER)


def check_volume(symbol: Symbol, volume: Decimal) -> None:
    """A multiple of the step between the bounds."""
    if not symbol.volume_min <= volume <= symbol.volume_max or volume % symbol.volume_step:
        raise Refusal(mt5.TRADE_RETCODE_INVALID_VOLUME)


def check_filling(symbol: Symbol, filling: int, pending: bool) -> None:
    """Request and instant execution know FOK alone for market orders, RETURN for market orders is exchange's."""
    allowed = bool(symbol.filling_mode & _FILLINGS.get(filling, 0))
    if filling == mt5.ORDER_FILLING_RETURN:
        allowed = pending or symbol.exemode == mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE
    elif filling == mt5.ORDER_FILLING_BOC:
        allowed = allowed and pending
    elif symbol.exemode in _AT_A_PRICE and not pending:
        allowed = filling == mt5.ORDER_FILLING_FOK
    if not allowed:
        raise Refusal(mt5.TRADE_RETCODE_INVALID_FILL)


def check_direction(symbol: Symbol, buys: bool, opens: bool) -> None:
    """What the symbol's trade mode leaves."""
    if not opens or symbol.trade_mode == mt5.SYMBOL_TRADE_MODE_FULL:
        return
    if symbol.trade_mode == mt5.SYMBOL_TRADE_MODE_CLOSEONLY:
        raise Refusal(mt5.TRADE_RETCODE_CLOSE_ONLY)
    if symbol.trade_mode == mt5.SYMBOL_TRADE_MODE_LONGONLY and not buys:
        raise Refusal(mt5.TRADE_RETCODE_LONG_ONLY)
    if symbol.trade_mode == mt5.SYMBOL_TRADE_MODE_SHORTONLY and buys:
        raise Refusal(mt5.TRADE_RETCODE_SHORT_ONLY)


def check_price_now(symbol: Symbol, request: Request) -> None:
    """Of a market order where execution is at a price: not further off than the deviation. Others ignore it."""
    if symbol.exemode not in _AT_A_PRICE:
        return
    if request.price <= 0:
        raise Refusal(mt5.TRADE_RETCODE_INVALID_PRICE)
    if abs(symbol.touch(request.buys) - request.price) > request.deviation * symbol.point:
        raise Refusal(mt5.TRADE_RETCODE_REQUOTE)


def check_price_later(symbol: Symbol, kind: int, price: Decimal, stoplimit: Decimal) -> None:
    """Of a pending order: on the right side of the market, far enough from it, a multiple of the tick."""
    buys, limit = kind % 2 == 0, _KINDS[kind] == mt5.SYMBOL_ORDER_LIMIT
    if price <= 0 or price % symbol.tick:
        raise Refusal(mt5.TRADE_RETCODE_INVALID_PRICE)
    crossing = limit and symbol.exemode == mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE
    distance = (symbol.touch(buys) - price) * (1 if buys is limit else -1)
    if not crossing and (distance <= 0 or distance < symbol.stops_level * symbol.point):
        raise Refusal(mt5.TRADE_RETCODE_INVALID_PRICE)
    if _KINDS[kind] != mt5.SYMBOL_ORDER_STOP_LIMIT:
        return
    if stoplimit <= 0 or stoplimit % symbol.tick or (stoplimit > price if buys else stoplimit < price):
        raise Refusal(mt5.TRADE_RETCODE_INVALID_PRICE)


def check_levels(symbol: Symbol, buys: bool, sl: Decimal, tp: Decimal, market: Decimal) -> None:
    """SL and TP of a position that buys, or sells, against the price at which it would be closed."""
    sign, least = (1 if buys else -1), symbol.stops_level * symbol.point
    for level, flag, towards in ((sl, mt5.SYMBOL_ORDER_SL, -sign), (tp, mt5.SYMBOL_ORDER_TP, sign)):
        if not level:
            continue
        distance = (level - market) * towards
        if level < 0 or level % symbol.tick or not symbol.order_mode & flag:
            raise Refusal(mt5.TRADE_RETCODE_INVALID_STOPS)
        if distance <= 0 or distance < least:
            raise Refusal(mt5.TRADE_RETCODE_INVALID_STOPS)


def check_expiration(symbol: Symbol, lasts: int, expiration: int, now_s: int) -> None:
    """`expiration` and `now_s` are seconds of the server's wall clock."""
    if not symbol.expiration_mode & _LASTS.get(lasts, 0):
        raise Refusal(mt5.TRADE_RETCODE_INVALID_EXPIRATION)
    if lasts in (mt5.ORDER_TIME_SPECIFIED, mt5.ORDER_TIME_SPECIFIED_DAY) and expiration <= now_s:
        raise Refusal(mt5.TRADE_RETCODE_INVALID_EXPIRATION)


def check_closing(state: State, request: Request) -> Position | None:
    """The position that the request names: it is there, the other way round, and has as much."""
    if not request.position:
        return None
    position = held(state, request.position)
    if position is None:
        raise Refusal(mt5.TRADE_RETCODE_POSITION_CLOSED)
    if position.symbol != request.symbol or position.buys is request.buys:
        raise Refusal(mt5.TRADE_RETCODE_INVALID)
    waiting = sum((o.left for o in state.orders.values() if o.position_asked == position.ticket), ZERO)
    if waiting and waiting + request.volume > position.volume:
        raise Refusal(mt5.TRADE_RETCODE_CLOSE_ORDER_EXIST)
    if request.volume > position.volume:
        raise Refusal(mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME)
    if state.fifo_close and position is not next(state.of(request.symbol)):
        raise Refusal(mt5.TRADE_RETCODE_FIFO_CLOSE)
    return position


def check_limits(state: State, symbol: Symbol, order: Order, opens: Decimal) -> None:
    """How many orders, and how much in one direction, `opens` included."""
    waiting = [one for one in state.orders.values() if one.pending]
    if order.pending and 0 < state.limit_orders <= len(waiting):
        raise Refusal(mt5.TRADE_RETCODE_LIMIT_ORDERS)
    there = sum((one.volume for one in state.of(symbol.name) if one.buys is order.buys), opens)
    there += sum((one.left for one in waiting if one.symbol == symbol.name and one.buys is order.buys), ZERO)
    if symbol.volume_limit and opens and there > symbol.volume_limit:
        raise Refusal(mt5.TRADE_RETCODE_LIMIT_VOLUME)


def check_freeze(symbol: Symbol, market: Decimal, *prices: Decimal) -> None:
    """Nothing of this is about to happen at the market's price. A price of 0 is none."""
    least = symbol.freeze_level * symbol.point
    for price in prices:
        if price and least and abs(price - market) <= least:
            raise Refusal(mt5.TRADE_RETCODE_FROZEN)
