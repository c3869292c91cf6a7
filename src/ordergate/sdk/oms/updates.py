"""What happens to a fund's orders, as the journal tells it."""

import asyncio
from collections.abc import Sequence
from typing import Final
from weakref import WeakKeyDictionary

from ordergate.application.entry import Entry, decode, kind_of
from ordergate.bootstrap import Gate
from ordergate.domain.orders.events import OrderEvent
from ordergate.sdk.oms.records import Order, OrderUpdate

_AT_ONCE: Final = 500


class _News:
    """Wakes those who wait for the next entries of one gate; lives on its loop."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()

    def committed(self, _entries: Sequence[Entry]) -> None:
        """A listener of the runner."""
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    def next(self) -> asyncio.Event:
        """Set by the next commit."""
        return self._arrived


_news: Final[WeakKeyDictionary[Gate, _News]] = WeakKeyDictionary()


def _news_of(gate: Gate) -> _News:
    news = _news.get(gate)
    if news is None:
        news = _news[gate] = _News()
        gate.runner.listen(news.committed)
    return news


async def end_of(gate: Gate) -> int:
    """The index of the last entry."""
    return (await gate.journal.head()).size - 1


async def updates_after(gate: Gate, fund_id: str, after: int) -> tuple[list[OrderUpdate], int]:
    """The next updates of a fund behind an index, and how far was looked. Waits for the first entry."""
    entries, place = await entries_after(gate, after)
    return await _updates(gate, fund_id, entries), place


async def entries_after(gate: Gate, after: int) -> tuple[list[Entry], int]:
    """The next entries behind an index, and the last one's. Waits for the first."""
    news = _news_of(gate)
    while True:
        arrived = news.next()
        lines = await gate.journal.lines(after + 1, _AT_ONCE)
        if lines:
            entries = [decode(line.data, index) for index, line in enumerate(lines, after + 1)]
            return entries, after + len(lines)
        await arrived.wait()


async def _updates(gate: Gate, fund_id: str, entries: list[Entry]) -> list[OrderUpdate]:
    ids = tuple(sorted({e.order_id for e in entries if isinstance(e.event, OrderEvent) and e.order_id}))
    rows = await gate.journal.get("orders", [(order_id,) for order_id in ids])
    orders = {row.order_id: Order.of(row) for row in rows if row.fund_id == fund_id}
    return [
        OrderUpdate(
            index=entry.index,
            time=entry.time,
            kind=kind_of(entry.event),
            path=entry.event.path,
            order=orders[entry.event.order_id],
        )
        for entry in entries
        if isinstance(entry.event, OrderEvent) and entry.event.order_id in orders
    ]
