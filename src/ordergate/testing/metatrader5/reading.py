"""The calls that only read: each takes the terminal and the call's arguments, and gives rows. Raises Failed."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar

from ordergate.testing.metatrader5 import charts, telling
from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.faults import Fault
from ordergate.testing.metatrader5.records import Deal, Order, Position
from ordergate.testing.metatrader5.structs import BookInfo
from ordergate.testing.metatrader5.texts import Failed
from ordergate.testing.metatrader5.watching import Watch

Row = list[Any]
_FOREVER: Final = 2**40
Working = TypeVar("Working", Order, Position)
Ended = TypeVar("Ended", Order, Deal)


def in_group(name: str, group: str) -> bool:
    """Whether a symbol is meant by masks like "*USD*, !EURUSD", which are applied one after the other."""
    meant = False
    for mask in group.split(","):
        shown = mask.strip()
        if fnmatchcase(name, shown.removeprefix("!")):
            meant = not shown.startswith("!")
    return meant


def account_info(terminal: Watch) -> Row:
    """The account."""
    return telling.account(terminal.seen, terminal.faults.of(Fault.SERVER_OFF) is None)


def symbols_total(terminal: Watch) -> int:
    """All that the broker has."""
    return len(terminal.seen.symbols)


def symbols_get(terminal: Watch, group: str = "*") -> list[Row]:
    """All of a group."""
    state = terminal.seen
    return [
        telling.symbol(state, one, one.name in terminal.selected)
        for one in state.symbols.values()
        if in_group(one.name, group)
    ]


def symbol_info(terminal: Watch, symbol: str) -> Row:
    """One."""
    return telling.symbol(terminal.seen, terminal.known(symbol), symbol in terminal.selected)


def symbol_info_tick(terminal: Watch, symbol: str) -> Row:
    """Its prices, where it is watched and has had any."""
    one = terminal.watched(symbol)
    if not one.time_msc:
        raise Failed(mt5.RES_E_NOT_FOUND)
    return telling.tick(one)


def orders_total(terminal: Watch) -> int:
    """Those that work."""
    return len(terminal.seen.orders)


def orders_get(
    terminal: Watch, symbol: str | None = None, group: str | None = None, ticket: int | None = None
) -> list[Row]:
    """Those that work; the ticket is looked at first."""
    return [telling.order(one) for one in _chosen(terminal.seen.orders.values(), symbol, group, ticket)]


def positions_total(terminal: Watch) -> int:
    """Those that are open."""
    return len(terminal.seen.positions)


def positions_get(
    terminal: Watch, symbol: str | None = None, group: str | None = None, ticket: int | None = None
) -> list[Row]:
    """Those that are open; the ticket is looked at first."""
    state = terminal.seen
    return [telling.position(state, one) for one in _chosen(state.positions.values(), symbol, group, ticket)]


def _chosen(
    these: Iterable[Working], symbol: str | None, group: str | None, ticket: int | None
) -> list[Working]:
    if ticket is not None:
        found = [one for one in these if one.ticket == ticket]
        if not found:
            raise Failed(mt5.RES_E_NOT_FOUND)
        return found
    if symbol is not None:
        return [one for one in these if one.symbol == symbol]
    return [one for one in these if group is None or in_group(one.symbol, group)]


def history_orders_total(terminal: Watch, date_from: int, date_to: int) -> int:
    """How many ended then."""
    return len(_orders(terminal, date_from=date_from, date_to=date_to))


def history_orders_get(terminal: Watch, **asked: Any) -> list[Row]:
    """Those that ended between two times, or one by its ticket, or all of a position's identifier."""
    return [telling.order(one) for one in _orders(terminal, **asked)]


def history_deals_total(terminal: Watch, date_from: int, date_to: int) -> int:
    """How many happened then."""
    return len(_deals(terminal, date_from=date_from, date_to=date_to))


def history_deals_get(terminal: Watch, **asked: Any) -> list[Row]:
    """Those between two times, or the one DEAL of this ticket, or all of a position's identifier."""
    return [telling.deal(one) for one in _deals(terminal, **asked)]


def _orders(terminal: Watch, **asked: Any) -> list[Order]:
    return _of_history(terminal, terminal.seen.history.values(), lambda one: one.done_msc, **asked)


def _deals(terminal: Watch, **asked: Any) -> list[Deal]:
    return _of_history(terminal, terminal.seen.deals.values(), lambda one: one.time_msc, **asked)


def _of_history(
    terminal: Watch,
    these: Iterable[Ended],
    at: Callable[[Ended], int],
    date_from: int | None = None,
    date_to: int | None = None,
    group: str = "*",
    position: int | None = None,
    ticket: int | None = None,
) -> list[Ended]:
    lag_s = terminal.faults.of(Fault.HISTORY_LAG)
    until = None if lag_s is None else terminal.account.wall_msc(terminal.clock()) - int(lag_s * 1000)
    there = [one for one in these if until is None or at(one) <= until]
    if ticket is not None:
        return [one for one in there if one.ticket == ticket]
    if position is not None:
        return [one for one in there if one.position_id == position]
    if date_from is None or date_to is None:
        raise Failed(mt5.RES_E_INVALID_PARAMS)
    return [
        one
        for one in there
        if date_from <= at(one) // 1000 <= date_to and (group == "*" or in_group(one.symbol, group))
    ]


def market_book_add(terminal: Watch, symbol: str) -> bool:
    """The depth of market of a watched symbol is followed."""
    terminal.watched(symbol)
    terminal.books.add(symbol)
    return True


def market_book_release(terminal: Watch, symbol: str) -> bool:
    """No more."""
    terminal.known(symbol)
    terminal.books.discard(symbol)
    return True


def market_book_get(terminal: Watch, symbol: str) -> list[Row]:
    """The one level there is on each side, where its size is known."""
    one = terminal.watched(symbol)
    if symbol not in terminal.books:
        raise Failed(mt5.RES_E_NOT_FOUND)
    sides = ((mt5.BOOK_TYPE_SELL, one.ask, one.ask_size), (mt5.BOOK_TYPE_BUY, one.bid, one.bid_size))
    return [
        telling.row(BookInfo, {"type": kind, "price": price, "volume": int(size), "volume_dbl": size})
        for kind, price, size in sides
        if size is not None and one.priced
    ]


def copy_ticks_from(terminal: Watch, symbol: str, date_from: int, count: int, flags: int) -> list[Row]:
    """The first `count` from then on."""
    return [tick.row() for tick in _heard(terminal, symbol, date_from, _FOREVER)][:count]


def copy_ticks_range(terminal: Watch, symbol: str, date_from: int, date_to: int, flags: int) -> list[Row]:
    """Those between."""
    return [tick.row() for tick in _heard(terminal, symbol, date_from, date_to)]


def copy_rates_from(terminal: Watch, symbol: str, timeframe: int, date_from: int, count: int) -> list[Row]:
    """The last `count` bars that began by then."""
    return [bar for bar in _bars(terminal, symbol, timeframe) if bar[0] <= date_from][-count:]


def copy_rates_from_pos(
    terminal: Watch, symbol: str, timeframe: int, start_pos: int, count: int
) -> list[Row]:
    """`count` bars, the last of them the one before which there are `start_pos` newer ones."""
    found = _bars(terminal, symbol, timeframe)
    return found[: len(found) - start_pos][-count:]


def copy_rates_range(terminal: Watch, symbol: str, timeframe: int, date_from: int, date_to: int) -> list[Row]:
    """Those that began between."""
    return [bar for bar in _bars(terminal, symbol, timeframe) if date_from <= bar[0] <= date_to]


def _heard(terminal: Watch, symbol: str, since: int, until: int) -> list[charts.Heard]:
    terminal.known(symbol)
    heard = terminal.ticks.get(symbol, ())
    return [tick for tick in heard if since <= tick.time_msc // 1000 <= until]


def _bars(terminal: Watch, symbol: str, timeframe: int) -> list[Row]:
    try:
        return charts.bars(timeframe, _heard(terminal, symbol, 0, _FOREVER))
    except ValueError:
        raise Failed(mt5.RES_E_INVALID_PARAMS) from None
