"""The files of the DWX server as it writes and reads them: in place, without any escaping, in the broker's time.

What a reader can meet is made by `states`: files that are whole, cut in the middle, never written, or not there.
"""

import os
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from ordergate.testing.metatrader4.dwx_account import DwxAccount, Order

COMMANDS: Final = 50
_TIME: Final = "%Y.%m.%d %H:%M:%S"
_WIPED: Final = ("DWX_Market_Data", "DWX_Bar_Data", "DWX_Historic_Data", "DWX_Orders", "DWX_Messages")
"""What it deletes when it begins and ends; the trades of the past are not among it."""


class State(StrEnum):
    """What becomes of what is written."""

    WHOLE = "whole"
    FROZEN = "frozen"
    CUT = "cut"
    GARBLED = "garbled"
    GONE = "gone"


class DwxFiles:
    """One terminal's folder.

    Args:
        now: the time, for the times of the files.

    Attributes:
        states: what becomes of what is written, by the file's name; of the others it is whole.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self.folder, self._now = folder, now
        self.states: dict[str, State] = {}

    def wipe(self) -> None:
        """As it begins and as it ends: what waits to be done goes too."""
        self.folder.mkdir(exist_ok=True)
        for name in _WIPED:
            (self.folder / f"{name}.txt").unlink(missing_ok=True)
        for number in range(COMMANDS):
            self.command(number).unlink(missing_ok=True)

    def command(self, number: int) -> Path:
        """The place of a command."""
        return self.folder / f"DWX_Commands_{number}.txt"

    def take(self, number: int) -> str | None:
        """What lies in a place, whole or not; it is deleted before anybody has looked at it."""
        path = self.command(number)
        try:
            text = path.read_bytes().decode("latin-1")
        except OSError:
            return None
        path.unlink(missing_ok=True)
        return "".join(text.splitlines())

    def write(self, name: str, text: str) -> bool:
        """Overwrites a file where it is; False where it cannot be opened."""
        path = self.folder / f"{name}.txt"
        state = self.states.get(name, State.WHOLE)
        if state is State.FROZEN:
            return False
        if state is State.GONE:
            path.unlink(missing_ok=True)
            return False
        said = {State.CUT: text[: len(text) // 2], State.GARBLED: text.replace(":", ' "', 1)}.get(state, text)
        path.write_bytes(f"{said}\r\n".encode("latin-1", errors="replace"))
        at = int(self._now().timestamp() * 1_000_000) * 1_000
        os.utime(path, ns=(at, at))
        return True


def orders_text(account: DwxAccount) -> str:
    """Everything that is open, whoever's it is."""
    rows = ", ".join(f'"{one.ticket}": {{{_row(one)}}}' for one in reversed(account.open.values()))
    about = (
        f'"name": "{account.name}", "number": {account.number}, "currency": "{account.currency}", "leverage": 100, '
        f'"free_margin": {account.free_margin:f}, "balance": {account.balance:f}, '
        f'"equity": {account.balance + account.profit:f}'
    )
    return f'{{"account_info": {{{about}}}, "orders": {{{rows}}}}}'


def history_text(account: DwxAccount, since: datetime) -> str:
    """What is over, by when it was opened."""
    rows = [one for one in reversed(account.past.values()) if one.opened_at >= since]
    return "{" + ", ".join(f'"{one.ticket}": {{{_past(one)}}}' for one in rows) + "}"


def _row(order: Order) -> str:
    return (
        f'"magic": {order.magic}, "symbol": "{order.symbol}", "lots": {order.lots:.2f}, "type": "{order.type}", '
        f'"open_price": {order.price:.5f}, "open_time": "{order.opened_at.strftime(_TIME)}", {_rest(order)}'
    )


def _past(order: Order) -> str:
    closed = order.closed_at or order.opened_at
    return (
        f'"magic": {order.magic}, "symbol": "{order.symbol}", "lots": {order.lots:.2f}, "type": "{order.type}", '
        f'"open_time": "{order.opened_at.strftime(_TIME)}", "close_time": "{closed.strftime(_TIME)}", '
        f'"open_price": {order.price:.5f}, "close_price": {order.close_price:.5f}, {_rest(order)}'
    )


def _rest(order: Order) -> str:
    return (
        f'"SL": {order.stop_loss:.5f}, "TP": {order.take_profit:.5f}, "pnl": {order.profit:.2f}, '
        f'"commission": {order.commission:.2f}, "swap": {order.swap:.2f}, "comment": "{order.comment}"'
    )
