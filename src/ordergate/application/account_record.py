"""Our record of one broker's account, as a comparison needs it: memory, and what is named and in the store alone."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from ordergate.application.entry import Entry
from ordergate.application.ports.journal import RowReader
from ordergate.application.runner import Runner
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.events import (
    FillBusted,
    FillCorrected,
    OrderAdopted,
    OrderEntered,
    OrderEvent,
    OrderFilled,
)
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL
from ordergate.domain.recon.events import PositionAdjusted
from ordergate.domain.recon.holding import HoldingKind
from ordergate.domain.recon.statement import Ours, Statement, named_orders

_MOST_BOOKED: Final = 10_000
"""Executions of this session that are looked for in the broker's record."""
_AT_ONCE: Final = 200
_EXECUTIONS: Final = (OrderFilled, FillCorrected, FillBusted)
_Fills = dict[tuple[str, str], Fill]


class AccountRecord:
    """Follows what is booked at one broker; `reader` is for orders that memory has forgotten."""

    def __init__(self, broker: str, runner: Runner, reader: RowReader) -> None:
        self._broker, self._runner, self._reader = broker, runner, reader
        self._moved: dict[str, float] = {}
        self._began = asyncio.get_running_loop().time()
        orders = runner.engine.state.orders.rows.values()
        self._symbols = {order.order_id: order.symbol for order in orders if order.broker == broker}
        self._booked: deque[tuple[str, str, datetime]] = deque(maxlen=_MOST_BOOKED)

    def follow(self, entries: Sequence[Entry]) -> None:
        """Notes what was booked, and which orders ended: their last fills may still come."""
        for entry in entries:
            event = entry.event
            if isinstance(event, (OrderEntered, OrderAdopted)) and event.order.broker == self._broker:
                self._symbols[event.order_id] = event.order.symbol
            if isinstance(event, OrderEvent) and event.path and event.path[-1] in TERMINAL:
                symbol = self._symbols.pop(event.order_id, None)
                if symbol is not None:
                    self._moved[symbol] = asyncio.get_running_loop().time()
            if isinstance(event, _EXECUTIONS) and event.fill.broker == self._broker:
                self._moved[event.fill.symbol] = asyncio.get_running_loop().time()
                self._booked.append((event.order_id, event.fill.exec_id, event.fill.time))
            elif (
                isinstance(event, PositionAdjusted)
                and event.trade is not None
                and event.broker == self._broker
            ):
                self._moved[event.trade.symbol] = asyncio.get_running_loop().time()

    async def ours(self, asked_after: datetime | None, moved_since: float, theirs: Statement) -> Ours:
        """The record at this moment.

        Args:
            asked_after: the journal's last instant when the broker was asked.
            moved_since: on the loop's clock; what was booked since then may not be in the statement.

        Raises:
            StoreError: the store cannot be read.
        """
        ids, broker_ids = named_orders(theirs)
        orders, fills, elsewhere = await self._read(ids | self._not_there(theirs), broker_ids)
        state = self._runner.engine.state
        for order in state.orders.rows.values():
            if order.broker == self._broker and order.algo is None:  # no broker has a parent
                orders[order.order_id] = order
                fills |= {
                    (fill.order_id, fill.exec_id): fill for fill in state.order_executions(order.order_id)
                }
        totals: dict[HoldingKind, dict[str, Decimal]] = {kind: {} for kind in HoldingKind}
        for row in state.account_holdings.rows.values():
            if row.broker == self._broker:
                totals[row.kind][row.name] = row.quantity
        touched = {symbol for symbol, at in self._moved.items() if at >= moved_since}
        # Also what is folded, and whose commit is under way.
        touched |= {f.symbol for f in fills.values() if asked_after is None or f.booked_at > asked_after}
        return Ours(
            asked_after=asked_after,
            orders=orders,
            fills=fills,
            positions=totals[HoldingKind.POSITION],
            cash=totals[HoldingKind.CASH],
            instruments=self._instruments(theirs),
            touched=frozenset(touched),
            fresh=moved_since < self._began,
            explained=self._explained(),
            elsewhere=elsewhere,
            by_broker_id={o.broker_order_id: i for i, o in orders.items() if o.broker_order_id is not None},
        )

    def _explained(self) -> dict[str, tuple[Decimal | None, Decimal | None]]:
        rows = self._runner.engine.state.breaks.rows.values()
        ended = (row for row in rows if row.broker == self._broker and row.is_watched and not row.is_open)
        return {row.key: (row.ours, row.theirs) for row in ended if row.key is not None}

    def _instruments(self, theirs: Statement) -> dict[str, Instrument]:
        """Those that we have traded, and those that only the broker has."""
        engine = self._runner.engine
        known = dict(engine.state.instruments.rows)
        for symbol in {said.symbol for said in theirs.executions or () if said.symbol is not None}:
            instrument = known.get(symbol) or engine.view.instrument(symbol)
            if instrument is not None:
                known[symbol] = instrument
        return known

    def _not_there(self, theirs: Statement) -> frozenset[str]:
        """The orders of executions that were booked in this session and that the statement should have, but has not."""
        since = theirs.executions_since
        if theirs.executions is None or since is None:
            return frozenset()
        there = {(order_id_of(said.client_id or ""), said.exec_id) for said in theirs.executions}
        booked = (one for one in self._booked if one[2] >= since)
        return frozenset(order_id for order_id, exec_id, _time in booked if (order_id, exec_id) not in there)

    async def _read(
        self, ids: Iterable[str], broker_ids: Iterable[str]
    ) -> tuple[dict[str, Order], _Fills, frozenset[str]]:
        """Orders that memory does not have, with their executions; again, where more are forgotten meanwhile.

        And the ids of those that are another broker's.
        """
        orders: dict[str, Order] = {}
        fills: _Fills = {}
        wanted, looked, others = set(ids), set[str](), set[str]()
        state, broker = self._runner.engine.state, self._broker
        for broker_id in sorted(b for b in broker_ids if (broker, b) not in state.order_by_broker_id):
            found = await self._reader.select("orders", {"broker": broker, "broker_order_id": broker_id})
            wanted |= {order.order_id for order in found}
        while missing := sorted(wanted - state.orders.rows.keys() - looked)[:_AT_ONCE]:
            looked.update(missing)
            rows = await self._reader.get("orders", [(order_id,) for order_id in missing])
            named = {order.order_id: order for order in rows if order.broker == broker}
            orders |= named
            others |= {order.order_id for order in rows} - named.keys()
            for fill in await self._reader.select("fills", {"order_id": tuple(named)}) if named else ():
                fills[fill.order_id, fill.exec_id] = fill
            await asyncio.sleep(0)
        here = (state.orders.get(order_id) for order_id in wanted)
        others |= {order.order_id for order in here if order is not None and order.broker != broker}
        return orders, fills, frozenset(others)

    async def order(self, order_id: str) -> Order | None:
        """One of the account's orders, also one that has ended."""
        known = self._runner.engine.state.orders.get(order_id)
        if known is None:
            found = await self._reader.get("orders", [(order_id,)])
            known = found[0] if found else None
        return known
