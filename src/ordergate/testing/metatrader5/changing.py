"""Requests that change what is there: levels of a position, pending orders, and closing a position by another.

Each takes a request and the server's wall clock, and gives the order and the deal to tell of. Each raises Refusal with
nothing changed.
"""

from decimal import Decimal

from ordergate.testing.metatrader5 import checking as check
from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.days import expires
from ordergate.testing.metatrader5.money import cents, profit_of
from ordergate.testing.metatrader5.records import ZERO, Deal, Order, Position, State
from ordergate.testing.metatrader5.requests import Request
from ordergate.testing.metatrader5.texts import Refusal
from ordergate.testing.metatrader5.trading import book, end, held


def move_levels(state: State, request: Request, wall: int) -> tuple[int, int]:
    """SL and TP of a position: 0 takes them away. A netting account finds it by symbol alone."""
    position = held(state, request.position)
    if position is None and not request.position and not state.hedging:
        position = next(state.of(request.symbol), None)
    if position is None:
        raise Refusal(mt5.TRADE_RETCODE_POSITION_CLOSED)
    if position.symbol != request.symbol:
        raise Refusal(mt5.TRADE_RETCODE_INVALID)
    symbol = check.check_symbol(state, position.symbol)
    if (position.sl, position.tp) == (request.sl, request.tp):
        raise Refusal(mt5.TRADE_RETCODE_NO_CHANGES)
    check.check_freeze(symbol, symbol.touch(not position.buys), position.sl, position.tp)
    check.check_levels(symbol, position.buys, request.sl, request.tp, symbol.touch(not position.buys))
    position.sl, position.tp, position.updated_msc = request.sl, request.tp, wall
    return 0, 0


def _pending(state: State, ticket: int) -> Order:
    order = state.orders.get(ticket)
    if order is None:
        gone = ticket in state.history
        raise Refusal(mt5.TRADE_RETCODE_ORDER_CHANGED if gone else mt5.TRADE_RETCODE_INVALID)
    return order


def modify(state: State, request: Request, wall: int) -> tuple[int, int]:
    """Price, levels and expiration of a pending order; never its volume."""
    order = _pending(state, request.order)
    symbol = check.check_symbol(state, order.symbol)
    check.check_freeze(symbol, symbol.touch(order.buys), order.price)
    check.check_price_later(symbol, order.type, request.price, request.stoplimit)
    check.check_expiration(symbol, request.type_time, request.expiration, wall // 1000)
    check.check_levels(symbol, order.buys, request.sl, request.tp, request.stoplimit or request.price)
    now = (order.price, order.stoplimit, order.sl, order.tp, order.lasts, order.expiration)
    asked = Order(
        ticket=0, symbol=order.symbol, type=order.type, volume=ZERO, left=ZERO, price=request.price,
        lasts=request.type_time, expiration=request.expiration,
    )  # fmt: skip
    until = expires(symbol, asked, wall)
    if now == (request.price, request.stoplimit, request.sl, request.tp, request.type_time, until):
        raise Refusal(mt5.TRADE_RETCODE_NO_CHANGES)
    order.price, order.stoplimit, order.sl, order.tp = (
        request.price,
        request.stoplimit,
        request.sl,
        request.tp,
    )
    order.lasts, order.expiration = request.type_time, until
    return order.ticket, 0


def remove(state: State, request: Request, wall: int) -> tuple[int, int]:
    """Cancels a working order. What has been executed of it stays."""
    order = _pending(state, request.order)
    symbol = state.symbols[order.symbol]
    if symbol.closed:
        raise Refusal(mt5.TRADE_RETCODE_MARKET_CLOSED)
    if order.pending and not order.active:
        check.check_freeze(symbol, symbol.touch(order.buys), order.price)
    end(state, order, mt5.ORDER_STATE_CANCELED, wall)
    return order.ticket, 0


def close_by(state: State, request: Request, wall: int) -> tuple[int, int]:
    """Two opposite positions of a symbol close each other as far as they go, each by a deal at the other's price."""
    if not state.hedging:
        raise Refusal(mt5.TRADE_RETCODE_INVALID)
    one, other = held(state, request.position), held(state, request.position_by)
    if one is None or other is None:
        raise Refusal(mt5.TRADE_RETCODE_POSITION_CLOSED)
    symbol = check.check_symbol(state, one.symbol)
    if one.symbol != other.symbol or one.buys is other.buys:
        raise Refusal(mt5.TRADE_RETCODE_INVALID)
    if not symbol.order_mode & mt5.SYMBOL_ORDER_CLOSEBY:
        raise Refusal(mt5.TRADE_RETCODE_INVALID_ORDER)
    volume = min(one.volume, other.volume)
    order = Order(
        ticket=state.next_order(),
        symbol=one.symbol,
        type=mt5.ORDER_TYPE_CLOSE_BY,
        volume=volume,
        left=ZERO,
        price=one.price,
        reason=request.reason,
        magic=request.magic,
        comment=request.comment,
        setup_msc=wall,
        position_id=one.identifier,
        position_by_id=other.identifier,
    )
    profit = profit_of(state, symbol, one.buys, volume, one.price, other.price)
    text = request.comment or f"close #{one.ticket} by #{other.ticket}"
    legs = ((one, other.price, profit), (other, one.price, ZERO))
    deals = [
        Deal(
            ticket=state.next_deal(),
            order=order.ticket,
            symbol=leg.symbol,
            type=mt5.DEAL_TYPE_SELL if leg.buys else mt5.DEAL_TYPE_BUY,
            entry=mt5.DEAL_ENTRY_OUT_BY,
            volume=volume,
            price=price,
            magic=request.magic,
            comment=text,
            position_id=leg.identifier,
            reason=request.reason,
            profit=gained,
            swap=_less(state, leg, volume),
            time_msc=wall,
        )
        for leg, price, gained in legs
    ]
    for deal in deals:
        book(state, deal)
    for leg in (one, other):
        leg.volume, leg.updated_msc = leg.volume - volume, wall
        if not leg.volume:
            del state.positions[leg.identifier]
    end(state, order, mt5.ORDER_STATE_FILLED, wall)
    return order.ticket, deals[0].ticket


def _less(state: State, position: Position, volume: Decimal) -> Decimal:
    """The part of its swap that goes with `volume`."""
    part = cents(state, position.swap * volume / position.volume)
    position.swap -= part
    return part
