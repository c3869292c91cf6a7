"""Reading: orders, fills with slippage, positions with lots and P&L, as programs and people are shown them.

Shown values are plain mappings: decimals as text, times as ISO 8601 with Z.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from ordergate.application.ports.journal import JournalReader
from ordergate.domain.errors import Code, NotFound
from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote, mid
from ordergate.domain.money import ZERO, plain, text
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.positions.lots import Lot
from ordergate.domain.positions.position import Position
from ordergate.domain.slippage import slippage
from ordergate.domain.times import format_time

Shown = dict[str, Any]
_INNER: Final = ("requests", "request_count", "filled_value", "ratio", "confirmed")


class Queries:
    """Reads one store."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader

    async def order(self, order_id: str) -> Order:
        """One order.

        Raises:
            NotFound: there is none of that name.
        """
        rows = await self._reader.get("orders", [(order_id,)])
        if not rows:
            raise NotFound(Code.ORDER_NOT_FOUND, f"there is no order {order_id!r}", "#/order_id")
        order: Order = rows[0]
        return order

    async def orders(self, **where: Any) -> list[Order]:
        """Orders by equality of columns (None: any), oldest first."""
        rows = await self._reader.select("orders", _given(where))
        return sorted(rows, key=lambda order: (order.created_at, order.order_id))

    async def fills(self, **where: Any) -> list[Fill]:
        """Executions that count, in the order of booking."""
        rows = await self._reader.select("fills", _given(where))
        return sorted((f for f in rows if f.counts), key=lambda f: (f.booked_at, f.fill_id))

    async def shown_fills(self, **where: Any) -> list[Shown]:
        """Fills with their slippage."""
        fills = await self.fills(**where)
        ids = tuple(sorted({fill.order_id for fill in fills}))
        orders = (
            {o.order_id: o for o in await self._reader.select("orders", {"order_id": ids})} if ids else {}
        )
        instruments = await self.instruments()
        return [show_fill(fill, orders[fill.order_id], instruments[fill.symbol]) for fill in fills]

    async def shown_positions(self, quotes: Mapping[str, Quote], **where: Any) -> list[Shown]:
        """Positions with their open lots, and unrealised P&L where there is a quote."""
        instruments = await self.instruments()
        shown = []
        for position in await self._reader.select("positions", _given(where)):
            key = {"fund_id": position.fund_id, "symbol": position.symbol, "closed_at": None}
            lots = await self._reader.select("lots", key)
            instrument = instruments[position.symbol]
            shown.append(show_position(position, lots, instrument, quotes.get(position.symbol)))
        return shown

    async def instruments(self) -> dict[str, Instrument]:
        """Those that the journal knows, by symbol."""
        return {i.symbol: i for i in await self._reader.select("instruments")}

    async def refusals(self) -> list[Shown]:
        """Signals that became no order."""
        return [show(row) for row in await self._reader.select("refusals")]

    async def breaks(self) -> list[Shown]:
        """What does not fit."""
        return [show(row) for row in await self._reader.select("breaks")]


def _given(where: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in where.items() if value is not None}


def shown_value(value: Any) -> Any:
    """A value as programs are shown it."""
    if isinstance(value, Decimal):
        return text(plain(value))
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Struct):
        return show(value)
    if isinstance(value, tuple | list):
        return [shown_value(one) for one in value]
    return value


def show(row: Struct) -> Shown:
    """A row as programs are shown it."""
    return {name: shown_value(value) for name, value in asdict(row).items()}


def show_order(order: Order) -> Shown:
    """An order, with what follows from its fields; `pending` are requests without an answer."""
    shown = {name: value for name, value in show(order).items() if name not in _INNER}
    shown["average_price"] = shown_value(order.average_price)
    shown["leaves_quantity"] = shown_value(order.leaves_quantity)
    shown["pending"] = [f"{request.kind}:{request.phase}" for request in order.requests]
    return shown


def show_fill(fill: Fill, order: Order, instrument: Instrument) -> Shown:
    """A fill with its slippage against arrival mid, the signal's entry price, and the limit."""
    arrival = None
    if order.arrival_bid is not None and order.arrival_ask is not None:
        arrival = mid(order.arrival_bid, order.arrival_ask)
    shown = {
        name: shown_value(getattr(fill, name))
        for name in ("fill_id", "order_id", "fund_id", "symbol", "side", "quantity", "price", "fee",
                     "fee_currency", "time", "broker", "exec_id", "kind", "late")
    }  # fmt: skip
    for prefix, benchmark in (("", arrival), ("entry_", order.entry_price), ("limit_", order.limit_price)):
        slip = slippage(fill.side, fill.price, benchmark, instrument.pip_size)
        shown[f"{prefix}slippage_bps"] = shown_value(slip.bps)
        shown[f"{prefix}slippage_pips"] = shown_value(slip.pips)
    return shown


def show_position(position: Position, lots: list[Lot], instrument: Instrument, quote: Quote | None) -> Shown:
    """A position; unrealised P&L at the side that closing would take: the bid for a long, the ask for a short."""
    unrealized = None
    if not position.quantity:
        unrealized = ZERO
    elif quote is not None:
        price = quote.bid if position.quantity > 0 else quote.ask
        unrealized = position.quantity * price * instrument.contract_size - position.cost
    return {
        "fund_id": position.fund_id,
        "symbol": position.symbol,
        "quantity": shown_value(position.quantity),
        "unit": instrument.unit,
        "average_price": shown_value(position.average_price(instrument.contract_size)),
        "currency": instrument.currency,
        "cost": shown_value(position.cost),
        "realized_pnl": shown_value(position.realized_pnl),
        "unrealized_pnl": shown_value(unrealized),
        "fees": {currency: shown_value(fee) for currency, fee in position.fees},
        "updated_at": shown_value(position.updated_at),
        "lots": [
            {
                "lot_id": lot.lot_id,
                "opened_at": shown_value(lot.opened_at),
                "quantity": shown_value(lot.quantity),
                "remaining": shown_value(lot.remaining),
                "price": shown_value(lot.price),
            }
            for lot in lots
        ],
    }
