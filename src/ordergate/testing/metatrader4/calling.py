"""A command made into the one call of MQL4 that it stands for."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ordergate.testing.metatrader4.account import BUY, SELL, Refused, Symbol, Ticket
from ordergate.testing.metatrader4.arguments import Wrong, decimal, kind_of, shown, text, until_of, whole
from ordergate.testing.metatrader4.lines import number
from ordergate.testing.metatrader4.outcomes import outcome_of
from ordergate.testing.metatrader4.terminal import Terminal

Call = Callable[[], int]


def prepare(terminal: Terminal, command: dict[str, Any], offset_s: int | None) -> Call:
    """The call, with arguments that were looked at; it gives the ticket. Raises Wrong."""
    makers = {
        "open": _open,
        "close": _close,
        "close_by": _close_by,
        "modify": _modify,
        "delete": _delete,
    }
    return makers[command["op"]](terminal, command, offset_s)


def carry_out(terminal: Terminal, command: dict[str, Any], call: Call) -> dict[str, Any]:
    """Makes the call, once; the result's own keys."""
    try:
        ticket = call()
    except Refused as refused:
        state, why = outcome_of(refused.code, command["op"])
        result = {"state": state, "why": why, "code": refused.code, "text": f"error {refused.code}"}
        ticket = command.get("ticket", 0)
        return {**result, **told(terminal, ticket)} if state == "done" else result
    return {"state": "done", **told(terminal, ticket)}


def told(terminal: Terminal, ticket: int) -> dict[str, Any]:
    """What the terminal tells of a ticket that a command made or ended."""
    row = terminal.order(ticket)
    if row is None:
        return {"ticket": ticket}
    ended = row.close_time > 0
    return {
        "ticket": ticket,
        "lots": number(row.lots),
        "price": number(row.close_price if ended else row.price),
        "at": row.close_time if ended else row.open_time,
        "rest": _rest_of(terminal, row) if ended else 0,
    }


def _rest_of(terminal: Terminal, row: Ticket) -> int:
    """The ticket under which what a partial close left goes on."""
    for index in range(terminal.orders_total()):
        other = terminal.order_at(index)
        if other is not None and other.comment == f"from #{row.ticket}":
            return other.ticket
    return 0


def _symbol(terminal: Terminal, name: str) -> Symbol:
    for symbol in terminal.symbols():
        if symbol.name == name:
            return symbol
    raise Wrong(f'symbol is "{name}": the terminal does not have it')


def _ticket(terminal: Terminal, command: dict[str, Any], key: str = "ticket") -> Ticket:
    row = terminal.order(whole(command, key))
    if row is None or row.close_time:
        raise Wrong(f"{shown(command, key)}: an open ticket is needed")
    return row


def _open(terminal: Terminal, command: dict[str, Any], offset_s: int | None) -> Call:
    symbol = _symbol(terminal, text(command, "symbol", 64))
    kind, lots = kind_of(command), decimal(command, "lots")
    if lots % symbol.lot_step or not symbol.lot_min <= lots <= symbol.lot_max:
        raise Wrong(
            f"{shown(command, 'lots')}: a multiple of {symbol.lot_step} from {symbol.lot_min} to {symbol.lot_max}"
        )
    market = kind in (BUY, SELL)
    if market and ("price" in command or command.get("expiry")):
        raise Wrong("price and expiry are of pending orders alone")
    price = Decimal(0) if market else decimal(command, "price")
    sl, tp = decimal(command, "sl", "0"), decimal(command, "tp", "0")
    slippage, until = whole(command, "slippage", 0), until_of(command, offset_s)
    if "worst" in command:
        slippage = _room(command, symbol, kind)
    magic, comment = whole(command, "magic"), text(command, "comment", 31)
    if not 0 < magic < 2**31:
        raise Wrong(f"{shown(command, 'magic')}: 1 to 2147483647 is needed")

    def call() -> int:
        at = (symbol.ask if kind == BUY else symbol.bid) if market else price
        return terminal.order_send(symbol.name, kind, lots, at, slippage, sl, tp, comment, magic, until)

    return call


def _room(command: dict[str, Any], symbol: Symbol, kind: int) -> int:
    """How many points the price may be worse than the market's. Raises Wrong where that is worse already."""
    if kind not in (BUY, SELL):
        raise Wrong("worst is of market orders alone")
    worst = decimal(command, "worst")
    room = worst - symbol.ask if kind == BUY else symbol.bid - worst
    if room < 0:
        at = number(symbol.ask if kind == BUY else symbol.bid)
        raise Wrong(f"{shown(command, 'worst')}: the market is at {at}")
    return int(room / symbol.point)


def _close(terminal: Terminal, command: dict[str, Any], offset_s: int | None) -> Call:
    row = _ticket(terminal, command)
    if row.pending:
        raise Wrong(f"ticket is {row.ticket}: a pending order is deleted, not closed")
    symbol = _symbol(terminal, row.symbol)
    lots = decimal(command, "lots") if "lots" in command else row.lots
    if lots > row.lots or lots % symbol.lot_step or lots < symbol.lot_min:
        raise Wrong(f"{shown(command, 'lots')}: a multiple of {symbol.lot_step} up to {row.lots} is needed")
    slippage = whole(command, "slippage", 0)

    def call() -> int:
        terminal.order_close(row.ticket, lots, symbol.bid if row.buys else symbol.ask, slippage)
        return row.ticket

    return call


def _close_by(terminal: Terminal, command: dict[str, Any], offset_s: int | None) -> Call:
    row, other = _ticket(terminal, command), _ticket(terminal, command, "by")
    if row.pending or other.pending or row.symbol != other.symbol or row.buys == other.buys:
        raise Wrong(f"by is {other.ticket}: a position against that of ticket {row.ticket} is needed")

    def call() -> int:
        terminal.order_close_by(row.ticket, other.ticket)
        return row.ticket

    return call


def _modify(terminal: Terminal, command: dict[str, Any], offset_s: int | None) -> Call:
    row = _ticket(terminal, command)
    price, sl, tp, until = terms_of(command, row, offset_s)

    def call() -> int:
        terminal.order_modify(row.ticket, price, sl, tp, until)
        return row.ticket

    return call


def terms_of(
    command: dict[str, Any], row: Ticket, offset_s: int | None
) -> tuple[Decimal, Decimal, Decimal, int]:
    """Price, levels and expiry as a `modify` wants them. Raises Wrong."""
    if not row.pending and ("price" in command or command.get("expiry")):
        raise Wrong("price and expiry are of pending orders alone")
    until = until_of(command, offset_s) if "expiry" in command else row.expiry
    price = decimal(command, "price") if "price" in command else row.price
    sl = decimal(command, "sl") if "sl" in command else row.sl
    tp = decimal(command, "tp") if "tp" in command else row.tp
    return price, sl, tp, until


def _delete(terminal: Terminal, command: dict[str, Any], offset_s: int | None) -> Call:
    row = _ticket(terminal, command)
    if not row.pending:
        raise Wrong(f"ticket is {row.ticket}: a position is closed, not deleted")

    def call() -> int:
        terminal.order_delete(row.ticket)
        return row.ticket

    return call
