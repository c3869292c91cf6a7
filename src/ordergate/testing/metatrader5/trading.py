"""What an execution does: a deal, and the position it opens, adds to, reduces, turns round or closes.

Netting and exchange: one position a symbol. Hedging: an order that names no position opens one.
"""

from decimal import Decimal

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.money import cents, profit_of
from ordergate.testing.metatrader5.records import ZERO, Deal, Order, Position, State


def held(state: State, ticket: int) -> Position | None:
    """The position that shows this ticket now."""
    return next((one for one in state.positions.values() if one.ticket == ticket), None)


def meets(state: State, order: Order) -> Position | None:
    """The position that an execution of the order touches; None where it opens one."""
    if order.position_asked:
        return held(state, order.position_asked)
    if state.hedging:  # what an earlier part of this order has opened
        return state.positions.get(order.ticket)
    return next(state.of(order.symbol), None)


def execute(state: State, order: Order, volume: Decimal, price: Decimal, now_msc: int) -> Deal:
    """One deal of `volume` at `price`; the order is ended where nothing of it is left."""
    position = meets(state, order)
    deal = _deal(state, order, volume, price, now_msc)
    if position is None:
        _open(state, order, deal)
    elif position.buys is order.buys:
        _add(state, position, order, deal)
    else:
        _against(state, position, order, deal)
    order.left -= volume
    order.price_current = price
    order.position_id = deal.position_id
    if order.left > 0:
        order.state = mt5.ORDER_STATE_PARTIAL
    else:
        end(state, order, mt5.ORDER_STATE_FILLED, now_msc)
    return deal


def end(state: State, order: Order, how: int, now_msc: int) -> None:
    """It goes into the history."""
    order.state, order.done_msc = how, now_msc
    state.orders.pop(order.ticket, None)
    state.history[order.ticket] = order


def book(state: State, deal: Deal) -> Deal:
    """Enters a deal and its money."""
    state.deals[deal.ticket] = deal
    state.balance += deal.profit + deal.swap + deal.commission + deal.fee
    return deal


def _deal(state: State, order: Order, volume: Decimal, price: Decimal, now_msc: int) -> Deal:
    symbol = state.symbols[order.symbol]
    return Deal(
        ticket=state.next_deal(),
        order=order.ticket,
        symbol=order.symbol,
        type=mt5.DEAL_TYPE_BUY if order.buys else mt5.DEAL_TYPE_SELL,
        volume=volume,
        price=price,
        magic=order.magic,
        comment=order.comment,
        reason=order.reason,
        commission=-cents(state, symbol.commission * volume),
        time_msc=now_msc,
    )


def _open(state: State, order: Order, deal: Deal) -> None:
    deal.position_id = order.ticket
    state.positions[order.ticket] = Position(
        ticket=order.ticket,
        identifier=order.ticket,
        symbol=order.symbol,
        buys=order.buys,
        volume=deal.volume,
        price=deal.price,
        sl=order.sl,
        tp=order.tp,
        magic=order.magic,
        comment=order.comment,
        reason=order.reason,
        time_msc=deal.time_msc,
        updated_msc=deal.time_msc,
    )
    book(state, deal)


def _add(state: State, position: Position, order: Order, deal: Deal) -> None:
    """More of the same. The levels are those of the latest order, none where it has none (MetaTrader 5 help)."""
    deal.position_id = position.identifier
    total = position.volume + deal.volume
    position.price = (position.price * position.volume + deal.price * deal.volume) / total
    position.volume, position.updated_msc = total, deal.time_msc
    if position.identifier != order.ticket:
        position.sl, position.tp = order.sl, order.tp
    book(state, deal)


def _against(state: State, position: Position, order: Order, deal: Deal) -> None:
    """Less of it, nothing, or the other way round: then the ticket is the reversing order's."""
    symbol, closed = state.symbols[position.symbol], min(position.volume, deal.volume)
    deal.position_id, deal.entry = position.identifier, mt5.DEAL_ENTRY_OUT
    deal.profit = profit_of(state, symbol, position.buys, closed, position.price, deal.price)
    deal.swap = cents(state, position.swap * closed / position.volume)
    position.swap -= deal.swap
    position.volume -= closed
    position.updated_msc = deal.time_msc
    rest = deal.volume - closed
    if rest > 0:
        deal.entry = mt5.DEAL_ENTRY_INOUT
        position.ticket, position.buys, position.volume = order.ticket, order.buys, rest
        position.price, position.swap, position.time_msc = deal.price, ZERO, deal.time_msc
        position.sl, position.tp = order.sl, order.tp
        position.magic, position.comment, position.reason = order.magic, order.comment, order.reason
    elif position.volume == 0:
        del state.positions[position.identifier]
    book(state, deal)
