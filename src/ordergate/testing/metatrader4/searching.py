"""Whether the account shows that a command was carried out, although nobody wrote down that it was."""

import re
from collections.abc import Iterator
from typing import Any

from ordergate.testing.metatrader4.account import SELL_STOP, TYPES, Ticket
from ordergate.testing.metatrader4.arguments import Wrong, decimal
from ordergate.testing.metatrader4.calling import terms_of
from ordergate.testing.metatrader4.terminal import Terminal

EARLY_S = 120
_TO = re.compile(r"to #(\d+)")
_LEVEL = re.compile(r"\[(sl|tp)\]", re.IGNORECASE)


def rows(terminal: Terminal) -> Iterator[Ticket]:
    """All that the terminal shows, open ones first."""
    for index in range(terminal.orders_total()):
        row = terminal.order_at(index)
        if row is not None:
            yield row
    for index in range(terminal.history_total()):
        row = terminal.history_at(index)
        if row is not None:
            yield row


def belongs(row: Ticket, command: dict[str, Any], offset_s: int | None) -> bool:
    """Whether a ticket came of an `open`; `offset_s` of the server's clock, None where it is not known."""
    if row.type > SELL_STOP or row.magic != command.get("magic"):
        return False
    if row.symbol != command.get("symbol", row.symbol):
        return False
    kind = command.get("type", TYPES[row.type])
    if kind not in TYPES[:6] or row.buys != (TYPES.index(kind) % 2 == 0):
        return False
    if offset_s is not None and row.open_time < command["sent_at"] + offset_s - EARLY_S:
        return False
    ours = str(command.get("comment", ""))[:11]
    return row.comment.startswith(ours) or not row.comment.startswith("og-")


def rest_row(terminal: Terminal, row: Ticket) -> Ticket | None:
    """What a partial close of a ticket left, open or ended by now, where comments say so."""
    named = _TO.search(row.comment)
    if named is not None:
        return terminal.order(int(named[1]))
    return next((other for other in rows(terminal) if other.comment == f"from #{row.ticket}"), None)


def by_level(row: Ticket) -> bool:
    """Whether the server says that it closed it at a level, or for want of margin."""
    return bool(_LEVEL.search(row.comment)) or row.comment.startswith("so:")


def search(terminal: Terminal, command: dict[str, Any], offset_s: int | None) -> Ticket | None:
    """The ticket that shows it: that of the order which was opened, or that which was to change."""
    op = command["op"]
    if op == "open":
        found = [row for row in rows(terminal) if belongs(row, command, offset_s)]
        return min(found, key=lambda row: row.ticket, default=None)
    row = terminal.order(command["ticket"]) if type(command.get("ticket")) is int else None
    if row is None:
        return None
    if op == "modify":
        return row if _as_wanted(row, command, offset_s) else None
    return row if ended_by(terminal, row, command, offset_s) else None


def ended_by(terminal: Terminal, row: Ticket, command: dict[str, Any], offset_s: int | None) -> bool:
    """Whether a ticket that a `close`, `close_by` or `delete` names may have ended by it."""
    if not row.close_time or by_level(row) or not _as_much(terminal, row, command):
        return False
    return offset_s is None or row.close_time >= command["sent_at"] + offset_s - EARLY_S


def _as_much(terminal: Terminal, row: Ticket, command: dict[str, Any]) -> bool:
    """Whether what ended is what the command was to end; the hedge of a `close_by` may show no lots."""
    op: str = command["op"]
    if op != "close":
        return row.pending == (op == "delete")
    if not row.lots:
        return False
    try:
        return row.lots == decimal(command, "lots") if "lots" in command else rest_row(terminal, row) is None
    except Wrong:
        return False


def _as_wanted(row: Ticket, command: dict[str, Any], offset_s: int | None) -> bool:
    try:
        wanted = terms_of(command, row, offset_s)
    except Wrong:
        return False
    return not row.close_time and wanted == (row.price, row.sl, row.tp, row.expiry)
