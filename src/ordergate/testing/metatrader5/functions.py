"""The functions of the package, over a pipe to a terminal: what they return, and what `last_error()` says after them.

`Package(pipe)` has the attributes of the real module. `Direct(terminal)` is a pipe within this process for quick tests;
`package` is the module itself, over a socket.
"""

import importlib
from collections.abc import Callable
from typing import Any, Protocol

from ordergate.testing.metatrader5 import arguments, charts
from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.structs import (
    STRUCTS,
    AccountInfo,
    BookInfo,
    OrderCheckResult,
    OrderSendResult,
    Sequence,
    SymbolInfo,
    TerminalInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
    TradeRequest,
)
from ordergate.testing.metatrader5.terminal import Answer, Terminal
from ordergate.testing.metatrader5.texts import OK, Failed


class Hung(Exception):
    """Within this process nobody can wait for ever: where the real package would, a test gets this."""


class Pipe(Protocol):
    """What carries calls."""

    def open(self) -> None:
        """Connects. Raises Failed."""

    def call(self, name: str, given: dict[str, Any]) -> Any:
        """The value of a call. Raises Failed."""

    def pause(self, seconds: float) -> None:
        """Waits before the next question."""

    def close(self) -> None:
        """Disconnects."""


class Direct:
    """A pipe to a terminal in this process."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal, self._open = terminal, False

    def open(self) -> None:
        """There it is."""
        self._open = True

    def call(self, name: str, given: dict[str, Any]) -> Any:
        """Raises Failed, Hung."""
        if not self._open:
            raise Failed(mt5.RES_E_INTERNAL_FAIL_CONNECT)
        answer = self.terminal.answer(name, given)
        if answer.fate == "hang":
            raise Hung(name)
        if answer.fate == "garbled":
            raise Failed(mt5.RES_E_INTERNAL_FAIL)
        if answer.fate:
            self._open = False
            raise Failed(mt5.RES_E_INTERNAL_FAIL_RECEIVE)
        return value(answer)

    def pause(self, seconds: float) -> None:
        """Nothing can change meanwhile."""

    def close(self) -> None:
        """Disconnects."""
        self._open = False


def value(answer: Answer) -> Any:
    """Of an answer that arrived. Raises Failed."""
    if answer.error is not None:
        raise Failed(*answer.error)
    return answer.value


def _one(kind: type[Sequence]) -> Callable[[Any], Any]:
    return lambda row: kind(row)


def _many(kind: type[Sequence]) -> Callable[[Any], Any]:
    return lambda rows: tuple(kind(row) for row in rows)


def _with_request(kind: type[Sequence]) -> Callable[[Any], Any]:
    return lambda row: kind([*row[:-1], TradeRequest(row[-1])])


class Package:
    """See the module. Every function returns None, or False, where it fails; `last_error` says why."""

    __version__ = "5.0.6231"
    __author__ = "ordergate: a simulation of the MetaTrader5 package"

    def __init__(self, pipe: Pipe) -> None:
        self._pipe, self._error = pipe, OK
        for name, number in mt5.EXPORTED.items():
            setattr(self, name, number)
        for name, struct in STRUCTS.items():
            setattr(self, name, struct)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"module 'MetaTrader5' has no attribute {name!r}")

    def _ask(
        self, name: str, asked: Callable[[], dict[str, Any]], read: Callable[[Any], Any] = lambda told: told
    ) -> Any:
        try:
            told = read(self._pipe.call(name, asked()))
        except Failed as failed:
            self._error = (failed.code, failed.text)
            return None
        self._error = OK
        return told

    def _rows(self, name: str, asked: Callable[[], dict[str, Any]], kind: type[Sequence]) -> Any:
        """Rows as a tuple, which is empty, and no error, where the terminal says that there is no such ticket."""
        given: dict[str, Any] = {}
        rows = self._ask(name, lambda: given.setdefault("", asked()), _many(kind))
        if rows is None and self._error[0] == mt5.RES_E_NOT_FOUND and "ticket" in given.get("", ()):
            rows, self._error = (), OK
        return rows

    def initialize(self, *args: Any, **kwargs: Any) -> bool:
        """Connects to the terminal, and logs in where a login is given; waits until the terminal is logged in."""
        self._pipe.close()
        try:
            asked = arguments.initializing(args, kwargs)
            asked.pop("path", None)
            timeout_ms = asked.pop("timeout", 0)
            self._pipe.open()
            self._log_in(asked, timeout_ms)
        except Failed as failed:
            self._error = (failed.code, failed.text)
            self._pipe.close()
            return False
        self._error = OK
        return True

    def login(self, *args: Any, **kwargs: Any) -> bool:
        """Logs in to an account."""
        try:
            asked = arguments.logging_in(args, kwargs)
            self._log_in(asked, asked.pop("timeout", 0))
        except Failed as failed:
            self._error = (failed.code, failed.text)
            return False
        self._error = OK
        return True

    def _log_in(self, asked: dict[str, Any], timeout_ms: int) -> None:
        """Asks every 100 ms what became of it. Raises Failed: -6 where it was refused, -10005 after the timeout."""
        if any(asked.values()):
            self._pipe.call("login", asked)
        for _ in range(-(-(timeout_ms or 60_000) // 100)):
            state = self._pipe.call("login_state", {})
            if state == 2:
                return
            if state == 3:
                raise Failed(mt5.RES_E_AUTH_FAILED)
            self._pipe.pause(0.1)
        raise Failed(mt5.RES_E_INTERNAL_FAIL_TIMEOUT)

    def shutdown(self) -> None:
        """Disconnects."""
        self._pipe.close()
        self._error = OK

    def last_error(self) -> tuple[int, str]:
        """Code and text of the last call."""
        return self._error

    def version(self) -> Any:
        """Of the terminal: version, build, date."""
        return self._ask("version", dict, tuple)

    def account_info(self) -> Any:
        """The account."""
        return self._ask("account_info", dict, _one(AccountInfo))

    def terminal_info(self) -> Any:
        """The terminal."""
        return self._ask("terminal_info", dict, _one(TerminalInfo))

    def symbols_total(self) -> Any:
        """How many the broker has."""
        return self._ask("symbols_total", dict)

    def symbols_get(self, *args: Any, **kwargs: Any) -> Any:
        """All, or those of a group."""
        return self._rows("symbols_get", lambda: arguments.grouped(args, kwargs), SymbolInfo)

    def symbol_info(self, *args: Any) -> Any:
        """One."""
        return self._ask("symbol_info", lambda: arguments.only_symbol(args), _one(SymbolInfo))

    def symbol_info_tick(self, *args: Any) -> Any:
        """Its prices."""
        return self._ask("symbol_info_tick", lambda: arguments.only_symbol(args), _one(Tick))

    def symbol_select(self, *args: Any) -> bool:
        """Into the Market Watch, or out of it."""
        return bool(self._ask("symbol_select", lambda: arguments.selected(args)))

    def orders_total(self) -> Any:
        """How many work."""
        return self._ask("orders_total", dict)

    def orders_get(self, *args: Any, **kwargs: Any) -> Any:
        """Those that work."""
        return self._rows("orders_get", lambda: arguments.chosen(args, kwargs), TradeOrder)

    def positions_total(self) -> Any:
        """How many are open."""
        return self._ask("positions_total", dict)

    def positions_get(self, *args: Any, **kwargs: Any) -> Any:
        """Those that are open."""
        return self._rows("positions_get", lambda: arguments.chosen(args, kwargs), TradePosition)

    def history_orders_total(self, *args: Any) -> Any:
        """How many ended between two dates."""
        return self._ask("history_orders_total", lambda: arguments.dates(args))

    def history_orders_get(self, *args: Any, **kwargs: Any) -> Any:
        """Those that ended between two dates, or of a ticket or a position."""
        return self._rows("history_orders_get", lambda: arguments.span(args, kwargs), TradeOrder)

    def history_deals_total(self, *args: Any) -> Any:
        """How many happened between two dates."""
        return self._ask("history_deals_total", lambda: arguments.dates(args))

    def history_deals_get(self, *args: Any, **kwargs: Any) -> Any:
        """Those between two dates, or of a position; with a ticket the one deal that has it, not those of an order."""
        return self._rows("history_deals_get", lambda: arguments.span(args, kwargs), TradeDeal)

    def order_calc_margin(self, *args: Any) -> Any:
        """Margin of an order type, symbol, volume and price."""
        names = ("type", "symbol", "volume", "price")
        return self._ask("order_calc_margin", lambda: arguments.calculated(names, args))

    def order_calc_profit(self, *args: Any) -> Any:
        """Profit of an order type, symbol, volume, opening and closing price."""
        names = ("type", "symbol", "volume", "price_open", "price_close")
        return self._ask("order_calc_profit", lambda: arguments.calculated(names, args))

    def order_check(self, *args: Any, **kwargs: Any) -> Any:
        """What a request would do, without doing it."""
        return self._ask(
            "order_check",
            lambda: {"request": arguments.only_request(args, kwargs)},
            _with_request(OrderCheckResult),
        )

    def order_send(self, *args: Any, **kwargs: Any) -> Any:
        """A request."""
        return self._ask(
            "order_send",
            lambda: {"request": arguments.only_request(args, kwargs)},
            _with_request(OrderSendResult),
        )

    def market_book_add(self, *args: Any) -> bool:
        """The depth of market of a symbol is followed."""
        return bool(self._ask("market_book_add", lambda: arguments.only_symbol(args)))

    def market_book_get(self, *args: Any) -> Any:
        """The depth of market."""
        return self._ask("market_book_get", lambda: arguments.only_symbol(args), _many(BookInfo))

    def market_book_release(self, *args: Any) -> bool:
        """It is no more followed."""
        return bool(self._ask("market_book_release", lambda: arguments.only_symbol(args)))

    def copy_ticks_from(self, *args: Any) -> Any:
        """An array of the first ticks of a symbol from a date on."""
        return self._array("copy_ticks_from", ("symbol", "date_from", "count", "flags"), args, charts.TICK)

    def copy_ticks_range(self, *args: Any) -> Any:
        """An array of the ticks of a symbol between two dates."""
        return self._array("copy_ticks_range", ("symbol", "date_from", "date_to", "flags"), args, charts.TICK)

    def copy_rates_from(self, *args: Any) -> Any:
        """An array of the last bars of a symbol until a date."""
        return self._array(
            "copy_rates_from", ("symbol", "timeframe", "date_from", "count"), args, charts.RATE
        )

    def copy_rates_from_pos(self, *args: Any) -> Any:
        """An array of bars of a symbol, counted from the newest."""
        names = ("symbol", "timeframe", "start_pos", "count")
        return self._array("copy_rates_from_pos", names, args, charts.RATE)

    def copy_rates_range(self, *args: Any) -> Any:
        """An array of the bars of a symbol between two dates."""
        names = ("symbol", "timeframe", "date_from", "date_to")
        return self._array("copy_rates_range", names, args, charts.RATE)

    def _array(
        self, call: str, names: tuple[str, ...], args: tuple[Any, ...], fields: tuple[tuple[str, str], ...]
    ) -> Any:
        """Raises ImportError without numpy, which the real package needs at once."""
        numpy = importlib.import_module("numpy")
        return self._ask(
            call,
            lambda: arguments.copied(names, args),
            lambda rows: numpy.array([tuple(row) for row in rows], dtype=list(fields)),
        )
