"""What placing, watching and closing mean to the engine; runs on the gate's loop."""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from ordergate.application.entry import Origin
from ordergate.bootstrap import Gate
from ordergate.domain.errors import Code, Conflict, Invalid, Refused
from ordergate.domain.money import ZERO, exact
from ordergate.domain.orders.commands import CancelOrder, SubmitOrder, parse_choice, parse_order
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import INSUFFICIENT_MARGIN
from ordergate.domain.orders.states import (
    TERMINAL,
    UNSENT,
    WORKING,
    OrderType,
    RequestKind,
    Side,
    State,
    TimeInForce,
)
from ordergate.sdk.trading.models import (
    OrderModel,
    OrderResult,
    OrderState,
    OrderStatus,
    RiskPolicyViolation,
    state_of,
)

CLOSING: Final = "close_order"
"""The kind of the closing order's key: the order that it closes."""
RETRY: Final = "retry_of"
"""The kind of the second attempt's key: the order that was rejected."""
_ORIGIN: Final = Origin(source="sdk")
_PAUSE_S: Final = 0.01
_PRICES: Final = ("limit_price", "stop_price", "entry_price", "stop_loss", "take_profit")
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_OPPOSITE: Final = {
    Side.BUY: Side.SELL,
    Side.SELL: Side.BUY,
    Side.SHORT: Side.COVER,
    Side.COVER: Side.SHORT,
}


def command_of(order: OrderModel, fund_id: str, broker: str | None) -> SubmitOrder:
    """The order as the engine takes it.

    Raises:
        Invalid: naming the field, its value and what would be right.
    """
    side = _SIDES.get(order.direction.upper())
    if side is None:
        raise Invalid(Code.BAD_VALUE, f"{order.direction!r} is neither BUY nor SELL", "#/direction")
    key = order.signal_id or order.client_id
    if key is None:
        raise Invalid(
            Code.MISSING, "is missing: without it a repetition would be another order", "#/signal_id"
        )
    volume = exact(order.volume, "#/volume")
    if volume <= 0:
        raise Invalid(Code.NOT_POSITIVE, f"{volume} must be above zero", "#/volume")
    command = parse_order(
        {
            "fund_id": fund_id,
            "symbol": order.symbol,
            "side": side,
            "quantity": volume,
            "order_type": order.order_type,
            "idempotency_key": str(key),
            "tif": parse_choice(TimeInForce, order.time_in_force, "#/time_in_force"),
            "expires_at": order.expires_at,
            "strategy_id": order.strategy_id,
            "order_manager": order.order_manager,
            "broker": broker,
            "signal_id": None if order.signal_id is None else str(order.signal_id),
            **{name: _price(order, name) for name in _PRICES},
        }
    )
    return command if order.signal_id is None else replace(command, key_kind="signal_id")


def _price(order: OrderModel, name: str) -> Decimal | None:
    value = getattr(order, name)
    return None if value is None else exact(value, f"#/{name}")


async def place(gate: Gate, command: SubmitOrder, timeout_s: float, *, retry: bool) -> OrderResult:
    """Makes an order and waits until its broker has answered, or for that long.

    Args:
        retry: an order that its broker rejects is made once more, as a new order that names it in `retry_of`.

    Raises:
        RiskPolicyViolation: the risk gate refuses it, or its broker has not margin enough; the order is REJECTED
            and was not sent.
    """
    made = await gate.execute(command, _ORIGIN)
    order = await gate.answered(made.order.order_id, timeout_s)
    no_margin = (order.reason or "").startswith(INSUFFICIENT_MARGIN)
    if order.state is State.REJECTED and (order.submitted_at is None or no_margin):
        detail = order.reason or "the risk gate refused the order"
        raise RiskPolicyViolation(detail, order.reason_code, order.order_id)
    if retry and order.state is State.REJECTED:
        order = await _again(gate, command, order, timeout_s)
    failed = order.state in (State.REJECTED, State.FAILED) and not order.filled_quantity
    return OrderResult(
        success=not failed,
        order_id=order.order_id,
        error=(order.reason or order.reason_code) if failed else None,
        state=state_of(order.state),
        pending=order.state in UNSENT or order.open_request(RequestKind.SUBMIT) is not None,
    )


async def _again(gate: Gate, command: SubmitOrder, rejected: Order, timeout_s: float) -> Order:
    """The second attempt, made once however often it is asked for; the first, where the gate refuses a second."""
    linked = replace(
        command, key_kind=RETRY, key=rejected.order_id, retry_of=rejected.order_id, order_id=None
    )
    try:
        made = await gate.execute(linked, _ORIGIN)
    except Refused:
        return rejected
    again = await gate.answered(made.order.order_id, timeout_s)
    return rejected if again.state is State.REJECTED and again.submitted_at is None else again


async def status(gate: Gate, order_id: str) -> OrderStatus:
    """How an order stands; CLOSED also where what it bought or sold was closed: by hand, by stops or by its broker."""
    order = await gate.queries.order(order_id)
    closing = await _closing(gate, order)
    done = ZERO if closing is None else closing.filled_quantity
    ended = order.filled_quantity and (order.state is State.FILLED or order.state in TERMINAL)
    closed = ended and done + await _closed(gate, order) >= order.filled_quantity
    return OrderStatus(
        state=OrderState.CLOSED if closed else state_of(order.state),
        order_id=order_id,
        symbol=order.symbol,
        volume=order.quantity,
        filled_volume=order.filled_quantity,
        average_price=order.average_price,
        reason=order.reason,
    )


async def close(gate: Gate, order_id: str, timeout_s: float) -> bool:
    """Cancels what works of an order, and closes what is filled by an opposite order; asked again, no second one.

    What its stops or its broker have closed before is not closed once more.

    Returns:
        Whether nothing of it is left, or the opposite order is on its way. False: its end is not known yet.
    """
    order = await gate.queries.order(order_id)
    if order.state in UNSENT or order.state in WORKING:
        order = await _cancel(gate, order, timeout_s)
    if order.state is not State.FILLED and order.state not in TERMINAL:
        return False
    if not order.filled_quantity:
        return order.state is not State.REJECTED
    known = await _closing(gate, order)
    if known is not None:
        return known.state is not State.REJECTED
    left = order.filled_quantity - await _closed(gate, order)
    if left <= 0:
        return True
    made = await gate.execute(_opposite(order, left), _ORIGIN)
    return (await gate.answered(made.order.order_id, timeout_s)).state is not State.REJECTED


async def _cancel(gate: Gate, order: Order, timeout_s: float) -> Order:
    try:
        await gate.execute(CancelOrder(order_id=order.order_id, reason="close_order"), _ORIGIN)
    except Conflict:  # it has ended meanwhile
        return await gate.queries.order(order.order_id)
    deadline = gate.loop.time() + timeout_s
    while True:
        order = await gate.queries.order(order.order_id)
        asked = order.open_request(RequestKind.CANCEL) is not None
        if order.state in TERMINAL or order.state is State.FILLED or not asked or gate.loop.time() > deadline:
            return order
        await gate.clock.sleep(_PAUSE_S)


def _opposite(order: Order, quantity: Decimal) -> SubmitOrder:
    return SubmitOrder(
        fund_id=order.fund_id,
        symbol=order.symbol,
        side=_OPPOSITE[order.side],
        quantity=quantity,
        order_type=OrderType.MARKET,
        key_kind=CLOSING,
        key=order.order_id,
        strategy_id=order.strategy_id,
        order_manager=order.order_manager,
        broker=order.broker,
    )


async def _closed(gate: Gate, order: Order) -> Decimal:
    """How much of what an order, or its slices, have opened was closed by stops, or at its levels by its broker."""
    slices = await gate.queries.orders(parent_order_id=order.order_id) if order.algo is not None else []
    opened = (order.order_id, *(one.order_id for one in slices))
    others = await gate.queries.orders(parent_order_id=opened)
    closed = (one.filled_quantity for one in others if one.guards and one.side.sign != order.side.sign)
    return sum(closed, ZERO)


async def _closing(gate: Gate, order: Order) -> Order | None:
    keys = await gate.journal.get("keys", [(order.fund_id, CLOSING, order.order_id)])
    return await gate.queries.order(keys[0].order_id) if keys else None
