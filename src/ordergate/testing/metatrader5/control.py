"""`Control`: the methods of `Steering`, for a terminal that runs in a process of its own."""

import socket
from typing import Any

import msgspec

from ordergate.testing.metatrader5 import wire
from ordergate.testing.metatrader5.steering import Number


class Control:
    """Blocks until the terminal has answered, `timeout_s` at most. Each call is a connection of its own.

    Every method raises `OSError` or `wire.Broken` where there is no terminal, ValueError where it says no.
    """

    def __init__(self, port: int, timeout_s: float = 10.0) -> None:
        self.port, self._timeout_s = port, timeout_s

    def _do(self, name: str, *args: Any, **kwargs: Any) -> Any:
        with socket.create_connection(("127.0.0.1", self.port), self._timeout_s) as pipe:
            wire.send(pipe, {"control": name, "args": msgspec.to_builtins(args), "kwargs": kwargs})
            said = wire.receive(pipe)
        if said.get("refused"):
            raise ValueError(said["refused"])
        return said["value"]

    def quote(
        self,
        symbol: str,
        bid: Number,
        ask: Number,
        bid_size: Number | None = None,
        ask_size: Number | None = None,
    ) -> None:
        """New prices, and how many lots there are at them (None: any)."""
        self._do("quote", symbol, bid, ask, bid_size, ask_size)

    def symbol(self, name: str, **changes: Any) -> None:
        """A new symbol, or other terms of one that there is: the fields of `records.Symbol`."""
        self._do("symbol", name, **changes)

    def set(self, **changes: Any) -> None:
        """Terms of the account: the fields of `records.State`."""
        self._do("set", **changes)

    def inject(
        self,
        fault: str,
        value: Any = True,
        times: int | None = None,
        calls: list[str] | None = None,
        when: str = "after",
    ) -> None:
        """A fault from now on, `times` times or until it is cleared. See `faults.Fault`."""
        self._do("inject", fault, value, times, calls, when)

    def clear(self, fault: str | None = None) -> None:
        """This fault, or all of them, no more."""
        self._do("clear", fault)

    def faults(self) -> list[str]:
        """Those that are on."""
        return list(self._do("faults"))

    def trade(self, **request: Any) -> dict[str, Any]:
        """A request by somebody else, in the terminal's own window."""
        return dict(self._do("trade", **request))

    def close(self, ticket: int, volume: Number | None = None, **request: Any) -> dict[str, Any]:
        """Closes a position, or a part of it, by hand."""
        return dict(self._do("close", ticket, volume, **request))

    def money(self, amount: Number, kind: int = 2, comment: str = "") -> int:
        """A deal of money alone; gives its ticket."""
        return int(self._do("money", amount, kind, comment))

    def rollover(self, reopen: bool = False) -> None:
        """Swaps are charged now; with `reopen` every position gets another ticket."""
        self._do("rollover", reopen)

    def release(self) -> None:
        """What was accepted and not executed is, now."""
        self._do("release")

    def clock(self, msc: int | None) -> None:
        """The clock stands still there (milliseconds of UTC), or goes on with the machine's."""
        self._do("clock", msc)

    def advance(self, ms: int) -> None:
        """The clock jumps."""
        self._do("advance", ms)

    def now(self) -> int:
        """Milliseconds of UTC on its clock."""
        return int(self._do("now"))

    def watched(self) -> list[str]:
        """The Market Watch."""
        return list(self._do("watched"))

    def look(self) -> dict[str, Any]:
        """All that the server has: account, orders, history, deals, positions, and every request that was `sent`."""
        return dict(self._do("look"))
