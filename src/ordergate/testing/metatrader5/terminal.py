"""The terminal between the package and the broker's server: Market Watch, connection, switches, and all calls by name.

`answer` is what the pipe carries: it never raises for what the terminal says. It does not wait and does not break
anything by itself: `delay_s` and `fate` of an answer are for whoever carries it.
"""

from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5 import reading, telling
from ordergate.testing.metatrader5.account import Account, Late, Result
from ordergate.testing.metatrader5.faults import FATES, Fault
from ordergate.testing.metatrader5.money import margin_of, profit_of, rate
from ordergate.testing.metatrader5.records import Symbol
from ordergate.testing.metatrader5.structs import TerminalInfo
from ordergate.testing.metatrader5.texts import REMARKS, Failed, Refusal
from ordergate.testing.metatrader5.watching import Clock, Watch

VERSION: Final = [500, 5260, "27 Sep 2026"]
_NEVER: Final = 10**15


class Answer(Struct, kw_only=True):
    """What a call gives: a value or an error; `fate` is what happens to it on the way ("" nothing)."""

    value: Any = None
    error: tuple[int, str] | None = None
    fate: str = ""


class Terminal(Watch):
    """See the module. What it knows itself (Market Watch, faults) ends with it."""

    def __init__(self, account: Account, clock: Clock | None = None) -> None:
        super().__init__(account, clock or Clock())
        self.requests, self.refused = 0, False

    def delay_s(self, name: str, when: str) -> float:
        """How long SLOW makes a call wait before, or after, it is done."""
        return float(self.faults.take(Fault.SLOW, name, when) or 0)

    def answer(self, name: str, given: dict[str, Any]) -> Answer:
        """Does a call, unless a fault has it otherwise."""
        for fate in FATES:
            if self.faults.take(fate, name, "before") is not None:
                return Answer(fate=fate.value)
        said = self._say(name, given)
        for fate in FATES:
            if self.faults.take(fate, name, "after") is not None:
                said.fate = fate.value
        return said

    def _say(self, name: str, given: dict[str, Any]) -> Answer:
        try:
            code = self.faults.take(Fault.FAIL, name)
            if code is not None:
                raise Failed(code)
            self.account.turn(self.clock())
            return Answer(value=self.call(name, given))
        except Failed as failed:
            return Answer(error=(failed.code, failed.text))

    def call(self, name: str, given: dict[str, Any]) -> Any:
        """What the call gives, as builtin types. Raises Failed."""
        own = getattr(self, f"do_{name}", None)
        if own is not None:
            return own(**given)
        read = getattr(reading, name, None)
        if read is None:
            raise Failed(mt5.RES_E_UNSUPPORTED)
        return read(self, **given)

    def do_login(self, login: int = 0, password: str = "", server: str = "") -> bool:
        """Begins to log in; the terminal remembers what is left out. `login_state` tells what became of it."""
        state = self.account.state
        same = login in (0, state.login) and password in ("", state.password) and server in ("", state.server)
        self.refused = not same or self.faults.take(Fault.LOGIN_REFUSED, "login") is not None
        return True

    def do_login_state(self) -> int:
        """1 under way, 2 logged in, 3 refused."""
        if self.refused:
            return 3
        return 2 if self.faults.of(Fault.DISCONNECTED) is None else 1

    def do_version(self) -> list[Any]:
        """Of the terminal: version, build, date."""
        return VERSION

    def do_terminal_info(self) -> list[Any]:
        """The switches that decide whether it trades."""
        given = {
            "connected": self.faults.of(Fault.DISCONNECTED) is None,
            "trade_allowed": self.faults.of(Fault.CLIENT_OFF) is None,
            "tradeapi_disabled": self.faults.of(Fault.API_OFF) is not None,
            "build": VERSION[1],
            "maxbars": 100_000,
            "ping_last": 1_000,
            "company": self.account.state.company,
            "name": "MetaTrader 5",
            "language": "English",
        }
        return telling.row(TerminalInfo, given)

    def do_symbol_select(self, symbol: str, enable: bool = True) -> bool:
        """Into the Market Watch, or out of it: not while there are positions or orders in it."""
        self.known(symbol)
        state = self.seen
        used = symbol in {
            *(one.symbol for one in state.positions.values()),
            *(one.symbol for one in state.orders.values()),
        }
        if not enable and used:
            raise Failed(mt5.RES_E_FAIL)
        (self.selected.add if enable else self.selected.discard)(symbol)
        return True

    def do_order_calc_margin(self, type: int, symbol: str, volume: float, price: float) -> float:
        """In the account's currency; the price is the caller's."""
        one, lots = self._priced(type, symbol, volume)
        try:
            asked = margin_of(self.seen, one, lots, Decimal(repr(float(price))))
        except Refusal:
            raise Failed(mt5.RES_E_FAIL) from None
        return float(round(asked, self.seen.currency_digits))

    def do_order_calc_profit(
        self, type: int, symbol: str, volume: float, price_open: float, price_close: float
    ) -> float:
        """In the account's currency; the prices are the caller's."""
        one, lots = self._priced(type, symbol, volume)
        opened, closed = (Decimal(repr(float(price))) for price in (price_open, price_close))
        try:
            rate(self.seen, one.profit, self.seen.currency)
        except Refusal:
            raise Failed(mt5.RES_E_FAIL) from None
        buys = type == mt5.ORDER_TYPE_BUY
        return float(profit_of(self.seen, one, buys, lots, opened, closed))

    def _priced(self, type: int, symbol: str, volume: float) -> tuple[Symbol, Decimal]:
        one = self.known(symbol)
        if type not in (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL) or volume <= 0:
            raise Failed(mt5.RES_E_INVALID_PARAMS)
        if symbol not in self.selected:
            raise Failed(mt5.RES_E_NOT_FOUND)
        return one, Decimal(repr(float(volume)))

    def do_order_check(self, request: dict[str, Any]) -> list[Any]:
        """By the terminal itself: it asks no server and changes nothing."""
        code = self.faults.take(Fault.CHECK, "order_check")
        found = Account(self.seen).check(request, self.clock())
        if code is not None:
            found.retcode = code
        elif found.retcode == 0 and not self._watched(request):
            found.retcode = mt5.TRADE_RETCODE_PRICE_OFF
        comment = "Done" if found.retcode == 0 else REMARKS.get(found.retcode, "")
        return telling.checked(found, comment, request)

    def do_order_send(self, request: dict[str, Any]) -> list[Any]:
        """Gives the request to the server, and what the server says back."""
        self._fail(Fault.NONE_BEFORE)
        if self.faults.of(Fault.API_OFF) is not None:
            raise Failed(mt5.RES_E_AUTO_TRADING_DISABLED)
        self.requests += 1
        try:
            self._check_allowed(request)
            result = self.account.send(self._stored(request), self.clock(), self._late())
        except Refusal as refused:
            result = Result(retcode=refused.retcode, comment=REMARKS.get(refused.retcode, ""))
            result.bid, result.ask = self._prices(request)
        else:
            self._fail(Fault.NONE_AFTER)
            code = self.faults.take(Fault.RETCODE_AFTER)
            if code is not None:
                result = Result(retcode=code, comment=REMARKS.get(code, ""))
        return telling.result(result, request, self.requests)

    def _check_allowed(self, request: dict[str, Any]) -> None:
        for fault, retcode in (
            (Fault.CLIENT_OFF, mt5.TRADE_RETCODE_CLIENT_DISABLES_AT),
            (Fault.DISCONNECTED, mt5.TRADE_RETCODE_CONNECTION),
            (Fault.SERVER_OFF, mt5.TRADE_RETCODE_SERVER_DISABLES_AT),
        ):
            if self.faults.of(fault) is not None:
                raise Refusal(retcode)
        code = self.faults.take(Fault.REJECT)
        if code is not None:
            raise Refusal(code)
        if not self.account.state.trade_expert:
            raise Refusal(mt5.TRADE_RETCODE_SERVER_DISABLES_AT)
        if not self._watched(request):
            raise Refusal(mt5.TRADE_RETCODE_PRICE_OFF)

    def _watched(self, request: dict[str, Any]) -> bool:
        """Whether a new order is in a symbol of the Market Watch, or there is no such symbol (another error)."""
        asks = request["action"] in (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING)
        symbol = request["symbol"]
        return not asks or symbol in self.selected or symbol not in self.account.state.symbols

    def _stored(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request as the server stores it."""
        how = self.faults.take(Fault.COMMENT)
        if how is None:
            return request
        return {**request, "comment": how.get("text", request["comment"][: how.get("cut", 0)])}

    def _late(self) -> Late | None:
        how = self.faults.take(Fault.LATE)
        if how is None:
            return None
        asked = {} if how is True else how
        after = asked.get("after_ms", 0)
        return Late(asked.get("retcode", mt5.TRADE_RETCODE_PLACED), _NEVER if after is None else after)

    def _fail(self, fault: Fault) -> None:
        code = self.faults.take(fault)
        if code is not None:
            raise Failed(code)

    def _prices(self, request: dict[str, Any]) -> tuple[Decimal, Decimal]:
        symbol = self.seen.symbols.get(request["symbol"])
        return (symbol.bid, symbol.ask) if symbol is not None else (Decimal(0), Decimal(0))
