"""What a journal says of orders, what happened to them, and trades, as rows for tables of observed facts.

An order is one row, written again whenever something of it changes. What happened is a row for each state that it
came to and for whatever else an entry says of it. A trade is a row for each execution that a broker has reported;
where a bust or correction speaks for it now, its quantity, commission and cost are 0, so that sums are right, and
what had been reported stands in the row's metadata.

Rows follow from entries alone, so that the same entries give the same rows, whenever and in whatever pieces they are
read; but for what an instrument's unit and currency are, which are as they stand now.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from ordergate.application.archiving import as_archived
from ordergate.application.audit.story import transitions
from ordergate.application.entry import Entry, decode
from ordergate.application.naming import LogName
from ordergate.application.ports.journal import JournalReader
from ordergate.application.steps import fill_of
from ordergate.application.telling import Teller, Told
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import ZERO
from ordergate.domain.orders.events import FillBusted, FillCorrected, OrderFilled
from ordergate.domain.orders.executions import Fill, supersede
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, ExecutionKind, State

_MOST: Final = 10_000

STATUSES: Final[Mapping[State, str]] = {
    State.CREATED: "not_placed",
    State.PENDING_RISK: "not_placed",
    State.ACCEPTED: "not_placed",
    State.SUBMITTED: "live",
    State.PARTIALLY_FILLED: "partially_filled",
    State.FILLED: "filled",
    State.CLOSED: "filled",
    State.CANCELED: "canceled",
    State.REJECTED: "not_placed",  # it never worked; the metadata's state tells it from what is yet to be placed
    State.EXPIRED: "canceled",  # the rest works no more, what was filled stays
    State.FAILED: "canceled",  # likewise
}
"""A word for each state; ordergate's own stands in the metadata."""


class OrderRow(Struct, frozen=True, gc=False, kw_only=True):
    """An order as it was last seen.

    Attributes:
        order_time: when it was created: every order was, and that never changes.
        account_identifier: the broker's name, which is the account there; the fund stands in the metadata.
        client_order_id: what the broker knows our last accepted request by.
        venue_metadata: the whole order, decimals as text.
    """

    order_time: datetime
    order_identifier: str
    account_identifier: str
    order_manager_identifier: str | None
    asset_identifier: str
    order_remote_id: str | None
    client_order_id: str | None
    order_type: str
    order_side: int
    quantity: Decimal
    status: str
    filled_quantity: Decimal
    filled_price: Decimal | None
    expires_time: datetime | None
    limit_price: Decimal | None
    time_in_force: str
    comments: str | None
    venue_metadata: dict[str, Any]


class EventRow(Struct, frozen=True, gc=False, kw_only=True):
    """Something that happened to an order.

    Attributes:
        event_metadata: the entry, from which state to which, who did it, and the payload from outside as it came.
    """

    event_time: datetime
    order_identifier: str
    order_status: str
    event_metadata: dict[str, Any]


class TradeRow(Struct, frozen=True, gc=False, kw_only=True):
    """An execution.

    Attributes:
        trade_time: the broker's.
        settlement_cost: quantity x price x contract size, without the commission, in the settlement asset.
        venue_metadata: the execution as reported, decimals as text; `counts` is there, and false, where another
            speaks for it.
    """

    trade_time: datetime
    trade_identifier: str
    account_identifier: str
    order_identifier: str
    asset_identifier: str
    trade_side: int
    quantity: Decimal
    price: Decimal
    commission: Decimal
    commission_asset_identifier: str | None
    settlement_cost: Decimal
    settlement_asset_identifier: str
    comments: str | None
    venue_metadata: dict[str, Any]


class Rows(Struct, frozen=True):
    """What entries come to; of an order or a trade there is one row, the last."""

    orders: Sequence[OrderRow]
    events: Sequence[EventRow]
    trades: Sequence[TradeRow]


class Recorder:
    """Makes the rows of one journal; a reader of its own each."""

    def __init__(self, reader: JournalReader, name: LogName) -> None:
        self._reader, self._log = reader, f"{name.log}/{name.journal}"
        self._teller = Teller(reader)
        self._executions: dict[str, dict[str, Fill]] = {}
        self._instruments: dict[str, Instrument] = {}
        self._next = 0

    async def record(self, entries: Sequence[Entry]) -> Rows:
        """The rows of entries, consecutive; also of such as were recorded before.

        Raises:
            StoreError: the journal cannot be read.
            AuditError: an entry cannot be read by this version.
        """
        if entries and entries[0].index != self._next:
            self._executions.clear()
        self._next = -1
        orders: dict[str, OrderRow] = {}
        events: list[EventRow] = []
        trades: dict[str, TradeRow] = {}
        for told in await self._teller.tell(entries):
            if told.order is None:
                continue
            row = order_row(told.order, self._log, told.entry.index)
            orders[row.order_identifier] = row
            events += event_rows(told, self._log, await self._payload(told.entry))
            for fill in await self._changed(told, told.order):
                instrument = await self._instrument(fill.symbol)
                trade = trade_row(fill, instrument, self._log, told.entry.index)
                trades[trade.trade_identifier] = trade
        if entries:
            self._next = entries[-1].index + 1
        return Rows(list(orders.values()), events, list(trades.values()))

    async def _payload(self, entry: Entry) -> str | None:
        if entry.raw_sha256 is None:
            return entry.raw
        kept = await self._reader.payload(entry.raw_sha256)
        return None if kept is None else kept.decode(errors="replace")

    async def _instrument(self, symbol: str) -> Instrument:
        known = self._instruments.get(symbol)
        if known is None:
            (known,) = await self._reader.get("instruments", [(symbol,)])
            self._instruments[symbol] = known
        return known

    async def _changed(self, told: Told, order: Order) -> list[Fill]:
        """The executions that the entry brings, or speaks for."""
        if told.before is None:
            self._begin(order.order_id)
        fill = fill_of(told)
        changed: tuple[Fill, ...] = ()
        if fill is not None:
            known = await self._known(fill.order_id, told.entry.index)
            changed = supersede(fill, known)
            known.update((row.exec_id, row) for row in changed)
        if order.state in TERMINAL:
            self._executions.pop(order.order_id, None)
        return [row for row in changed if not row.awaited]

    def _begin(self, order_id: str) -> None:
        if len(self._executions) >= _MOST:
            self._executions.clear()
        self._executions[order_id] = {}

    async def _known(self, order_id: str, end: int) -> dict[str, Fill]:
        """The order's executions before entry `end`, by their ids."""
        if order_id not in self._executions:
            self._begin(order_id)
            known = self._executions[order_id]
            for index in await self._reader.indices(order_id):
                if index >= end:
                    break
                for line in await self._reader.lines(index, 1):
                    event = decode(line.data, index).event
                    if isinstance(event, OrderFilled | FillCorrected | FillBusted):
                        known.update((row.exec_id, row) for row in supersede(event.fill, known))
        return self._executions[order_id]


def order_row(order: Order, log: str, index: int) -> OrderRow:
    """An order's row, as entry `index` left it."""
    return OrderRow(
        order_time=order.created_at,
        order_identifier=order.order_id,
        account_identifier=order.broker,
        order_manager_identifier=order.order_manager,
        asset_identifier=order.symbol,
        order_remote_id=_storable(order.broker_order_id),
        client_order_id=_storable(order.client_id),
        order_type=str(order.order_type),
        order_side=order.side.sign,
        quantity=order.quantity,
        status=STATUSES[order.state],
        filled_quantity=order.filled_quantity,
        filled_price=order.average_price,
        expires_time=order.expires_at,
        limit_price=order.limit_price,
        time_in_force=str(order.tif),
        comments=_storable(order.thesis),
        venue_metadata=_document(log, index, msgspec.to_builtins(as_archived(order))),
    )


def event_rows(told: Told, log: str, payload: str | None) -> list[EventRow]:
    """What an entry says of its order, one row a state; the first has the payload."""
    entry = told.entry
    rows: list[EventRow] = []
    for step in transitions(entry, told.before):
        state = step.to_state
        if state is None or entry.order_id is None:
            continue
        said = {
            "event": step.kind,
            "from": step.from_state,
            "to": state,
            "actor": step.actor,
            "principal": step.principal,
            "source": step.source,
            "request": entry.request,
            "broker": entry.broker,
            "detail": step.detail or None,
            "raw": None if rows else payload,
            "raw_sha256": None if rows else entry.raw_sha256,
        }
        rows.append(
            EventRow(
                event_time=step.time,
                order_identifier=entry.order_id,
                order_status=STATUSES[state],
                event_metadata=_document(log, entry.index, said),
            )
        )
    return rows


def trade_row(fill: Fill, instrument: Instrument, log: str, index: int) -> TradeRow:
    """An execution's row, as entry `index` left it."""
    quantity, fee = (fill.quantity, fill.fee) if fill.counts else (ZERO, ZERO)
    return TradeRow(
        trade_time=fill.time,
        trade_identifier=_storable(fill.fill_id),
        account_identifier=fill.broker,
        order_identifier=fill.order_id,
        asset_identifier=fill.symbol,
        trade_side=fill.side.sign,
        quantity=quantity,
        price=fill.price,
        commission=fee,
        commission_asset_identifier=_storable(fill.fee_currency),
        settlement_cost=quantity * fill.price * instrument.contract_size,
        settlement_asset_identifier=instrument.currency,
        comments=_storable(_comments(fill)),
        venue_metadata=_document(log, index, msgspec.to_builtins(fill)),
    )


_WORDS: Final = {ExecutionKind.BUST: "bust of", ExecutionKind.CORRECT: "correction of"}


def _comments(fill: Fill) -> str | None:
    """What is not as with any other trade."""
    said = [] if fill.refers_to is None else [f"{_WORDS.get(fill.kind, 'refers to')} {fill.refers_to}"]
    said += [] if fill.superseded_by is None else [f"superseded by {fill.superseded_by}"]
    said += ["after the order's end"] if fill.late else []
    return "; ".join(said) or None


def _document(log: str, index: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """As it is kept: without what is not there."""
    kept = {name: _storable(value) for name, value in said.items() if value is not None}
    return {"log": log, "index": index, **kept}


def _storable(value: Any) -> Any:
    """Without the character that PostgreSQL holds in no text; whatever comes from outside may have it."""
    if isinstance(value, str):
        return value.replace("\0", "\\u0000")
    if isinstance(value, dict):
        return {_storable(name): _storable(one) for name, one in value.items()}
    return [_storable(one) for one in value] if isinstance(value, list | tuple) else value
