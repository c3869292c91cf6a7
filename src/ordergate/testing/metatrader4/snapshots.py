"""What the account, its orders, its symbols and their prices are now: files that are replaced."""

from collections.abc import Sequence
from typing import Any

from ordergate.testing.metatrader4.account import Symbol, Ticket
from ordergate.testing.metatrader4.lines import dress, number
from ordergate.testing.metatrader4.rows import Held, told_row
from ordergate.testing.metatrader4.terminal import Terminal

EVERY_S = {"account": 1, "orders": 2, "symbols": 60, "ticks": 60}


class Snapshots:
    """Writes each when something that matters in it changed, and every so often."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._n: dict[str, int] = {}
        self._written: dict[str, tuple[int, object]] = {}

    def write(
        self, kind: str, common: dict[str, Any], fields: dict[str, Any], matters: object, *, now: bool = False
    ) -> None:
        """Writes one if it is time; one that cannot be written is tried again."""
        gmt = common["gmt"]
        before = self._written.get(kind)
        if not now and before is not None and before[1] == matters and gmt - before[0] < EVERY_S[kind]:
            return
        n = self._n.get(kind, 0) + 1
        content = dress({"v": 1, "kind": kind, "run": common["run"], "n": n, **common, **fields})
        if replace(self._terminal, f"state/{kind}.json", content):
            self._n[kind] = n
            self._written[kind] = (gmt, matters)


def replace(terminal: Terminal, path: str, content: bytes) -> bool:
    """Writes beside it, and renames; False where that did not succeed."""
    folder, _, name = path.rpartition("/")
    part = "/".join((folder, f"tmp-{name}"))
    return terminal.put(part, content) and terminal.move(part, path)


def account_fields(terminal: Terminal) -> dict[str, Any]:
    """What the terminal says of the account."""
    account = terminal.account
    books = account.books
    return {
        "account": books.number,
        "server": "Simulated-Demo",
        "company": "Simulated",
        "currency": books.currency,
        "leverage": books.leverage,
        "demo": True,
        "balance": number(books.balance),
        "equity": number(account.equity),
        "margin": number(account.used),
        "free": number(account.equity - account.used),
        "profit": number(account.floating),
        "credit": number(books.balance * 0),
        "build": 1420,
        "version": "1.0",
    }


def symbol_row(terminal: Terminal, symbol: Symbol) -> dict[str, Any]:
    """A row of `symbols.json`."""
    tick_value = symbol.point * symbol.lot_size * symbol.rate
    return {
        "symbol": symbol.name,
        "digits": symbol.digits,
        "point": number(symbol.point),
        "lot_size": number(symbol.lot_size),
        "lot_min": number(symbol.lot_min),
        "lot_max": number(symbol.lot_max),
        "lot_step": number(symbol.lot_step),
        "stop_level": symbol.stop_level,
        "freeze_level": symbol.freeze_level,
        "execution": symbol.execution,
        "tick_size": number(symbol.point),
        "tick_value": number(tick_value),
        "margin": number(terminal.account.margin(symbol, symbol.lot_min / symbol.lot_min)),
        "trade_allowed": symbol.trade_allowed,
        "currency_base": symbol.base,
        "currency_profit": symbol.profit,
        "currency_margin": symbol.base,
    }


def tick_rows(symbols: Sequence[Symbol]) -> list[dict[str, Any]]:
    """The rows of `ticks.json`; a symbol without a price is not among them."""
    return [
        {"symbol": s.name, "bid": number(s.bid), "ask": number(s.ask), "time": s.quoted_at}
        for s in symbols
        if s.bid
    ]


def order_rows(rows: Sequence[tuple[Ticket, Held]]) -> list[dict[str, Any]]:
    """The rows of `orders.json`, by ticket; each with the command of ours that it came of."""
    return [told_row(row, held.id, held.ref) for row, held in sorted(rows, key=lambda one: one[0].ticket)]
