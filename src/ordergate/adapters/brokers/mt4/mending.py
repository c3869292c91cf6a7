"""Events that were lost: what they would have told is read from what is open now, and from the terminal's history."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from msgspec.structs import replace

from ordergate.adapters.brokers.mt4.desk import DONE, Desk, NotLeft
from ordergate.adapters.brokers.mt4.session import Behind, Session
from ordergate.adapters.brokers.mt4.wire import Closed, Row, Unreadable, read_as
from ordergate.domain.orders.reports import AnyReport

_AGAIN_S: Final = 1.0
_LASTS_S: Final = 60
_MOST_PAGES: Final = 1_000
_PENDING: Final = ("buylimit", "selllimit", "buystop", "sellstop")
_POSITIONS: Final = ("buy", "sell")
_log = structlog.get_logger("ordergate.brokers.mt4")


async def mend_when_lost(session: Session, desk: Desk) -> None:
    """Never returns: whenever events were lost, tells what they would have."""
    while True:
        await session.lost.wait()
        try:
            async with desk.turn:
                reports = await _read(session, desk)
            session.lost.clear()
            session.tell(reports)
            _log.warning("what the lost events would have told was read", told=len(reports))
        except (Behind, NotLeft, Unreadable) as error:
            _log.warning("lost events are looked for again", why=str(error))
            await asyncio.sleep(_AGAIN_S)


async def _read(session: Session, desk: Desk) -> list[AnyReport]:
    """Raises Behind, NotLeft, and Unreadable."""
    orders = await session.fresh()
    ended = await _history(session, desk)
    rows: dict[int, Row] = {row.ticket: row for row in (*orders.rows, *ended)}
    by_comment = {row.comment: row for row in rows.values()}
    late_s, book, reports = session.book.offset_s or 0, session.book, list[AnyReport]()
    for row in sorted(rows.values(), key=lambda one: one.ticket):
        if (rest := _rest(row, by_comment)) is not None:
            book.commissions.moved(row.ticket, rest.ticket)
        if row.is_open and str(row.ticket) not in book.seen and not _follows(row):
            reports += book.opened(_whole(row, by_comment), late_s)
        elif not row.is_open and not isinstance(row, Closed) and str(row.ticket) not in book.seen:
            reports += book.placed(row)
        if isinstance(row, Closed) and row.is_open and f"{row.ticket}:closed" not in book.seen:
            reports += book.closed(replace(row, left=_whole(row, by_comment).lots - row.lots), late_s)
        elif isinstance(row, Closed) and not row.is_open and f"{row.ticket}:deleted" not in book.seen:
            reports += book.deleted(row)
    return reports


def _follows(row: Row) -> bool:
    """Whether it is what a partial close has left of another ticket."""
    return row.comment.startswith("from #")


def _rest(row: Row, by_comment: Mapping[str, Row]) -> Row | None:
    """What a partial close of a ticket has left."""
    return by_comment.get(f"from #{row.ticket}")


def _whole(row: Row, by_comment: Mapping[str, Row]) -> Row:
    """A ticket as it was opened: with the lots of all that became of it, and their commission."""
    rest = _rest(row, by_comment)
    if rest is None:
        return row
    more = _whole(rest, by_comment)
    return replace(row, lots=row.lots + more.lots, commission=row.commission + more.commission)


async def _history(session: Session, desk: Desk) -> list[Closed]:
    """What has ended, as far back as the terminal's history goes. Raises Behind, NotLeft, and Unreadable."""
    found: list[Closed] = []
    since, after = 0, 0
    for _page in range(_MOST_PAGES):
        result = await desk.once("history", "history", {"since": since, "after": after}, _LASTS_S)
        if result is None or result.state != DONE or not result.complete:
            raise Behind("the terminal has not told its history")
        for said in result.rows:
            if said.get("type") in (*_POSITIONS, *_PENDING):
                found.append(read_as(Closed, {"left": "0", "commission_open": "0", **said}))
        if not result.more or not result.rows:
            return found
        since, after = result.rows[-1]["close_time"], result.rows[-1]["ticket"]
    raise Behind("the terminal's history is too long")
