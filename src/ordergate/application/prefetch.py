"""Reading back what a batch of inputs names and memory has forgotten: keys, finished orders, flat positions."""

from collections.abc import Iterable
from typing import Any, Final

from ordergate.application.engine import Input
from ordergate.application.ports.journal import RowReader
from ordergate.application.view import View
from ordergate.domain.algos.commands import WorkParent
from ordergate.domain.book import Book, Table
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.moving import TakePart
from ordergate.domain.orders import commands as c
from ordergate.domain.orders.reports import Executed, Report
from ordergate.domain.recon.commands import AdjustBreak, AssignBreak, ResolveBreak
from ordergate.domain.risk.commands import AnswerGate, AskOverride, GrantOverride
from ordergate.domain.signals import SubmitSignal

_OF_ORDERS: Final = (
    c.SubmitCreated, WorkParent, c.CancelOrder, c.ReplaceOrder, c.Release, c.AdoptOrder, AnswerGate, AskOverride,
    GrantOverride,
)  # fmt: skip
Loaded = list[tuple[Table[Any], Any]]


async def prefetch(
    inputs: Iterable[Input], state: Book, view: View, reader: RowReader, loaded: Loaded
) -> None:
    """Loads the rows, and adds which to `loaded`, so that they can be released after the batch."""
    inputs = list(inputs)
    order_ids = {i for given in inputs for i in _named_orders(given)}
    order_ids |= await _keys(inputs, state, view, reader, loaded)
    await _orders(order_ids, state, reader, loaded)
    await _orders_by_broker_id(inputs, state, reader, loaded)
    await _parents(state, reader, loaded)
    await _breaks(inputs, state, reader, loaded)
    await _positions(inputs, state, reader, loaded)


def _named_orders(given: Input) -> Iterable[str]:
    if isinstance(given, Report):
        named = given.client_id, given.closes if isinstance(given, Executed) else None
        return tuple(order_id_of(client_id) for client_id in named if client_id is not None)
    if isinstance(given, _OF_ORDERS):
        return (given.order_id,)
    if isinstance(given, c.SubmitOrder) and given.order_id is not None:
        return (given.order_id,)
    return ()


async def _keys(inputs: list[Input], state: Book, view: View, reader: RowReader, loaded: Loaded) -> set[str]:
    wanted = [key for given in inputs if (key := _key(given, view)) is not None]
    rows = await reader.get("keys", wanted) if wanted else []
    for row in rows:
        state.keys.load(row)
        loaded.append((state.keys, state.keys.key(row)))
    return {row.order_id for row in rows}


def _key(given: Input, view: View) -> tuple[str, str, str] | None:
    if isinstance(given, c.SubmitOrder):
        return given.fund_id, given.key_kind, given.key
    if isinstance(given, SubmitSignal):
        return given.signal.fund_id or view.signals.fund, *view.signals.key_of(given.signal)
    return None


async def _orders(order_ids: set[str], state: Book, reader: RowReader, loaded: Loaded) -> None:
    missing = [(order_id,) for order_id in sorted(order_ids) if state.orders.get(order_id) is None]
    if missing:
        await _load(await reader.get("orders", missing), state, reader, loaded)


async def _load(orders: list[Any], state: Book, reader: RowReader, loaded: Loaded) -> None:
    if not orders:
        return
    fills = await reader.select("fills", {"order_id": tuple(order.order_id for order in orders)})
    for order in orders:
        state.load_order(order, [fill for fill in fills if fill.order_id == order.order_id])
        loaded.append((state.orders, order.order_id))


async def _orders_by_broker_id(inputs: list[Input], state: Book, reader: RowReader, loaded: Loaded) -> None:
    for given in inputs:
        named = isinstance(given, c.AdoptOrder) or (isinstance(given, Report) and given.client_id is None)
        key = (getattr(given, "broker", ""), getattr(given, "broker_order_id", None))
        if not named or key[1] is None or key in state.order_by_broker_id:
            continue
        found = await reader.select("orders", {"broker": key[0], "broker_order_id": key[1]})
        await _load(found, state, reader, loaded)


async def _parents(state: Book, reader: RowReader, loaded: Loaded) -> None:
    """Those of children that were read back: what still happens to one counts for its parent."""
    read = (state.orders.rows[key] for table, key in loaded if table is state.orders)
    parents = {order.parent_order_id for order in read if order.slice is not None}
    await _orders({parent for parent in parents if parent is not None}, state, reader, loaded)


async def _breaks(inputs: list[Input], state: Book, reader: RowReader, loaded: Loaded) -> None:
    named = {
        given.break_id for given in inputs if isinstance(given, (AdjustBreak, AssignBreak, ResolveBreak))
    }
    missing = [(break_id,) for break_id in sorted(named - state.breaks.rows.keys())]
    for row in await reader.get("breaks", missing) if missing else []:
        state.breaks.load(row)
        loaded.append((state.breaks, row.break_id))


def _adjusted(inputs: list[Input], state: Book) -> Iterable[tuple[str, str]]:
    """The positions that adjustments may be booked into."""
    for given in inputs:
        item = state.breaks.get(given.break_id) if isinstance(given, AdjustBreak) else None
        if item is not None and item.symbol is not None:
            for fund_id in state.funds.rows:
                yield fund_id, item.symbol


async def _positions(inputs: list[Input], state: Book, reader: RowReader, loaded: Loaded) -> None:
    # The broker's id may be another order's by the time a fill is stepped that it names: see what stands beside.
    by_broker_id = {
        (said.broker, said.broker_order_id): order_id_of(said.client_id)
        for said in inputs
        if isinstance(said, Report) and said.client_id is not None and said.broker_order_id is not None
    }
    wanted = set()
    for said in inputs:
        if not isinstance(said, Executed):
            continue
        known_as = (said.broker, said.broker_order_id or "")
        closes = None if said.closes is None else order_id_of(said.closes)
        named = (
            (order_id_of(said.client_id),)
            if said.client_id is not None
            else (state.order_by_broker_id.get(known_as), by_broker_id.get(known_as), closes)
        )
        orders = (state.orders.get(order_id) for order_id in named if order_id is not None)
        wanted |= {(order.fund_id, order.symbol) for order in orders if order is not None}
    parts = (given.left for given in inputs if isinstance(given, TakePart))
    wanted |= {(left.fund_id, holding.position.symbol) for left in parts for holding in left.holdings}
    wanted.update(_adjusted(inputs, state))
    missing = sorted(key for key in wanted if state.positions.get(key) is None)
    for row in await reader.get("positions", missing) if missing else []:
        state.positions.load(row)
        loaded.append((state.positions, state.positions.key(row)))
