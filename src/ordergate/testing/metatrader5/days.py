"""What the server's calendar does: orders expire, days end, swaps are charged. Times are the server's wall clock."""

from decimal import Decimal
from typing import Final

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.money import cents, rate
from ordergate.testing.metatrader5.records import ZERO, Deal, Order, Position, State, Symbol
from ordergate.testing.metatrader5.trading import book, end

DAY_S: Final = 86_400


def expires(symbol: Symbol, order: Order, wall_msc: int) -> int:
    """Seconds of the wall clock at which a pending order expires; 0: never."""
    lasts = order.lasts
    if lasts == mt5.ORDER_TIME_GTC and symbol.gtc_mode != mt5.SYMBOL_ORDERS_GTC:
        lasts = mt5.ORDER_TIME_DAY
    if lasts == mt5.ORDER_TIME_DAY:
        return (wall_msc // 1000 // DAY_S + 1) * DAY_S
    if lasts == mt5.ORDER_TIME_SPECIFIED_DAY:
        return (order.expiration // DAY_S + 1) * DAY_S
    return order.expiration if lasts == mt5.ORDER_TIME_SPECIFIED else 0


def turn(state: State, wall_msc: int) -> None:
    """What is over by now."""
    for order in list(state.orders.values()):
        if order.pending and 0 < order.expiration <= wall_msc // 1000:
            end(state, order, mt5.ORDER_STATE_EXPIRED, wall_msc)
    day = wall_msc // 1000 // DAY_S
    if not state.day or state.day > day:  # the first look at the clock, or it was set back
        state.day = day
    while state.day < day:
        state.day += 1
        _swap(state, (state.day - 1 + 4) % 7)  # the epoch was a Thursday


def roll(state: State, wall_msc: int, reopen: bool) -> None:
    """The swap of the running day now; with `reopen` each position is closed and opened again with a new ticket."""
    _swap(state, (wall_msc // 1000 // DAY_S + 4) % 7)
    for position in list(state.positions.values()) if reopen else ():
        _reopen(state, position, wall_msc)


def _swap(state: State, weekday: int) -> None:
    """0 is Sunday. No day's swap is charged at weekends, three days' on the triple day."""
    if weekday in (mt5.DAY_OF_WEEK_SATURDAY, mt5.DAY_OF_WEEK_SUNDAY):
        return
    for position in state.positions.values():
        symbol = state.symbols[position.symbol]
        days = 3 if weekday == symbol.swap_triple_day else 1
        position.swap += cents(state, _of_a_day(state, symbol, position) * days)


def _of_a_day(state: State, symbol: Symbol, position: Position) -> Decimal:
    asked = (symbol.swap_long if position.buys else symbol.swap_short) * position.volume
    if not asked or symbol.swap_mode == mt5.SYMBOL_SWAP_MODE_DISABLED:
        return ZERO
    if symbol.swap_mode == mt5.SYMBOL_SWAP_MODE_CURRENCY_DEPOSIT:
        return asked
    if symbol.swap_mode == mt5.SYMBOL_SWAP_MODE_POINTS:
        return asked * symbol.point * symbol.contract_size * rate(state, symbol.profit, state.currency)
    raise ValueError(f"swap_mode={symbol.swap_mode} of {symbol.name}: only 0, 1 and 4 are simulated")


def _reopen(state: State, position: Position, wall_msc: int) -> None:
    order = Order(
        ticket=state.next_order(),
        symbol=position.symbol,
        type=mt5.ORDER_TYPE_BUY if position.buys else mt5.ORDER_TYPE_SELL,
        volume=position.volume,
        left=ZERO,
        price=position.price,
        reason=mt5.DEAL_REASON_ROLLOVER,
        magic=position.magic,
        comment=position.comment,
        setup_msc=wall_msc,
        position_id=position.identifier,
    )
    for entry in (mt5.DEAL_ENTRY_OUT, mt5.DEAL_ENTRY_IN):
        out = entry == mt5.DEAL_ENTRY_OUT
        deal = Deal(
            ticket=state.next_deal(),
            order=order.ticket,
            symbol=position.symbol,
            type=mt5.DEAL_TYPE_BUY if position.buys is not out else mt5.DEAL_TYPE_SELL,
            entry=entry,
            volume=position.volume,
            price=position.price,
            magic=position.magic,
            comment=position.comment,
            position_id=position.identifier,
            reason=mt5.DEAL_REASON_ROLLOVER,
            swap=position.swap if out else ZERO,
            time_msc=wall_msc,
        )
        book(state, deal)
    position.ticket, position.swap, position.updated_msc = order.ticket, ZERO, wall_msc
    end(state, order, mt5.ORDER_STATE_FILLED, wall_msc)
