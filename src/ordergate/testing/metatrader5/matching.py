"""What prices do: orders take what is there or wait for it, SL, TP and stop-out close positions.

Buyers look at the ask, sellers at the bid. What a level closes takes as much as there is, the rest at the next quote.
"""

from collections.abc import Iterator
from decimal import Decimal

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.money import figures, profit_now
from ordergate.testing.metatrader5.records import ZERO, Deal, Order, Position, State, Symbol
from ordergate.testing.metatrader5.sketching import affordable
from ordergate.testing.metatrader5.texts import Refusal
from ordergate.testing.metatrader5.trading import end, execute, held


def take(state: State, order: Order, now_msc: int) -> list[Deal]:
    """What the order gets now; FOK and IOC end with it, whether they got anything or not."""
    symbol = state.symbols[order.symbol]
    there = symbol.size(order.buys, order.left)
    if order.filling == mt5.ORDER_FILLING_FOK and there < order.left:
        there = ZERO
    deals = []
    if there > 0 and symbol.priced:
        symbol.take(order.buys, there)
        deals.append(execute(state, order, there, symbol.touch(order.buys), now_msc))
    if order.left and order.filling in (mt5.ORDER_FILLING_FOK, mt5.ORDER_FILLING_IOC):
        end(state, order, mt5.ORDER_STATE_PARTIAL if deals else mt5.ORDER_STATE_CANCELED, now_msc)
    return deals


def look(state: State, name: str, now_msc: int) -> None:
    """Everything that the prices of a symbol bring about."""
    symbol = state.symbols[name]
    if symbol.closed or not symbol.priced:
        return
    for order in list(state.orders.values()):
        if order.symbol == name and order.due_msc is None and order.ticket in state.orders:
            _look_at(state, symbol, order, now_msc)
    for position in state.of(name):
        _look_at_levels(state, symbol, position, now_msc)
    stop_out(state, now_msc)


def reached(order: Order, symbol: Symbol) -> bool:
    """Whether the order would take something at once."""
    return _reached(order, symbol.touch(order.buys))


def _look_at(state: State, symbol: Symbol, order: Order, now_msc: int) -> None:
    price = symbol.touch(order.buys)
    order.price_current = price
    if order.type in (mt5.ORDER_TYPE_BUY_STOP_LIMIT, mt5.ORDER_TYPE_SELL_STOP_LIMIT) and _beyond(
        order, price
    ):
        order.type -= 4  # from now on it is the limit order that it was to become
        order.price, order.filling = order.stoplimit, mt5.ORDER_FILLING_RETURN
    if not _reached(order, price):
        return
    if not order.active and not order.market:
        order.active = order.type in (mt5.ORDER_TYPE_BUY_STOP, mt5.ORDER_TYPE_SELL_STOP)
        if not _enough(state, order, price):
            end(state, order, mt5.ORDER_STATE_REJECTED, now_msc)
            return
    take(state, order, now_msc)


def _enough(state: State, order: Order, price: Decimal) -> bool:
    """Where nothing prices the margin there is none."""
    try:
        return affordable(state, order, price)
    except Refusal:
        return False


def _beyond(order: Order, price: Decimal) -> bool:
    return price >= order.price if order.buys else price <= order.price


def _reached(order: Order, price: Decimal) -> bool:
    if order.market or order.active:
        return True
    if order.type in (mt5.ORDER_TYPE_BUY_STOP, mt5.ORDER_TYPE_SELL_STOP):
        return _beyond(order, price)
    if order.type in (mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_SELL_LIMIT):
        return price <= order.price if order.buys else price >= order.price
    return False


def _look_at_levels(state: State, symbol: Symbol, position: Position, now_msc: int) -> None:
    price = symbol.touch(not position.buys)
    sign = position.sign
    for level, sense, reason, text in (
        (position.sl, -sign, mt5.DEAL_REASON_SL, "sl"),
        (position.tp, sign, mt5.DEAL_REASON_TP, "tp"),
    ):
        if level and (price - level) * sense >= 0:
            close(state, position, reason, f"[{text} {level:.{symbol.digits}f}]", now_msc, level)
            return


def close(
    state: State, position: Position, reason: int, comment: str, now_msc: int, price: Decimal = ZERO
) -> None:
    """By the server itself: an order and a deal that carry the position's magic."""
    order = Order(
        ticket=state.next_order(),
        symbol=position.symbol,
        type=mt5.ORDER_TYPE_SELL if position.buys else mt5.ORDER_TYPE_BUY,
        volume=position.volume,
        left=position.volume,
        price=price,
        filling=mt5.ORDER_FILLING_IOC,
        reason=reason,
        magic=position.magic,
        comment=comment,
        setup_msc=now_msc,
        position_asked=position.ticket,
    )
    if state.symbols[position.symbol].size(order.buys, order.left) > 0:
        take(state, order, now_msc)


def stop_out(state: State, now_msc: int) -> None:
    """While the margin level is under the line, the position that loses most is closed."""
    while state.positions:
        now = figures(state)
        if not now.margin or now.level > state.stop_out:
            return
        worst = min(_closable(state), key=lambda one: profit_now(state, one) + one.swap, default=None)
        if worst is None:
            return
        text = f"[so {now.level:.2f}%/{now.equity:.2f}/{now.margin:.2f}]"
        close(state, worst, mt5.DEAL_REASON_SO, text, now_msc)
        if held(state, worst.ticket) is worst:
            return  # there was no more to be had


def _closable(state: State) -> Iterator[Position]:
    for position in state.positions.values():
        symbol = state.symbols[position.symbol]
        if symbol.priced and not symbol.closed and symbol.size(not position.buys, position.volume) > 0:
            yield position
