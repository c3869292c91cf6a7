"""Records from a journal: orders, their events and trades, as far as they have not come yet.

How far they have come stands in the records' own database and moves in the transaction that writes them, so nothing
comes twice and nothing is left out, wherever it is cut off. Accounts, assets and order managers that are not registered
yet are registered, by their names alone.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from ordergate.adapters.journals.location import locate
from ordergate.adapters.journals.stores import open_reader
from ordergate.application.audit.ending import open_signed
from ordergate.application.entry import Entry, decode
from ordergate.application.naming import Naming
from ordergate.application.ports.journal import Head, JournalReader
from ordergate.application.recording import OrderRow, Recorder, Rows
from ordergate.bootstrap import Gate
from ordergate.domain.errors import StoreError
from ordergate.sdk.line import Line
from ordergate.sdk.records.base import Base
from ordergate.sdk.records.database import reading, writing
from ordergate.sdk.records.execution import OrderEventsTS, OrdersTS, TimeIndexed, TradesTS
from ordergate.sdk.records.models import AccountTable, AssetTable, OrderManagerTable, new_uid
from ordergate.sdk.records.registry import register, register_identifiers
from ordergate.sdk.records.storing import kinds_of, upsert
from ordergate.sdk.records.values import Kind, held, normalised

T = TypeVar("T")
Work = Callable[[JournalReader], Coroutine[Any, Any, T]]
Ask = Callable[[Work[Any]], Any]
Progress = Callable[[int, int], None]
_AT_ONCE: Final = 1_000
_ANSWER_S: Final = 120.0


class FeedCursorTable(Base):
    """How far a journal's entries have come into these records.

    Attributes:
        log: the journal's name.
        next_index: of the entry that is to come next.
        last_hash: of the last one that has come, in hex: a journal that has another there is not the same.
    """

    identifier = "FeedCursor"

    log: Mapped[str] = mapped_column(sa.String(), primary_key=True)
    next_index: Mapped[int] = mapped_column(sa.BigInteger())
    last_hash: Mapped[str] = mapped_column(sa.String(64))


class Fed(Struct, frozen=True, kw_only=True):
    """What a feed has done.

    Attributes:
        log: the journal's name; None of a journal that has not begun.
        first, next: indices of the first entry that came, and of the one that is to come next time.
        orders, events, trades: rows written; one that came in several pieces is counted in each.
    """

    log: str | None
    first: int
    next: int
    orders: int = 0
    events: int = 0
    trades: int = 0


class _Piece(Struct, frozen=True, kw_only=True):
    log: str
    first: int
    next: int
    size: int
    last_hash: str
    rows: Rows


def feed_from(source: Gate | str | None = None, progress: Progress | None = None) -> Fed:
    """Brings the records up to a journal's present end.

    Args:
        source: a running gate, or the URL of its database, which may be served meanwhile; None is the process's own
            gate.
        progress: called with how many entries have come, and how many there are.

    Raises:
        StoreError: the journal or the records cannot be used; the records are ahead of the journal, or another's; or
            another feed of the same journal is under way.
        AuditError: an entry cannot be read by this version.
        WrongLoop: it was called on the gate's own loop; `follow` is for there.
    """
    with _asking(source) as ask:
        feed = _Feed()
        done = None
        while (piece := ask(feed.piece)) is not None:
            _write(piece)
            done = _added(done, piece)
            if progress is not None:
                progress(piece.next, piece.size)
        return done or Fed(log=feed.log, first=feed.next, next=feed.next)


def _added(done: Fed | None, piece: _Piece) -> Fed:
    before = done or Fed(log=piece.log, first=piece.first, next=piece.first)
    rows = piece.rows
    return Fed(
        log=piece.log,
        first=before.first,
        next=piece.next,
        orders=before.orders + len(rows.orders),
        events=before.events + len(rows.events),
        trades=before.trades + len(rows.trades),
    )


async def follow(gate: Gate) -> None:
    """Feeds the records from a gate from now on, as it works; of several nodes one does.

    It is called on the gate's loop. What cannot be written is tried again, ever more slowly, while orders go on.

    Raises:
        StoreError: the journal cannot be used.
    """
    await gate.follow(_Outlet(gate))


class _Outlet:
    """The records as an outlet. What it is given tells it only that there is more: it goes by its own cursor."""

    name = "records"

    def __init__(self, gate: Gate) -> None:
        self._journal, self._feed = gate.journal, _Feed()

    async def deliver(self, _entries: Sequence[Entry]) -> None:
        """Brings the records up to the journal's end; raises what hinders it."""
        while (piece := await self._feed.piece(self._journal)) is not None:
            await asyncio.to_thread(_write, piece)


class _Feed:
    """Reads one journal from where the records are.

    Attributes:
        log: the journal's name, once it is known.
        next: the index of the entry that is to come next.
    """

    def __init__(self) -> None:
        self._recorder: Recorder | None = None
        self.log: str | None = None
        self.next = 0

    async def piece(self, reader: JournalReader) -> _Piece | None:
        """What comes next; None at the end."""
        head = await reader.head()
        if not head.size:
            return None
        if self._recorder is None:
            self._recorder = await self._begun(reader, head)
        log = self.log or ""
        position = await asyncio.to_thread(_position, log)
        self.next = position.next_index
        await _check_same(reader, position, head.size)
        lines = await reader.lines(self.next, _AT_ONCE)
        if not lines:
            return None
        rows = await self._recorder.record([decode(line.data, i) for i, line in enumerate(lines, self.next)])
        end = self.next + len(lines)
        return _Piece(
            log=log,
            first=self.next,
            next=end,
            size=max(head.size, end),
            last_hash=lines[-1].hash.hex(),
            rows=rows,
        )

    async def _begun(self, reader: JournalReader, head: Head) -> Recorder:
        origin = open_signed(head.checkpoint, None, "the last checkpoint").origin
        name = await Naming(reader, origin).name()
        self.log = f"{name.log}/{name.journal}"
        return Recorder(reader, name)


class _Position(Struct, frozen=True):
    next_index: int
    last_hash: str


def _position(log: str) -> _Position:
    with reading() as session:
        found = session.get(FeedCursorTable, log)
        return _Position(0, "") if found is None else _Position(found.next_index, found.last_hash)


async def _check_same(reader: JournalReader, at: _Position, size: int) -> None:
    if not at.next_index:
        return
    if size < at.next_index:
        raise StoreError(
            f"the records have {at.next_index} entries of the journal, which has {size}: it was restored from before; "
            "feed records of their own from it"
        )
    (found,) = await reader.nodes(0, at.next_index - 1, 1)
    if found.hex() != at.last_hash:
        raise StoreError(
            f"entry {at.next_index - 1} is not the one that the records have: it is another journal of the same name; "
            "feed records of their own from it"
        )


def _write(piece: _Piece) -> None:
    """One piece, whole or not at all."""
    rows = piece.rows
    try:
        with writing() as session:
            _move_cursor(session, piece)
            register_identifiers(session, AccountTable, _accounts(rows))
            register_identifiers(session, AssetTable, _assets(rows))
            _register_managers(session, rows.orders)
            _leave_accounts(session, rows.orders)
            _put(session, OrdersTS, rows.orders)
            _put(session, OrderEventsTS, rows.events)
            _put(session, TradesTS, rows.trades)
    except IntegrityError as error:
        raise StoreError(
            f"the records do not take entries {piece.first} to {piece.next - 1}: {error.orig}"
        ) from None


def _move_cursor(session: Session, piece: _Piece) -> None:
    found = session.get(FeedCursorTable, piece.log, with_for_update=True)
    if (0 if found is None else found.next_index) != piece.first:
        raise StoreError(f"another feed of {piece.log} is under way: let one feed")
    if found is None:
        found = FeedCursorTable(log=piece.log)
        session.add(found)
    found.next_index, found.last_hash = piece.next, piece.last_hash
    session.flush()


def _accounts(rows: Rows) -> set[str]:
    return {row.account_identifier for row in rows.orders} | {row.account_identifier for row in rows.trades}


def _assets(rows: Rows) -> set[str]:
    traded = {row.asset_identifier for row in rows.orders} | {row.asset_identifier for row in rows.trades}
    paid = {name for row in rows.trades if (name := row.commission_asset_identifier)}
    return traded | paid | {row.settlement_asset_identifier for row in rows.trades}


def _register_managers(session: Session, orders: Iterable[OrderRow]) -> None:
    """Those that orders name: as of the account and the time of the first of them."""
    named = {order.order_manager_identifier: order for order in reversed([*orders])}
    wanted = {name: order for name, order in named.items() if name}
    if not wanted:
        return
    accounts = {order.account_identifier for order in wanted.values()}
    found = session.execute(
        sa.select(AccountTable.unique_identifier, AccountTable.uid).where(
            AccountTable.unique_identifier.in_(accounts)
        )
    )
    uids = {row.unique_identifier: row.uid for row in found}
    register(
        session,
        OrderManagerTable,
        [
            {
                "uid": new_uid(),
                "unique_identifier": name,
                "target_account_uid": uids[order.account_identifier],
                "target_time": order.order_time,
            }
            for name, order in sorted(wanted.items())
        ],
    )


def _leave_accounts(session: Session, orders: Iterable[OrderRow]) -> None:
    """An order that went on to another broker is in that account alone: what an earlier piece says goes."""
    for order in orders:
        if order.venue_metadata.get("route"):
            elsewhere = OrdersTS.account_identifier != order.account_identifier
            session.execute(
                sa.delete(OrdersTS).where(OrdersTS.order_identifier == order.order_identifier, elsewhere)
            )


def _put(session: Session, storage: type[TimeIndexed], rows: Sequence[Struct]) -> None:
    """Rows as a frame would bring them; times that no frame holds, such as 9999-12-31, are the nearest that it does."""
    written = [asdict(row) for row in rows]
    columns = {}
    for name, kind in kinds_of(storage).items():
        values = [row[name] for row in written]
        columns[name] = normalised(name, kind, [*map(held, values)] if kind is Kind.TIME else values)
    names = list(columns)
    upsert(session, storage, [dict(zip(names, v, strict=True)) for v in zip(*columns.values(), strict=True)])


@contextmanager
def _asking(source: Gate | str | None) -> Iterator[Ask]:
    """How a journal is read from this thread: on its gate's loop, or on a loop beside."""
    if not isinstance(source, str):
        line = Line(source)
        yield lambda work: line.wait(lambda gate: work(gate.journal), _ANSWER_S)
        return
    locate(source)  # refuses what is no URL before anything is begun
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="ordergate-feed", daemon=True)
    thread.start()

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        reader = wait(open_reader(source))
        try:
            yield lambda work: wait(work(reader))
        finally:
            wait(reader.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
