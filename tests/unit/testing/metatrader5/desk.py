"""A simulated account in this process, with a clock that stands still, and short ways to trade on it."""

from decimal import Decimal
from typing import Any

from ordergate.testing.metatrader5 import Account, Clock, Direct, Package, State, Steering, Symbol, Terminal
from ordergate.testing.metatrader5 import constants as mt5

NOON = 1_800_014_400_000  # Friday 15 January 2027, 12:00 UTC
BUY, SELL = mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL
HEDGING, EXCHANGE = mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING, mt5.ACCOUNT_MARGIN_MODE_EXCHANGE


class Desk:
    """An account with EURUSD at 1.10000 / 1.10010, watched."""

    def __init__(self, symbol: dict[str, Any] | None = None, **account: Any) -> None:
        state = State(symbols={"EURUSD": Symbol(name="EURUSD", **(symbol or {}))}, **account)
        self.state = state
        self.terminal = Terminal(Account(state), Clock())
        self.terminal.clock.set(NOON)
        self.does = Steering(self.terminal)
        self.mt5 = Package(Direct(self.terminal))
        self.mt5.initialize()
        self.mt5.symbol_select("EURUSD", True)
        self.quote("1.10000", "1.10010")

    def quote(self, bid: str, ask: str, bid_size: Any = None, ask_size: Any = None) -> None:
        self.does.quote("EURUSD", bid, ask, bid_size, ask_size)

    def request(self, **fields: Any) -> dict[str, Any]:
        asked = {"action": mt5.TRADE_ACTION_DEAL, "symbol": "EURUSD", "type_filling": mt5.ORDER_FILLING_IOC}
        return {**asked, **fields}

    def send(self, **fields: Any) -> Any:
        return self.mt5.order_send(self.request(**fields))

    def deal(self, kind: int, volume: float, **fields: Any) -> Any:
        return self.send(type=kind, volume=volume, **fields)

    def pending(self, kind: int, volume: float, price: float, **fields: Any) -> Any:
        asked = {"action": mt5.TRADE_ACTION_PENDING, "type_filling": mt5.ORDER_FILLING_RETURN}
        return self.send(type=kind, volume=volume, price=price, **{**asked, **fields})

    def deals(self) -> tuple[Any, ...]:
        return self.mt5.history_deals_get(0, NOON // 1000 + 10 * 86_400)

    def history(self) -> dict[int, Any]:
        return {one.ticket: one for one in self.mt5.history_orders_get(0, NOON // 1000 + 10 * 86_400)}

    @property
    def balance(self) -> Decimal:
        return self.state.balance
