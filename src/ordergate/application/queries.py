"""Reading: orders, fills with slippage, positions with lots and P&L, as programs and people are shown them.

Shown values are plain mappings: decimals as text, times as ISO 8601 with Z.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from types import UnionType
from typing import Any, Final, get_args

from msgspec import Struct
from msgspec.structs import fields

from ordergate.application.ports.journal import RowReader
from ordergate.domain.errors import Code, NotFound, quoted
from ordergate.domain.instruments import Instrument
from ordergate.domain.market import mid
from ordergate.domain.money import text
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.positions.lots import Lot
from ordergate.domain.positions.position import Position
from ordergate.domain.risk.valuation import Converted, Market, value
from ordergate.domain.slippage import slippage
from ordergate.domain.times import format_time

Shown = dict[str, Any]
MOST_LOTS: Final = 100
"""Of one position, on a page."""
_INNER: Final = ("requests", "request_count", "filled_value", "ratio", "confirmed", "overdue")


class Queries:
    """Reads one store."""

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader

    @property
    def reader(self) -> RowReader:
        """What it reads."""
        return self._reader

    async def order(self, order_id: str) -> Order:
        """One order.

        Raises:
            NotFound: there is none of that name.
        """
        rows = await self._reader.get("orders", [(order_id,)])
        if not rows:
            raise NotFound(Code.ORDER_NOT_FOUND, f"there is no order {quoted(order_id)}", "#/order_id")
        order: Order = rows[0]
        return order

    async def orders(self, **where: Any) -> list[Order]:
        """Orders by equality of columns (None: any), oldest first."""
        rows = await self._reader.select("orders", _given(where))
        return sorted(rows, key=lambda order: (order.created_at, order.order_id))

    async def orders_of_signals(self, signal_id: str | tuple[str, ...]) -> list[Order]:
        """What signals became: no slices of it, which name the signal too."""
        return [order for order in await self.orders(signal_id=signal_id) if order.slice is None]

    async def fills(self, **where: Any) -> list[Fill]:
        """Executions that count, in the order of booking."""
        rows = await self._reader.select("fills", _given(where))
        return sorted((f for f in rows if f.counts), key=lambda f: (f.booked_at, f.fill_id))

    async def shown_fills(self, **where: Any) -> list[Shown]:
        """Fills with their slippage."""
        return await self._show_fills(await self.fills(**where))

    async def page(
        self, table: str, where: Mapping[str, Any], after: tuple[Any, ...] | None, limit: int
    ) -> list[Any]:
        """At most `limit` rows of a table behind a primary key, in the order of the key (None in `where`: any)."""
        given = _given(where) | ({"counts": True} if table == "fills" else {})
        return await self._reader.select(table, given, after=after, limit=limit)

    async def show_page(self, table: str, rows: list[Any], market: Market) -> list[Shown]:
        """Rows of `page`, as programs are shown them."""
        if table == "orders":
            return [show_order(order) for order in rows]
        if table == "fills":
            return await self._show_fills(rows)
        return await self._show_positions(rows, market, MOST_LOTS)

    async def _show_fills(self, fills: list[Fill]) -> list[Shown]:
        ids = tuple(sorted({fill.order_id for fill in fills}))
        orders = (
            {o.order_id: o for o in await self._reader.select("orders", {"order_id": ids})} if ids else {}
        )
        instruments = await self.instruments()
        return [show_fill(fill, orders[fill.order_id], instruments[fill.symbol]) for fill in fills]

    async def shown_positions(self, market: Market, **where: Any) -> list[Shown]:
        """Positions with their open lots, and what they are worth where there is a quote."""
        return await self._show_positions(await self._reader.select("positions", _given(where)), market)

    async def _show_positions(
        self, positions: list[Position], market: Market, most: int | None = None
    ) -> list[Shown]:
        instruments, bases = await self.instruments(), await self.base_currencies()
        shown = []
        for position in positions:
            lots = await self.open_lots(position, None if most is None else most + 1)
            instrument, base = instruments[position.symbol], bases[position.fund_id]
            shown.append(show_position(position, lots[:most], instrument, market, base))
            if most is not None:
                shown[-1]["more_lots"] = len(lots) > most
        return shown

    async def open_lots(self, position: Position, limit: int | None = None) -> list[Lot]:
        """The open lots of a position, oldest first."""
        key = {"fund_id": position.fund_id, "symbol": position.symbol, "closed_at": None}
        closed = (position.fund_id, position.symbol, position.oldest_open - 1)
        return await self._reader.select("lots", key, after=closed, limit=limit)

    async def instruments(self) -> dict[str, Instrument]:
        """Those that the journal knows, by symbol."""
        return {i.symbol: i for i in await self._reader.select("instruments")}

    async def base_currencies(self) -> dict[str, str]:
        """Those of the funds that the journal knows."""
        return {fund.fund_id: fund.base_currency for fund in await self._reader.select("funds")}

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
        return _number(value)
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Struct):
        return show(value)
    if isinstance(value, tuple | list):
        return [shown_value(one) for one in value]
    return value


def _number(value: Decimal) -> str:
    """As `text(plain(value))`, for the price of its characters."""
    written = text(value) if value else "0"
    return written.rstrip("0").rstrip(".") if "." in written else written


def show(row: Struct) -> Shown:
    """A row as programs are shown it."""
    return _show(row, ())


def _show(row: Struct, without: tuple[str, ...]) -> Shown:
    names, values, ways = _ways(type(row), without)
    return {
        name: value if way is None or value is None else way(value)
        for name, value, way in zip(names, values(row), ways, strict=True)
    }


@cache
def _ways(kind: type[Struct], without: tuple[str, ...]) -> tuple[Sequence[str], Any, Sequence[Any]]:
    """The fields to show, how to get their values, and how each is shown (None: as it is)."""
    chosen = [field for field in fields(kind) if field.name not in without]
    names = [field.name for field in chosen]
    values = attrgetter(*names) if len(names) > 1 else lambda row: (getattr(row, names[0]),)
    return names, values, [_way(field.type) for field in chosen]


def _way(hint: Any) -> Callable[[Any], Any] | None:
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kind, *others = [kind for kind in kinds if kind is not type(None)]
    if others or not isinstance(kind, type):
        return shown_value
    if issubclass(kind, Decimal):
        return _number
    if issubclass(kind, datetime):
        return format_time
    return None if issubclass(kind, str | int) else shown_value


def show_order(order: Order) -> Shown:
    """An order, with what follows from its fields; `pending` are requests without an answer."""
    shown = _show(order, _INNER)
    shown["average_price"] = shown_value(order.average_price)
    shown["leaves_quantity"] = shown_value(order.leaves_quantity)
    shown["overdue"] = [f"{one.why}:{one.times}" for one in order.overdue or ()]
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
                     "fee_currency", "time", "broker", "exec_id", "kind", "late", "deltas")
    }  # fmt: skip
    for prefix, benchmark in (("", arrival), ("entry_", order.entry_price), ("limit_", order.limit_price)):
        slip = slippage(fill.side, fill.price, benchmark, instrument.pip_size)
        shown[f"{prefix}slippage_bps"] = shown_value(slip.bps)
        shown[f"{prefix}slippage_pips"] = shown_value(slip.pips)
    return shown


def show_position(
    position: Position, lots: list[Lot], instrument: Instrument, market: Market, base_currency: str
) -> Shown:
    """A position, and what it is worth at the side that closing would take: the bid for a long, the ask for a short."""
    worth = value(position, instrument, market, base_currency)
    return {
        "fund_id": position.fund_id,
        "symbol": position.symbol,
        "quantity": shown_value(position.quantity),
        "unit": instrument.unit,
        "average_price": shown_value(position.average_price(instrument.contract_size)),
        "currency": instrument.currency,
        "cost": shown_value(position.cost),
        "realized_pnl": shown_value(position.realized_pnl),
        "realized_pnl_ytd": shown_value(worth.realized_ytd),
        "unrealized_pnl": shown_value(worth.unrealized),
        "price": shown_value(worth.price),
        "priced_at": shown_value(worth.priced_at),
        "market_value": shown_value(worth.market_value),
        **_converted("usd", worth.in_usd),
        "fund_currency": base_currency,
        **_converted("fund", worth.in_fund),
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


def _converted(name: str, worth: Converted) -> Shown:
    return {
        f"{name}_rate": shown_value(worth.rate),
        f"market_value_{name}": shown_value(worth.market_value),
        f"unrealized_pl_{name}": shown_value(worth.unrealized),
        f"realized_pl_{name}": shown_value(worth.realized),
        f"realized_pl_ytd_{name}": shown_value(worth.realized_ytd),
    }
