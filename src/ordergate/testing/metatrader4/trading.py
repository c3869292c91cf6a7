"""The functions of MQL4 that trade, as the terminal of a broker's account carries them out or refuses them."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from ordergate.testing.metatrader4.account import (
    BUY,
    BUY_LIMIT,
    BUY_STOP,
    SELL,
    SELL_LIMIT,
    SELL_STOP,
    ZERO,
    Account,
    Refused,
    Symbol,
    Ticket,
)


def order_send(
    account: Account,
    name: str,
    kind: int,
    lots: Decimal,
    price: Decimal,
    slippage: int,
    sl: Decimal,
    tp: Decimal,
    comment: str,
    magic: int,
    expiry: int,
) -> int:
    """`OrderSend`: the new ticket. Raises Refused."""
    account.calls.append(("open", (name, kind, lots, price, slippage, sl, tp, comment, magic, expiry)))
    symbol = account.symbol(name)
    later = [name, str(kind), str(lots), str(price), str(sl), str(tp), str(magic), comment, str(expiry)]

    def check() -> None:
        _check_open(account, symbol, kind, lots, price, slippage, sl, tp, expiry)

    made: list[Ticket] = []

    def act() -> None:
        made.append(account.enter(symbol, kind, lots, price, sl, tp, magic, comment, expiry))

    _carry_out(account, check, act, ("open", later))
    return made[0].ticket


def order_close(account: Account, number: int, lots: Decimal, price: Decimal, slippage: int) -> None:
    """`OrderClose`. Raises Refused."""
    account.calls.append(("close", (number, lots, price, slippage)))
    order = _market_order(account, number)

    def check() -> None:
        symbol = account.books.symbols[order.symbol]
        if lots <= 0 or lots > order.lots or lots % symbol.lot_step:
            raise Refused(131)
        _check_market(account, symbol, lots, price, symbol.bid if order.buys else symbol.ask, slippage)

    _carry_out(account, check, lambda: account.leave(order, lots), ("close", [str(number), str(lots)]))


def order_close_by(account: Account, number: int, by: int) -> None:
    """`OrderCloseBy`: the second is the hedge; what one has more goes on under a new ticket. Raises Refused."""
    account.calls.append(("close_by", (number, by)))
    first, second = _market_order(account, number), _market_order(account, by)

    def check() -> None:
        if first.symbol != second.symbol or first.buys == second.buys:
            raise Refused(3)
        _check_open_market(account, account.books.symbols[first.symbol])

    def act() -> None:
        lots = min(first.lots, second.lots)
        price = second.price
        partial = first.lots != second.lots
        account.end(first, price, "partial close" if partial else "", lots)
        account.end(second, price, f"close hedge by #{number}", lots)
        second.lots = ZERO

    _carry_out(account, check, act, None)


def order_modify(
    account: Account, number: int, price: Decimal, sl: Decimal, tp: Decimal, expiry: int
) -> None:
    """`OrderModify`. Raises Refused."""
    account.calls.append(("modify", (number, price, sl, tp, expiry)))
    order = account.books.open.get(number)
    if order is None:
        raise Refused(4108)
    wanted = (price, sl, tp, expiry) if order.pending else (order.price, sl, tp, order.expiry)
    symbol = account.books.symbols[order.symbol]

    def check() -> None:
        _check_open_market(account, symbol)
        if wanted == (order.price, order.sl, order.tp, order.expiry):
            raise Refused(1)
        _check_frozen(order, symbol)
        if order.pending:
            _check_pending(symbol, order.type, price)
            _check_expiry(account, expiry)
        _check_levels(symbol, order.type, wanted[0], sl, tp)

    def act() -> None:
        order.price, order.sl, order.tp, order.expiry = wanted

    _carry_out(account, check, act, None)


def order_delete(account: Account, number: int) -> None:
    """`OrderDelete`. Raises Refused."""
    account.calls.append(("delete", (number,)))
    order = account.books.open.get(number)
    if order is None or not order.pending:
        raise Refused(4108)

    def check() -> None:
        _check_open_market(account, account.books.symbols[order.symbol])
        _check_frozen(order, account.books.symbols[order.symbol])

    _carry_out(account, check, lambda: account.end(order, ZERO, "cancelled"), None)


def _carry_out(
    account: Account,
    check: Callable[[], None],
    act: Callable[[], object],
    later: tuple[str, list[str]] | None,
) -> None:
    """Does it, or not, as the faults say."""
    faults = account.faults
    if faults.disconnected:
        raise Refused(6)
    if faults.context_busy:
        raise Refused(146)
    if faults.trade_off:
        raise Refused(4109)
    if faults.refuse is not None:
        raise Refused(faults.refuse)
    check()
    if faults.late is not None and later is not None:
        account.books.later.append((account.clock() + faults.late_s, *later))
        account.save()
        raise Refused(faults.late)
    act()
    account.save()
    if faults.lose is not None:
        raise Refused(faults.lose)


def _market_order(account: Account, number: int) -> Ticket:
    order = account.books.open.get(number)
    if order is None or order.pending:
        raise Refused(4108)
    return order


def _check_open(
    account: Account,
    symbol: Symbol,
    kind: int,
    lots: Decimal,
    price: Decimal,
    slippage: int,
    sl: Decimal,
    tp: Decimal,
    expiry: int,
) -> None:
    if not BUY <= kind <= SELL_STOP:
        raise Refused(3)
    if lots % symbol.lot_step or not symbol.lot_min <= lots <= symbol.lot_max:
        raise Refused(131)
    if kind in (BUY, SELL):
        _check_market(account, symbol, lots, price, symbol.ask if kind == BUY else symbol.bid, slippage)
    else:
        _check_open_market(account, symbol)
        _check_pending(symbol, kind, price)
        _check_expiry(account, expiry)
    _check_levels(symbol, kind, price, sl, tp)
    if kind in (BUY, SELL) and account.margin(symbol, lots) > account.equity - account.used:
        raise Refused(134)
    if len(account.books.open) >= 1000:
        raise Refused(148)


def _check_open_market(account: Account, symbol: Symbol) -> None:
    if not account.books.market_open:
        raise Refused(132)
    if not symbol.trade_allowed:
        raise Refused(133)
    if not symbol.bid:
        raise Refused(136)


def _check_market(
    account: Account, symbol: Symbol, lots: Decimal, price: Decimal, now: Decimal, slippage: int
) -> None:
    _check_open_market(account, symbol)
    if symbol.size is not None and lots > symbol.size:
        raise Refused(136)
    bounded = symbol.execution in ("request", "instant")
    if bounded and abs(price - now) > slippage * symbol.point:
        raise Refused(138)


def _check_pending(symbol: Symbol, kind: int, price: Decimal) -> None:
    least = symbol.stop_level * symbol.point
    if price <= 0 or price % symbol.point:
        raise Refused(129)
    room = {
        BUY_LIMIT: symbol.ask - price,
        SELL_LIMIT: price - symbol.bid,
        BUY_STOP: price - symbol.ask,
        SELL_STOP: symbol.bid - price,
    }[kind]
    if room < least or room <= 0:
        raise Refused(130)


def _check_levels(symbol: Symbol, kind: int, price: Decimal, sl: Decimal, tp: Decimal) -> None:
    buys = kind in (BUY, BUY_LIMIT, BUY_STOP)
    market = kind in (BUY, SELL)
    at = (symbol.bid if buys else symbol.ask) if market else price
    least, sign = symbol.stop_level * symbol.point, 1 if buys else -1
    for level, room in ((sl, sign * (at - sl)), (tp, sign * (tp - at))):
        if level and (room < least or room <= 0 or level % symbol.point):
            raise Refused(130)


def _check_frozen(order: Ticket, symbol: Symbol) -> None:
    near = symbol.freeze_level * symbol.point
    if not near:
        return
    if order.pending:
        distances = [abs(order.price - (symbol.ask if order.buys else symbol.bid))]
    else:
        at = symbol.bid if order.buys else symbol.ask
        distances = [abs(level - at) for level in (order.sl, order.tp) if level]
    if any(distance <= near for distance in distances):
        raise Refused(145)


def _check_expiry(account: Account, expiry: int) -> None:
    if expiry and expiry < account.now + 60:
        raise Refused(147)


def copy(order: Ticket) -> Ticket:
    """As a list of the terminal shows it: later changes do not show in it."""
    return msgspec.structs.replace(order)
