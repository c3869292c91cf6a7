"""A running terminal: what an expert advisor can ask of it and do through it.

It shows what its connection last told it. It counts the calls that write a file, rename one or trade, so that a test
can end the process at each of them.
"""

from collections.abc import Callable
from decimal import Decimal

from ordergate.testing.metatrader4 import trading
from ordergate.testing.metatrader4.account import Account, Symbol, Ticket
from ordergate.testing.metatrader4.folder import Folder


class Killed(BaseException):
    """The process ends here."""


class Terminal:
    """Connected from `connects_at` on, on its clock (0: at once); before, it shows no tickets at all.

    Attributes:
        step: how many calls that change something were begun.
        kill_at: at the beginning of which of them the process ends; of an appending one, in the middle.
        kill: how it ends.
    """

    def __init__(
        self,
        account: Account,
        folder: Folder,
        clock: Callable[[], float],
        *,
        connects_at: float = 0.0,
        ticks_at_start: int = 0xFFFF_F000,
    ) -> None:
        self.account, self.folder, self.clock = account, folder, clock
        self._connects_at, self._started, self._ticks = connects_at, clock(), ticks_at_start
        self.step = 0
        self.steps: list[str] = []
        self.kill_at: int | None = None
        self.kill: Callable[[], None] = _kill
        self._open: list[Ticket] = []
        self._closed: list[Ticket] = []
        self._selected = 0
        self.refresh()

    # What is shown.

    def refresh(self) -> None:
        """Takes what the server tells, if connected."""
        if not self.connected or self.account.faults.frozen:
            return
        self._open = [trading.copy(one) for one in self.account.books.open.values()]
        closed = list(self.account.books.closed.values())
        lag, since = self.account.faults.history_lag, self.account.faults.history_since
        shown = closed[: len(closed) - lag] if lag else closed
        self._closed = [trading.copy(one) for one in shown if one.close_time >= since]

    @property
    def connected(self) -> bool:
        """`IsConnected`."""
        return not self.account.faults.disconnected and self.clock() >= self._connects_at

    @property
    def trade_allowed(self) -> bool:
        """Whether programs may trade, whatever the trade context does."""
        return not self.account.faults.trade_off

    @property
    def context_busy(self) -> bool:
        """`IsTradeContextBusy`."""
        return self.account.faults.context_busy

    def gmt(self) -> int:
        """`TimeGMT`."""
        return int(self.clock())

    def ticks(self) -> int:
        """`GetTickCount`: milliseconds, in 32 bits."""
        return (self._ticks + int((self.clock() - self._started) * 1000)) & 0xFFFF_FFFF

    def server_time(self) -> int:
        """`TimeCurrent`: when the last quote came, on the server's clock."""
        return max((s.quoted_at for s in self.account.books.symbols.values()), default=0)

    def symbols(self) -> list[Symbol]:
        """Those of the Market Watch."""
        return list(self.account.books.symbols.values())

    def orders_total(self) -> int:
        """`OrdersTotal`."""
        return len(self._open)

    def order_at(self, index: int) -> Ticket | None:
        """Of the open ones, by position."""
        if self.account.faults.raced and index == 1:
            self._open = self._open[1:]
        return self._open[index] if index < len(self._open) else None

    def order(self, ticket: int) -> Ticket | None:
        """By ticket, open or in the history."""
        return next((one for one in (*self._open, *self._closed) if one.ticket == ticket), None)

    def history_total(self) -> int:
        """`OrdersHistoryTotal`."""
        return len(self._closed)

    def history_at(self, index: int) -> Ticket | None:
        """Of the history, by position."""
        return self._closed[index] if index < len(self._closed) else None

    # What changes something.

    def order_send(
        self,
        symbol: str,
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
        """`OrderSend`. Raises Refused."""
        self._stepping(f"open {symbol}")
        try:
            return trading.order_send(
                self.account, symbol, kind, lots, price, slippage, sl, tp, comment, magic, expiry
            )
        finally:
            self.refresh()

    def order_close(self, ticket: int, lots: Decimal, price: Decimal, slippage: int) -> None:
        """`OrderClose`. Raises Refused."""
        self._trade(f"close {ticket}", trading.order_close, ticket, lots, price, slippage)

    def order_close_by(self, ticket: int, by: int) -> None:
        """`OrderCloseBy`. Raises Refused."""
        self._trade(f"close_by {ticket}", trading.order_close_by, ticket, by)

    def order_modify(self, ticket: int, price: Decimal, sl: Decimal, tp: Decimal, expiry: int) -> None:
        """`OrderModify`. Raises Refused."""
        self._trade(f"modify {ticket}", trading.order_modify, ticket, price, sl, tp, expiry)

    def order_delete(self, ticket: int) -> None:
        """`OrderDelete`. Raises Refused."""
        self._trade(f"delete {ticket}", trading.order_delete, ticket)

    def _trade(self, name: str, function: Callable[..., None], *given: object) -> None:
        self._stepping(name)
        try:
            function(self.account, *given)
        finally:
            self.refresh()

    def put(self, path: str, data: bytes) -> bool:
        """Writes a file."""
        self._stepping(f"put {path}")
        return self.folder.put(path, data)

    def append(self, path: str, data: bytes) -> bool:
        """Writes at the end of one, flushed."""
        if self._ends(f"append {path}"):
            self.folder.append(path, data[: len(data) // 2])
            self.kill()
        return self.folder.append(path, data)

    def move(self, source: str, target: str) -> bool:
        """Renames, over what may be there."""
        self._stepping(f"move {source} {target}")
        return self.folder.move(source, target)

    def delete(self, path: str) -> bool:
        """Removes a file."""
        self._stepping(f"delete {path}")
        return self.folder.delete(path)

    def _stepping(self, name: str) -> None:
        if self._ends(name):
            self.kill()

    def _ends(self, name: str) -> bool:
        self.step += 1
        self.steps.append(name)
        return self.kill_at is not None and self.step == self.kill_at


def _kill() -> None:
    raise Killed
