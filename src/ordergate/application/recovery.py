"""Recovery: from the tables to the state of the moment before; and from the journal to the tables."""

from datetime import datetime
from decimal import localcontext
from typing import Any, Final

from ordergate.application.entry import Entry, decode
from ordergate.application.ports.journal import Head, JournalReader
from ordergate.domain.book import Book
from ordergate.domain.breaks import Break, BreakKind, Resolution
from ordergate.domain.errors import AuditError
from ordergate.domain.fold import advance_cursor, evolve
from ordergate.domain.money import EXACT
from ordergate.domain.orders.events import OrderEvent
from ordergate.domain.orders.states import TERMINAL, State
from ordergate.protocols.tlog import Checkpoint, TlogError

_UNFINISHED = tuple(state for state in State if state not in TERMINAL)
_WHOLE = (
    "funds", "instruments", "sessions", "balances", "moves", "limits", "halts", "strategies", "accounts", "volumes",
    "overrides", "account_holdings",
)  # fmt: skip

_KNOWN_BREAKS: Final[tuple[dict[str, Any], ...]] = (
    {"resolution": None},
    {"resolution": Resolution.EXPLAINED},
    {"resolution": Resolution.GONE, "kind": BreakKind.UNKNOWN_ORDER},
)


async def load_state(reader: JournalReader) -> Book:
    """What memory holds of a store: configuration, unfinished orders, open positions, balances."""
    state = Book()
    tables = {table.name: table for table in state.tables}
    for name in _WHOLE:
        for row in await reader.select(name):
            tables[name].load(row)
    fills: dict[str, list[Any]] = {}
    orders = await reader.select("orders", {"state": _UNFINISHED})
    for fill in await reader.select("fills", {"order_id": tuple(order.order_id for order in orders)}):
        fills.setdefault(fill.order_id, []).append(fill)
    for order in orders:
        state.load_order(order, fills.get(order.order_id, []))
    for row in await reader.select("lots", {"closed_at": None}):
        state.lots.load(row)
    for row in await reader.select("positions"):
        if row.quantity:
            state.positions.load(row)
    for row in await reader.select("strategy_positions"):
        if row.quantity:
            state.strategy_positions.load(row)
    await _load_breaks(state, reader)
    return state


async def _load_breaks(state: Book, reader: JournalReader) -> None:
    remembered: list[Break] = []
    for known in _KNOWN_BREAKS:
        for row in await reader.select("breaks", known):
            if row.is_watched:
                state.breaks.load(row)
            if row.is_remembered:
                remembered.append(row)
    for row in sorted(remembered, key=lambda row: row.raised_at):
        state.reported.break_changed(None, row)


async def last_instant(reader: JournalReader, head: Head) -> datetime | None:
    """The last instant that the journal has used; None for an empty one."""
    if not head.size:
        return None
    lines = await reader.lines(head.size - 1, 1)
    if not lines:
        raise AuditError(f"entry {head.size - 1} is missing", head.size - 1)
    return instant_of(decode(lines[0].data, head.size - 1))


def instant_of(entry: Entry) -> datetime:
    """The last instant that an entry has used."""
    event = entry.event
    return event.times[-1] if isinstance(event, OrderEvent) and event.times else entry.time


def check_head(head: Head, root: bytes) -> None:
    """Raises AuditError unless the last checkpoint is over this very tree; signatures are the audit's."""
    if not head.size:
        return
    text = head.checkpoint.partition("\n\n")[0] + "\n"
    try:
        checkpoint = Checkpoint.parse(text)
    except TlogError as error:
        raise AuditError(f"the last checkpoint cannot be read: {error}") from error
    if (checkpoint.size, checkpoint.root) != (head.size, root):
        raise AuditError(
            f"the last checkpoint is not over these {head.size} entries: run ordergate audit verify"
        )


def apply(state: Book, entry: Entry) -> None:
    """Folds one entry, as it was folded when it was written."""
    with localcontext(EXACT):
        evolve(state, entry.event, entry.index, entry.time)
    if entry.broker is not None and entry.cursor is not None:
        advance_cursor(state, entry.broker, entry.cursor)
