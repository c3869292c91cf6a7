"""Making an order of what is wanted at a venue, and saying what became of it; runs on the gate's loop."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from ordergate.adapters.brokers.paper.effects import NO_PRICE
from ordergate.application.entry import Origin
from ordergate.bootstrap import Gate
from ordergate.domain.market import Quote, mid
from ordergate.domain.money import ONE
from ordergate.domain.orders import order as engine
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.states import TERMINAL, State
from ordergate.domain.positions.ledger import BASE_TOKEN
from ordergate.sdk.venues.codes import ErrorCode
from ordergate.sdk.venues.deltas import own_name
from ordergate.sdk.venues.handshakes import ExecutionHandshake, ExecutionHandshakeStatus
from ordergate.sdk.venues.models import Order
from ordergate.sdk.venues.registry import Place

ORIGIN: Final = Origin(source="sdk")
_PAUSE_S: Final = 0.005
_LONGEST_PAUSE_S: Final = 0.05
_FEE: Final = "fee"
_NO_PRICE: Final = frozenset({RiskCode.NO_PRICE, RiskCode.NO_RATE})
UNDONE_BY: Final = "undone_by"
"""In `venue_metadata`: the order that undoes this one."""
_STATUS: Final[Mapping[State, ExecutionHandshakeStatus]] = {
    State.FILLED: ExecutionHandshakeStatus.EXECUTED,
    State.CLOSED: ExecutionHandshakeStatus.EXECUTED,
    State.CANCELED: ExecutionHandshakeStatus.CANCELLED,
    State.REJECTED: ExecutionHandshakeStatus.FAILED,
    State.FAILED: ExecutionHandshakeStatus.FAILED,
    State.EXPIRED: ExecutionHandshakeStatus.FAILED,
}
_fed: Final[WeakKeyDictionary[Gate, dict[tuple[str, str], Quote]]] = WeakKeyDictionary()


def status_of(state: State) -> ExecutionHandshakeStatus:
    """The word for a state; what has not ended is pending."""
    return _STATUS.get(state, ExecutionHandshakeStatus.PENDING)


def feed(gate: Gate, broker: str, symbol: str | None = None) -> None:
    """Lets a paper venue that is not configured have the prices that the gate knows, of a symbol or all."""
    if broker in gate.config.brokers:
        return
    fed, quotes = _fed.setdefault(gate, {}), gate.quotes
    for name in quotes if symbol is None else (symbol,):
        quote = quotes.get(name)
        if quote is not None and fed.get((broker, name)) != quote:
            fed[broker, name] = quote
            gate.venue(broker).set_quote(replace(quote, pinned=False))


async def ended(gate: Gate, order_id: str, timeout_s: float) -> engine.Order:
    """The order, once it is filled or has ended, or after that long as it is then."""
    deadline, pause = gate.loop.time() + timeout_s, _PAUSE_S
    while True:
        order = await gate.queries.order(order_id)
        if order.state in TERMINAL or order.state is State.FILLED or gate.loop.time() >= deadline:
            return order
        await gate.clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


async def handshake_of(
    gate: Gate, wanted: Order, place: Place, order: engine.Order, opposite: engine.Order | None = None
) -> ExecutionHandshake:
    """What became of an order so far; with one that undoes it, what both together have moved and cost."""
    named = [order.order_id] if opposite is None else [order.order_id, opposite.order_id]
    fills = await fills_of(gate, named)
    status, fees = status_of(order.state), _fees(fills)
    price = order.average_price or None
    failed = status is ExecutionHandshakeStatus.FAILED
    fee_currency = next(iter(fees), "USDT")
    instrument = gate.in_force.catalogue(order.symbol)
    size = ONE if instrument is None else instrument.contract_size
    return ExecutionHandshake(
        order=wanted,
        status=status,
        trade_id=order.broker_order_id,
        executed_amount=float(order.filled_quantity * size),
        executed_price=None if price is None else float(price),
        position_deltas=_moved(fills, own_name(wanted, place.broker)),
        fee_amount=fees.get(fee_currency, 0.0),
        fee_currency=fee_currency,
        slippage=_slippage(wanted, order),
        submitted_at=order.submitted_at or order.created_at,
        executed_at=(order.filled_at or order.ended_at) if fills and not failed else None,
        error_code=_code(order) if failed else None,
        error_message=(order.reason or order.reason_code or f"it is {order.state}") if failed else None,
        venue_metadata=_metadata(place, order, named[1:], fills, fees),
        simulated=place.simulated,
        operation_id=wanted.operation_id,
    )


def _code(order: engine.Order) -> ErrorCode:
    lacks_price = order.reason_code in _NO_PRICE or NO_PRICE in (order.reason or "")
    return ErrorCode.NO_PRICE if lacks_price else ErrorCode.EXECUTION


def _moved(fills: list[Fill], venue: str) -> dict[str, float]:
    """What fills have moved, fees apart: by asset at that venue, by position key elsewhere."""
    moved: defaultdict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        for delta in fill.deltas:
            if delta.source != _FEE:
                moved[delta.position_key] += delta.amount
    own = f"{venue}:{BASE_TOKEN}:"
    return {key.removeprefix(own): float(amount) for key, amount in moved.items() if amount}


def _fees(fills: list[Fill]) -> dict[str, float]:
    paid: defaultdict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        if fill.fee and fill.fee_currency is not None:
            paid[fill.fee_currency] += fill.fee
    return {currency: float(fee) for currency, fee in paid.items() if fee}


def _slippage(wanted: Order, order: engine.Order) -> float | None:
    """Executed less expected price: that of the order, else the middle of the market when it was made."""
    if order.average_price is None or not wanted.is_cex_trade():
        return None
    expected = order.limit_price or order.entry_price
    if expected is None and order.arrival_bid is not None and order.arrival_ask is not None:
        expected = mid(order.arrival_bid, order.arrival_ask)
    return None if expected is None else float(order.average_price - expected)


def _metadata(
    place: Place, order: engine.Order, opposite: list[str], fills: list[Fill], fees: dict[str, float]
) -> dict[str, Any]:
    known: dict[str, Any] = {
        "order_id": order.order_id,
        "broker": place.broker,
        "state": str(order.state),
        "fills": [fill.fill_id for fill in fills],
    }
    if order.reason_code is not None:
        known["reason_code"] = order.reason_code
    if opposite:
        known[UNDONE_BY] = opposite[0]
    return known if len(fees) <= 1 else {**known, "fees": fees}


async def fills_of(gate: Gate, order_ids: Sequence[str]) -> list[Fill]:
    """Their executions that count, and those of their slices."""
    slices = await gate.journal.select("orders", {"parent_order_id": tuple(order_ids)})
    named = (*order_ids, *(one.order_id for one in slices if one.slice is not None))
    return [fill for fill in await gate.journal.select("fills", {"order_id": named}) if fill.counts]


async def booked(gate: Gate, metadata: Mapping[str, Any]) -> dict[str, Decimal]:
    """By position key, what the ledger has of the executions that a handshake tells of, fees included."""
    named = [metadata[name] for name in ("order_id", UNDONE_BY) if name in metadata]
    told = frozenset(metadata.get("fills", ()))
    moved: defaultdict[str, Decimal] = defaultdict(Decimal)
    for fill in await fills_of(gate, named) if named else ():
        for delta in fill.deltas if fill.fill_id in told else ():
            moved[delta.position_key] += delta.amount
    return dict(moved)
