"""Following what other nodes have written to the same journal.

Their entries are folded as our own are. Memory holds only what can still change: what an entry moves that memory
has forgotten (an order that has ended, a position that was flat) is read from the tables instead, as it stands at
the journal's end, while nobody can write.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ordergate.application.engine import Engine
from ordergate.application.entry import Entry, decode
from ordergate.application.ports.journal import JournalReader, Line
from ordergate.application.recovery import apply, check_head, instant_of
from ordergate.application.tail import Tail
from ordergate.application.view import View
from ordergate.domain.book import Book, Table
from ordergate.domain.configuration import ConfigurationChanged
from ordergate.domain.errors import AuditError
from ordergate.domain.fold import advance_cursor
from ordergate.domain.orders import events as e
from ordergate.domain.orders.events import SessionOpened
from ordergate.domain.orders.executions import Fill
from ordergate.domain.positions.position import StrategyPosition
from ordergate.domain.recon.events import PositionAdjusted
from ordergate.domain.risk.events import OverrideAnswered, OverrideAsked
from ordergate.protocols.tlog import leaf_hash

FAR: Final = 10_000
"""So many entries take too long to fold while others wait."""

_AT_ONCE: Final = 500
_BY_THEMSELVES: Final = (e.OrderEntered, e.OrderAdopted, OverrideAsked, OverrideAnswered)
"""Events of orders that memory need not have to fold them."""
_EXECUTIONS: Final = (e.OrderFilled, e.FillCorrected, e.FillBusted)


class Following:
    """Brings an engine, and the tree that it hashes onto, to where others have come.

    Args:
        publish: is given what was folded, in order.
    """

    def __init__(self, engine: Engine, tail: Tail, publish: Callable[[Sequence[Entry]], None]) -> None:
        self._engine, self._tail, self._publish = engine, tail, publish
        self._to_read_again: list[Fill] = []

    @property
    def is_complete(self) -> bool:
        """Whether memory has all that the folded entries moved; else the journal's end must be held to read it."""
        return not self._to_read_again

    async def along(self, reader: JournalReader) -> None:
        """Folds what others have written by now, while they go on.

        Raises:
            StoreError: the journal cannot be read.
            AuditError: an entry cannot be read by this version, or is not what its hash says.
        """
        near = False
        while not near:
            lines = await reader.lines(self._engine.size, _AT_ONCE)
            self._fold_lines(lines)
            near = len(lines) < _AT_ONCE

    async def is_far(self, reader: JournalReader) -> bool:
        """Whether so much is missing that others should not wait for it; `reader` holds the journal's end."""
        return (await reader.head()).size - self._engine.size > FAR

    async def to_the_end(self, reader: JournalReader) -> None:
        """Folds everything that others have written; `reader` holds the journal's end.

        Raises:
            StoreError: the journal cannot be read; nothing may be stepped before the next call succeeds.
            AuditError: as `along`, or the tree is not the one that was signed.
        """
        head = await reader.head()
        if head.size > self._engine.size:
            await self._fold_up_to(head.size, reader)
            check_head(head, self._tail.root())
        if self._to_read_again:
            await read_again(self._engine.state, self._to_read_again, reader)
            self._to_read_again = []

    async def _fold_up_to(self, size: int, reader: JournalReader) -> None:
        while self._engine.size < size:
            lines = await reader.lines(self._engine.size, min(_AT_ONCE, size - self._engine.size))
            if not lines:
                raise AuditError(f"entry {self._engine.size} is missing", self._engine.size)
            self._fold_lines(lines)

    def _fold_lines(self, lines: Sequence[Line]) -> None:
        folded: list[Entry] = []
        for entry, line in self._read(lines):
            fill = forgotten(self._engine.state, entry)
            if fill is not None:
                self._to_read_again.append(fill)
            self._fold(entry, line)
            folded.append(entry)
        self._publish(folded)

    def _read(self, lines: Sequence[Line]) -> Iterator[tuple[Entry, Line]]:
        for index, line in enumerate(lines, self._engine.size):
            if leaf_hash(line.data) != line.hash:
                raise AuditError(f"entry {index} is not what its hash says", index)
            yield decode(line.data, index), line

    def _fold(self, entry: Entry, line: Line) -> None:
        state = self._engine.state
        event = entry.event
        if (
            not isinstance(event, e.OrderEvent)
            or isinstance(event, _BY_THEMSELVES)
            or event.order_id in state.orders.rows
        ):
            apply(state, entry)
        elif entry.broker is not None and entry.cursor is not None:
            advance_cursor(state, entry.broker, entry.cursor)
        state.settle()
        self._tail.follow(line)
        self._engine.size, self._engine.last = entry.index + 1, instant_of(entry)


def forgotten(state: Book, entry: Entry) -> Fill | None:
    """The execution, where memory does not have all that it moves."""
    event = entry.event
    if isinstance(event, PositionAdjusted) and event.trade is not None:
        known = (event.fund_id, event.trade.symbol) in state.positions.rows
        return None if known else event.trade
    if not isinstance(event, _EXECUTIONS):
        return None
    fill = event.fill
    known = fill.order_id in state.orders.rows and (fill.fund_id, fill.symbol) in state.positions.rows
    return None if known else fill


async def read_again(state: Book, moved: Sequence[Fill], reader: JournalReader) -> None:
    """Positions, also strategies', lots, balances, profits, volumes, accounts as the tables have them, not as folded.

    All is read before anything is changed: memory that were half the tables' would not be made good by the next fold.

    Raises:
        StoreError: the tables cannot be read; memory is as it was.
    """
    keys = sorted({(fill.fund_id, fill.symbol) for fill in moved})
    positions = await reader.get("positions", keys)
    lots = [
        lot
        for fund_id, symbol in keys
        for lot in await reader.select("lots", {"fund_id": fund_id, "symbol": symbol, "closed_at": None})
    ]
    built = await _built(keys, reader)
    orders = tuple(sorted({fill.order_id for fill in moved}))
    booked = await reader.select("fills", {"order_id": orders})
    owned = sorted({(fill.fund_id, delta.position_key) for fill in booked for delta in fill.deltas})
    balances = await reader.get("balances", owned)
    funds = sorted({fund_id for fund_id, _symbol in keys})
    accounts = await reader.get("accounts", [(fund_id,) for fund_id in funds])
    volumes = await reader.get("volumes", keys)
    brokers = tuple(sorted({fill.broker for fill in moved}))
    at_brokers = await reader.select("account_holdings", {"broker": brokers})
    for row in at_brokers:
        state.account_holdings.rows.pop((row.broker, row.kind, row.name), None)
    for key in keys:
        state.forget_position(key)
        state.volumes.rows.pop(key, None)
    for fund_id in funds:
        state.accounts.rows.pop(fund_id, None)
    for key in owned:
        state.balances.rows.pop(key, None)
    held = [position for position in positions if position.quantity]
    tables: tuple[tuple[Table[Any], Sequence[Any]], ...] = (
        (state.positions, held),
        (state.lots, lots),
        (state.strategy_positions, built),
        (state.balances, balances),
        (state.accounts, accounts),
        (state.volumes, volumes),
        (state.account_holdings, at_brokers),
    )
    for table, rows in tables:
        for row in rows:
            table.load(row)


async def _built(keys: Sequence[tuple[str, str]], reader: JournalReader) -> list[StrategyPosition]:
    """What strategies have of symbols in funds, where they are not flat."""
    rows = [
        row
        for fund_id, symbol in keys
        for row in await reader.select("strategy_positions", {"fund_id": fund_id, "symbol": symbol})
    ]
    return [row for row in rows if row.quantity]


def note_others(view: View, entries: Sequence[Entry]) -> None:
    """What other nodes have written is also about what this one sees beside the state."""
    for entry in entries:
        event = entry.event
        if isinstance(event, SessionOpened) and view.sessions.get(event.broker, event.epoch) != event.epoch:
            del view.sessions[event.broker]  # it is another's by now
        elif isinstance(event, ConfigurationChanged):
            view.configuration = event.digest
