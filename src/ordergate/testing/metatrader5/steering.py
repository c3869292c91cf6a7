"""What a test does to the simulated terminal and its broker: prices, faults, foreign orders, time, and a look inside.

`Steering` is for a terminal in the same process; `control.Control` has the same methods for one in its own. Numbers go
in as Decimal, int or text.
"""

from decimal import Decimal
from typing import Any, Final

import msgspec

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5 import telling
from ordergate.testing.metatrader5.faults import Fault, Switch
from ordergate.testing.metatrader5.records import State, Symbol
from ordergate.testing.metatrader5.structs import TradeRequest
from ordergate.testing.metatrader5.terminal import Terminal
from ordergate.testing.metatrader5.trading import held

Number = Decimal | int | str
_SETTABLE: Final = frozenset(State.__struct_fields__) - {
    "symbols", "orders", "history", "deals", "positions", "sent", "last_order", "last_deal", "day",
}  # fmt: skip
_CALLS: Final[dict[str, str]] = {Fault.LOGIN_REFUSED: "login", Fault.CHECK: "order_check"}


class Steering:
    """See the module. Every method returns builtin types."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    @property
    def _now(self) -> int:
        return self._terminal.clock()

    def quote(
        self,
        symbol: str,
        bid: Number,
        ask: Number,
        bid_size: Number | None = None,
        ask_size: Number | None = None,
    ) -> None:
        """New prices, and how many lots there are at them (None: any)."""
        prices = Decimal(bid), Decimal(ask)
        sizes = (None if size is None else Decimal(size) for size in (bid_size, ask_size))
        self._terminal.account.quote(symbol, *prices, self._now, *sizes)

    def symbol(self, name: str, **changes: Any) -> None:
        """A new symbol, or other terms of one that there is: the fields of `records.Symbol`."""
        state = self._terminal.account.state
        there = state.symbols.get(name) or Symbol(name=name)
        told = {**msgspec.to_builtins(there), **changes, "name": name}
        if unknown := set(told) - set(Symbol.__struct_fields__):
            raise ValueError(f"{sorted(unknown)}: expected some of {sorted(Symbol.__struct_fields__)}")
        self._terminal.account.add(msgspec.convert(told, Symbol, strict=False))

    def set(self, **changes: Any) -> None:
        """Terms of the account: the fields of `records.State`. Raises ValueError for what it is made of."""
        state = self._terminal.account.state
        for name, value in changes.items():
            if name not in _SETTABLE:
                raise ValueError(f"{name}: expected one of {sorted(_SETTABLE)}")
            old = getattr(state, name)
            setattr(state, name, Decimal(value) if isinstance(old, Decimal) else type(old)(value))
        self._terminal.account.changed()

    def inject(
        self,
        fault: str,
        value: Any = True,
        times: int | None = None,
        calls: list[str] | None = None,
        when: str = "after",
    ) -> None:
        """From now on, `times` times or until it is cleared. `calls` empty: whichever. See `faults.Fault`."""
        named = frozenset([_CALLS.get(fault, "order_send")] if calls is None else calls)
        if fault == Fault.DISCONNECTED:
            self._terminal.disconnect()
        self._terminal.faults.inject(Fault(fault), Switch(value=value, left=times, calls=named, when=when))

    def clear(self, fault: str | None = None) -> None:
        """This fault, or all of them, no more."""
        self._terminal.faults.clear(None if fault is None else Fault(fault))

    def faults(self) -> list[str]:
        """Those that are on."""
        return sorted(fault.value for fault in self._terminal.faults.on)

    def trade(self, **request: Any) -> dict[str, Any]:
        """A request by somebody else, in the terminal's own window: the fields of `order_send`, volumes as they are.

        Raises Refusal.
        """
        given = {name: kind(request.get(name, kind())) for name, kind in TradeRequest.FIELDS.items()}
        done = self._terminal.account.send(given, self._now, reason=mt5.ORDER_REASON_CLIENT)
        return {"retcode": done.retcode, "order": done.order, "deal": done.deal}

    def close(self, ticket: int, volume: Number | None = None, **request: Any) -> dict[str, Any]:
        """Closes a position, or a part of it, by hand. Raises LookupError, Refusal."""
        position = held(self._terminal.account.state, ticket)
        if position is None:
            raise LookupError(f"no position has the ticket {ticket}")
        symbol = self._terminal.account.state.symbols[position.symbol]
        return self.trade(
            action=mt5.TRADE_ACTION_DEAL,
            symbol=position.symbol,
            volume=position.volume if volume is None else Decimal(volume),
            type=mt5.ORDER_TYPE_SELL if position.buys else mt5.ORDER_TYPE_BUY,
            price=symbol.touch(not position.buys),
            position=ticket,
            **request,
        )

    def money(self, amount: Number, kind: int = mt5.DEAL_TYPE_BALANCE, comment: str = "") -> int:
        """A deal of money alone; gives its ticket."""
        return self._terminal.account.operation(kind, Decimal(amount), self._now, comment).ticket

    def rollover(self, reopen: bool = False) -> None:
        """Swaps are charged now; with `reopen` every position gets another ticket."""
        self._terminal.account.rollover(self._now, reopen)

    def release(self) -> None:
        """What was accepted and not executed is, now."""
        for order in self._terminal.account.state.orders.values():
            if order.due_msc is not None:
                order.due_msc = 0
        self._terminal.account.turn(self._now)

    def clock(self, msc: int | None) -> None:
        """The clock stands still there (milliseconds of UTC), or goes on with the machine's."""
        self._terminal.clock.set(msc)
        self._terminal.account.turn(self._now)

    def advance(self, ms: int) -> None:
        """The clock jumps."""
        self._terminal.clock.advance(ms)
        self._terminal.account.turn(self._now)

    def now(self) -> int:
        """Milliseconds of UTC on its clock."""
        return self._now

    def watched(self) -> list[str]:
        """The Market Watch."""
        return sorted(self._terminal.selected)

    def look(self) -> dict[str, Any]:
        """All that the server has: account, orders, history, deals, positions, and every request that was `sent`."""
        self._terminal.account.turn(self._now)
        return telling.everything(self._terminal.account)
