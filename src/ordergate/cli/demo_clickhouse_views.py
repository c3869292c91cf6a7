"""Three answers of ClickHouse's, beside those that the book gives: computed here from orders and fills."""

import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import isclose, isnan
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.clickhouse import Answer
from ordergate.adapters.outlets.nats.messages import ORDERS
from ordergate.application.queries import Queries
from ordergate.cli import terminal as t
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import divide, plain, text
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.slippage import arrival_mid
from ordergate.domain.times import format_time

_DAY, _WEEK, _MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=30)
_MOST: Final = 20
_PRICE_PLACES, _PIP_PLACES = 10, 4
_NEAR: Final = 1e-9
_RECENT: Final = (
    "order", "signal", "symbol", "type", "state", "book's", "entry", "fill price", "book's price", "pips",
    "book's pips", "created", "filled",
)  # fmt: skip
_FILLED: Final = "FILLED"


class Book(Struct, frozen=True):
    """All orders, their fills that count, and instruments."""

    orders: Sequence[Order]
    fills: Mapping[str, Sequence[Fill]]
    instruments: Mapping[str, Instrument]

    def since(self, at: datetime) -> list[Order]:
        """Those that were created later, newest first."""
        return sorted((o for o in self.orders if o.created_at > at), key=lambda o: o.created_at, reverse=True)

    def price(self, order: Order) -> Decimal | None:
        """The average of an order's fills."""
        fills = self.fills.get(order.order_id, ())
        quantity = sum((fill.quantity for fill in fills), Decimal(0))
        if not quantity:
            return None
        return divide(
            sum((fill.price * fill.quantity for fill in fills), Decimal(0)), quantity, _PRICE_PLACES
        )

    def pips(self, order: Order) -> Decimal | None:
        """How much worse that was than the mid when it was created."""
        price, middle = self.price(order), arrival_mid(order)
        pip = self.instruments[order.symbol].pip_size
        if price is None or middle is None or pip is None:
            return None
        return divide((price - middle) * order.side.sign, pip, _PIP_PLACES)


async def book_of(queries: Queries) -> Book:
    """What the journal's tables say now."""
    fills: dict[str, list[Fill]] = {}
    for fill in await queries.fills():
        fills.setdefault(fill.order_id, []).append(fill)
    return Book(await queries.orders(), fills, await queries.instruments())


def compare_recent(answer: Answer, book: Book, now: datetime) -> dict[str, Any]:
    """The last orders. Which of several that were created at one moment are among them is not said."""
    known = {order.order_id: order for order in book.orders}
    rows = [_recent(row, known.get(row[0]), book) for row in answer.rows]
    times = [_naive(order.created_at) for order in book.since(now - _DAY)[:_MOST]]
    complete = [row[8] for row in answer.rows] == times and len({row[0] for row in answer.rows}) == len(rows)
    return {"rows": rows, "agrees": complete and all(row["agrees"] for row in rows)}


def _recent(row: Sequence[Any], order: Order | None, book: Book) -> dict[str, Any]:
    order_id, signal_id, symbol, type_, state, entry, price, pips, created, filled = row
    said = {
        "order_id": order_id,
        "signal_id": signal_id,
        "symbol": symbol,
        "order_type": type_,
        "state": state,
        "entry_price": _text(entry),
        "fill_price": _text(price),
        "slippage_pips": _text(pips),
        "created_at": created.isoformat(timespec="microseconds") + "Z",
        "filled_at": None if filled is None else filled.isoformat(timespec="microseconds") + "Z",
    }
    ours: dict[str, Any] = dict.fromkeys(said)
    if order is not None:
        ours = {
            "order_id": order.order_id,
            "signal_id": order.signal_id,
            "symbol": order.symbol,
            "order_type": str(order.order_type),
            "state": str(ORDERS[order.state]),
            "entry_price": _text(order.entry_price),
            "fill_price": _text(book.price(order)),
            "slippage_pips": _text(book.pips(order)),
            "created_at": format_time(order.created_at),
            "filled_at": None if order.filled_at is None else format_time(order.filled_at),
        }
    return {**said, "book": ours, "agrees": said == ours}


def compare_rate(answer: Answer, book: Book, now: datetime) -> dict[str, Any]:
    """How many were filled, rejected, canceled."""
    states = [str(ORDERS[order.state]) for order in book.since(now - _WEEK)]
    counts = [states.count(word) for word in (_FILLED, "REJECTED", "CANCELLED")]
    ours = [*counts, counts[0] * 100.0 / len(states) if states else None]
    said = [_number(one) for one in answer.rows[0]]
    names = ("filled", "rejected", "cancelled", "fill_rate_pct")
    rows = [_beside(name, *pair) for name, *pair in zip(names, said, ours, strict=True)]
    return {"rows": rows, "agrees": all(row["agrees"] for row in rows)}


def compare_slippage(answer: Answer, book: Book, now: datetime) -> dict[str, Any]:
    """By symbol: its average, deviation, and the most."""
    of: dict[str, list[Decimal]] = {}
    for order in book.since(now - _MONTH):
        if str(ORDERS[order.state]) == _FILLED:
            pips = book.pips(order)
            of.setdefault(order.symbol, []).extend([] if pips is None else [pips])
    rows = []
    for symbol, *said in answer.rows:
        for name, theirs, ours in zip(
            ("avg_slippage", "slippage_stddev", "max_slippage"),
            said,
            _measured(of.pop(symbol, [])),
            strict=True,
        ):
            rows.append({"symbol": symbol, **_beside(name, _number(theirs), ours)})
    rows += [{"symbol": symbol, **_beside("missing", None, len(pips))} for symbol, pips in of.items()]
    return {"rows": rows, "agrees": all(row["agrees"] for row in rows)}


def _measured(pips: Sequence[Decimal]) -> tuple[float | None, float | None, float | None]:
    if not pips:
        return None, None, None
    deviation = float(statistics.stdev(pips)) if len(pips) > 1 else None
    return float(statistics.mean(pips)), deviation, float(max(map(abs, pips)))


def _beside(name: str, said: float | None, ours: float | None) -> dict[str, Any]:
    near = said is ours is None or (
        said is not None and ours is not None and isclose(said, ours, rel_tol=_NEAR, abs_tol=_NEAR)
    )
    return {"what": name, "clickhouse": said, "book": ours, "agrees": near}


def _number(value: Any) -> float | None:
    """None for what is none, and for what is no number."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return None
    return value if isinstance(value, int) else float(value)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else text(plain(value))


def _naive(at: datetime) -> datetime:
    return at.replace(tzinfo=None)


def say(found: Mapping[str, Any]) -> None:
    """The three for people."""
    recent = [_recent_row(one) for one in found["recent"]["rows"]]
    t.print_table("ClickHouse, orders of the last day", _RECENT, recent, _RECENT[6:11])
    rate = [
        (one["what"], _short(one["clickhouse"]), _short(one["book"])) for one in found["fill-rate"]["rows"]
    ]
    t.print_table(
        "ClickHouse, fill rate of seven days",
        ("what", "ClickHouse", "book's"),
        rate,
        ("ClickHouse", "book's"),
    )
    slippage = [
        (one["symbol"], one["what"], _short(one["clickhouse"]), _short(one["book"]))
        for one in found["slippage"]["rows"]
        if one["clickhouse"] is not None or one["book"] is not None
    ]
    names = ("symbol", "what", "ClickHouse", "book's")
    t.print_table("ClickHouse, slippage of thirty days in pips", names, slippage, names[2:])


def _recent_row(one: Mapping[str, Any]) -> tuple[Any, ...]:
    ours = one["book"]
    return (
        one["order_id"], one["signal_id"], one["symbol"], one["order_type"], one["state"], ours["state"],
        t.short(one["entry_price"]), t.short(one["fill_price"]), t.short(ours["fill_price"]),
        one["slippage_pips"], ours["slippage_pips"], t.second(one["created_at"]), t.second(one["filled_at"] or ""),
    )  # fmt: skip


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"
