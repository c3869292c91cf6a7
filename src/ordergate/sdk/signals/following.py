"""Hearing of fills as the journal tells them, whoever brought them."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog
from msgspec import Struct

from ordergate.application.entry import Entry
from ordergate.bootstrap import Gate
from ordergate.domain.errors import Code, Invalid, quoted
from ordergate.domain.market import mid
from ordergate.domain.orders.events import OrderFilled
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.sdk.line import Line
from ordergate.sdk.oms.updates import end_of, entries_after

FillEvent = dict[str, Any]
_ANY: Final = ("*", ">")
_THE_BROKER: Final = "mt5"
_log = structlog.get_logger("ordergate.sdk.signals")


class _Wanted(Struct, frozen=True):
    """Which fills: None is any."""

    broker: str | None
    symbol: str | None

    def has(self, fill: Fill) -> bool:
        """Whether that is one."""
        return self.broker in (None, fill.broker) and self.symbol in (None, fill.symbol)


class FillSubscription:
    """Fills on their way to a callback, until `close`."""

    def __init__(self, line: Line, wanted: _Wanted, after: int, callback: Callable[[FillEvent], Any]) -> None:
        self._line, self._wanted, self._callback = line, wanted, callback
        self._task = asyncio.get_running_loop().create_task(self._run(after))
        self._task.add_done_callback(_ended)

    async def close(self) -> None:
        """Hears no more; a callback that is at work is cancelled, at its next await where it is what closes."""
        self._task.cancel()
        if asyncio.current_task() is not self._task:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, after: int) -> None:
        while True:
            told, after = await self._line.read(partial(_fills_after, wanted=self._wanted, after=after))
            for event in told:
                try:
                    await self._callback(event)
                except Exception:
                    _log.exception("a fill was not taken by its callback", order=event["order_id"])


def _ended(task: "asyncio.Task[None]") -> None:
    failure = None if task.cancelled() else task.exception()
    if failure is not None:
        _log.error("fills are followed no more", exc_info=failure)


async def subscribe_fills(
    pattern: str, callback: Callable[[FillEvent], Awaitable[Any]], gate: Gate | None = None
) -> FillSubscription:
    """Calls back for every fill that is booked from now on, one after the other, on the caller's loop.

    An event has `order_id`, `exec_id`, `fill_price`, `fill_quantity`, `timestamp` (the broker's), `expected_price`
    (the signal's entry price, else the mid when the order was created, else its limit; None without any), `side`,
    `symbol`, `signal_id` and `broker`. It is booked already: to process it again changes nothing. A callback that
    raises is logged, and the next fill comes all the same.

    Args:
        pattern: `BROKER.fills.SYMBOL`; `*` (or `>`) is any broker, or any symbol. Where no broker is called `mt5`, that
            name means the broker of the fund of signals.
        gate: None takes the process's own.

    Raises:
        Invalid: no such pattern, or no such broker.
    """
    line = Line(gate)
    wanted, after = await line.read(partial(_begin, pattern=pattern))
    return FillSubscription(line, wanted, after, callback)


async def _begin(gate: Gate, pattern: str) -> tuple[_Wanted, int]:
    parts = pattern.split(".", 2)
    if len(parts) != 3 or parts[1] != "fills" or not all(parts):
        detail = f"{quoted(pattern)} is no pattern of fills: write BROKER.fills.SYMBOL, such as paper.fills.*"
        raise Invalid(Code.BAD_VALUE, detail, "#/pattern")
    broker, _fills, symbol = parts
    named = None if broker in _ANY else _broker(gate, broker)
    return _Wanted(named, None if symbol in _ANY else symbol), await end_of(gate)


def _broker(gate: Gate, name: str) -> str:
    if name in gate.brokers:
        return name
    if name == _THE_BROKER:
        return broker_of_signals(gate)
    known = ", ".join(gate.brokers)
    raise Invalid(Code.UNKNOWN_BROKER, f"{quoted(name)} is no broker; there are {known}", "#/pattern")


def broker_of_signals(gate: Gate) -> str:
    """The broker of the fund that signals are for."""
    return gate.runner.engine.state.funds.rows[gate.config.signals.fund].broker


async def _fills_after(gate: Gate, wanted: _Wanted, after: int) -> tuple[list[FillEvent], int]:
    entries, place = await entries_after(gate, after)
    fills = [fill for entry in entries if (fill := _fill(entry)) is not None and wanted.has(fill)]
    ids = sorted({fill.order_id for fill in fills})
    rows = await gate.journal.get("orders", [(order_id,) for order_id in ids]) if ids else []
    orders = {row.order_id: row for row in rows}
    return [_event(fill, orders[fill.order_id]) for fill in fills], place


def _fill(entry: Entry) -> Fill | None:
    return entry.event.fill if isinstance(entry.event, OrderFilled) else None


def _event(fill: Fill, order: Order) -> FillEvent:
    return {
        "order_id": order.order_id,
        "exec_id": fill.exec_id,
        "fill_price": fill.price,
        "fill_quantity": fill.quantity,
        "timestamp": fill.time,
        "expected_price": _expected(order),
        "side": fill.side.value,
        "symbol": fill.symbol,
        "signal_id": order.signal_id,
        "broker": fill.broker,
    }


def _expected(order: Order) -> Any:
    if order.entry_price is not None:
        return order.entry_price
    if order.arrival_bid is not None and order.arrival_ask is not None:
        return mid(order.arrival_bid, order.arrival_ask)
    return order.limit_price
