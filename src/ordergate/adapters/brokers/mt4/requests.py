"""The commands of an order: what opens, what works, and in a hedging account what closes. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from ordergate.adapters.brokers.mt4.plans import Step
from ordergate.adapters.brokers.mt4.wire import Row, Symbol, Tick, written
from ordergate.application.ports.brokers import Change, Send
from ordergate.domain.money import ZERO
from ordergate.domain.orders.states import OrderType, Side

_CLOSES: Mapping[Side, str] = {Side.SELL: "buy", Side.COVER: "sell"}
"""What positions a side closes first."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def steps_of(send: Send, lots: Decimal, rows: Iterable[Row]) -> tuple[Step, ...]:
    """How an order at the market is done: closes of what we opened, the oldest first, then an opening of the rest.

    Args:
        rows: the positions that our requests have opened.
    """
    steps, rest = [], lots
    kind = _CLOSES.get(send.side)
    held = [row for row in rows if row.is_open and row.type == kind]
    for row in sorted(held, key=lambda row: (row.open_time, row.ticket)):
        if rest <= ZERO:
            break
        steps.append(Step(ticket=row.ticket, lots=min(rest, row.lots)))
        rest -= steps[-1].lots
    if rest > ZERO:
        steps.append(Step(ticket=0, lots=rest))
    return tuple(steps)


def close_of(step: Step, slippage: int) -> dict[str, Any]:
    """The keys of a `close`."""
    return {"ticket": step.ticket, "lots": written(step.lots), "slippage": slippage}


def open_of(send: Send, theirs: str, lots: Decimal, slippage: int) -> dict[str, Any]:
    """The keys of an `open` at the market."""
    kind = "buy" if send.side.sign > 0 else "sell"
    return {"symbol": theirs, "type": kind, "lots": written(lots), "slippage": slippage, **_levels(send)}


def bounded_of(send: Send, lots: Decimal, symbol: Symbol, tick: Tick) -> dict[str, Any]:
    """The keys of an `open` at the market of a limit order: it trades at its limit or better, or not at all."""
    limit = send.limit_price or ZERO
    room = limit - tick.ask if send.side.sign > 0 else tick.bid - limit
    points = int((room / symbol.point).to_integral_value(ROUND_FLOOR))
    return {**open_of(send, symbol.symbol, lots, max(points, 0)), "worst": written(limit)}


def pending_of(send: Send, theirs: str, lots: Decimal) -> dict[str, Any]:
    """The keys of an `open` of an order that works."""
    side = "buy" if send.side.sign > 0 else "sell"
    stop = send.order_type is OrderType.STOP
    price = send.stop_price if stop else send.limit_price
    expiry = 0 if send.expires_at is None else int((send.expires_at - _EPOCH).total_seconds())
    return {
        "symbol": theirs,
        "type": f"{side}{'stop' if stop else 'limit'}",
        "lots": written(lots),
        "price": written(price or ZERO),
        "expiry": expiry,
        **_levels(send),
    }


def _levels(send: Send) -> dict[str, str]:
    levels = (("sl", send.stop_loss), ("tp", send.take_profit))
    return {name: written(price) for name, price in levels if price is not None}


def modify_of(change: Change, row: Row) -> dict[str, Any]:
    """The keys of a `modify`; what is not given stays."""
    price = change.stop_price if row.type.endswith("stop") else change.limit_price
    return {"ticket": row.ticket, **({} if price is None else {"price": written(price)})}
