"""What a terminal knows: the account as it last saw it, the Market Watch, the depths it follows, the time."""

import time
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from typing import Final

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.account import Account
from ordergate.testing.metatrader5.charts import Heard
from ordergate.testing.metatrader5.faults import Fault, Faults
from ordergate.testing.metatrader5.records import State, Symbol
from ordergate.testing.metatrader5.texts import Failed

_MOST_TICKS: Final = 100_000


class Clock:
    """Milliseconds of UTC: the machine's, shifted, or standing still where it was set."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s, self._shift_ms, self._fixed = now_s, 0, None

    _fixed: int | None

    def __call__(self) -> int:
        """Now."""
        return self._fixed if self._fixed is not None else int(self._now_s() * 1000) + self._shift_ms

    def set(self, msc: int | None) -> None:
        """Stands still there; None: goes on with the machine."""
        self._fixed, self._shift_ms = msc, 0

    def advance(self, ms: int) -> None:
        """Jumps, standing still or not."""
        if self._fixed is not None:
            self._fixed += ms
        else:
            self._shift_ms += ms


class Watch:
    """See the module.

    Attributes:
        selected: the symbols of the Market Watch.
        books: those whose depth is followed.
        ticks: by symbol, what it has heard.
    """

    def __init__(self, account: Account, clock: Clock) -> None:
        self.account, self.clock, self.faults = account, clock, Faults()
        self.selected: set[str] = set()
        self.books: set[str] = set()
        self.ticks: dict[str, deque[Heard]] = {}
        self._last_seen: State | None = None
        account.quoted.append(self._hear)

    def _hear(self, symbol: Symbol) -> None:
        if self._last_seen is None:
            spread = int((symbol.ask - symbol.bid) / symbol.point)
            prices = float(symbol.bid), float(symbol.ask), float(symbol.last)
            kept = self.ticks.setdefault(symbol.name, deque(maxlen=_MOST_TICKS))
            kept.append(Heard(symbol.time_msc, *prices, spread))

    @property
    def seen(self) -> State:
        """The account as the terminal knows it: of when it was connected last."""
        if self.faults.of(Fault.DISCONNECTED) is None:
            self._last_seen = None
        return self.account.state if self._last_seen is None else self._last_seen

    def disconnect(self) -> None:
        """From now on it shows what it has seen; for the time that DISCONNECTED is on."""
        self._last_seen = deepcopy(self.account.state)

    def known(self, symbol: str) -> Symbol:
        """Raises Failed where the broker has none of this name."""
        found = self.seen.symbols.get(symbol)
        if found is None:
            raise Failed(mt5.RES_E_NOT_FOUND)
        return found

    def watched(self, symbol: str) -> Symbol:
        """Raises Failed where it is not in the Market Watch."""
        one = self.known(symbol)
        if symbol not in self.selected:
            raise Failed(mt5.RES_E_NOT_FOUND)
        return one
