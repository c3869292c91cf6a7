"""Undoing what a group has done: opposite orders, in the opposite order. Runs on the gate's loop.

What is not known is canceled first. What cannot be undone is a break, until a person has seen to it.
"""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

import structlog
from msgspec import Struct, field

from ordergate.bootstrap import Gate
from ordergate.domain.breaks import Break, BreakKind
from ordergate.domain.errors import OrdergateError
from ordergate.domain.money import text
from ordergate.domain.orders.commands import COMPENSATES, CancelOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, State
from ordergate.domain.recon.commands import Reconcile, ResolveBreak
from ordergate.domain.recon.difference import Difference
from ordergate.sdk.venues import placing
from ordergate.sdk.venues.handshakes import ExecutionHandshake, ExecutionHandshakeStatus
from ordergate.sdk.venues.made import made_by
from ordergate.sdk.venues.names import canonical, known_as
from ordergate.sdk.venues.opposites import opposite_of
from ordergate.sdk.venues.registry import Place
from ordergate.sdk.venues.wanted import KEY, named_key

_KEYS: Final = "group/"
"""What the breaks of orders are about that were not undone: one for each order, whichever groups it was in.

An order's id follows; of one that was not found its fund and key; without a key its group, fund and place in that.
"""
_log = structlog.get_logger("ordergate.sdk.venues")


class Undone(Struct):
    """What undoing came to.

    Attributes:
        handshakes: as they are then, by their place in the group.
        triggered: there was something to undo.
        complete: all of it was undone.
        breaks: ids of those that were raised.
    """

    handshakes: dict[int, ExecutionHandshake] = field(default_factory=dict)
    triggered: bool = False
    complete: bool = True
    breaks: list[str] = field(default_factory=list)


async def undo(
    gate: Gate, fund_id: str, group: str, done: Sequence[ExecutionHandshake], timeout_s: float
) -> Undone:
    """Undoes what was executed, the last first. What keeps one of them from that keeps no other."""
    result = Undone()
    for at in reversed(range(len(done))):
        handshake = done[at]
        try:
            order_id = await _order_id_of(gate, fund_id, handshake)
            if order_id is not None and handshake.was_failed() and "order_id" not in handshake.venue_metadata:
                await _other(gate, group, handshake, order_id, result)
            elif order_id is not None:
                result.handshakes[at] = await _undo_one(gate, group, handshake, order_id, timeout_s, result)
            elif handshake.is_pending():
                result.triggered, result.complete = True, False
                key = _key_of(handshake)
                about = f"{group}/{fund_id}/{at}" if key is None else f"{fund_id}/{key}"
                result.breaks += await _not_found(gate, group, handshake, about)
        except Exception as error:
            _log.error("an order of a group could not be undone", group=group, at=at, error=repr(error))
            result.triggered, result.complete = True, False
    return result


async def undone_by(gate: Gate, order: Order) -> Order | None:
    """The order that was made to undo it, whichever group asked for that; None where none did."""
    keys = await gate.journal.get("keys", [(order.fund_id, COMPENSATES, order.order_id)])
    return await gate.queries.order(keys[0].order_id) if keys else None


async def _order_id_of(gate: Gate, fund_id: str, handshake: ExecutionHandshake) -> str | None:
    """The order that a handshake is of, also where nobody has told its name; None where there is none yet."""
    name: str | None = handshake.venue_metadata.get("order_id")
    key = _key_of(handshake)
    return name if name is not None or key is None else await made_by(gate, fund_id, key)


def _key_of(handshake: ExecutionHandshake) -> str | None:
    """What its order was made by, or may have been; its own within its fund."""
    key: str | None = handshake.venue_metadata.get(KEY) or named_key(handshake.order)
    return key


async def _other(
    gate: Gate, group: str, handshake: ExecutionHandshake, order_id: str, result: Undone
) -> None:
    """Of what was refused, though its key made an order: that is left to a person, unless nothing is left of it."""
    order = await gate.queries.order(order_id)
    opposite = await undone_by(gate, order)
    if order.state in TERMINAL and not order.filled_quantity:
        return
    if opposite is None or not is_whole(opposite):
        result.triggered, result.complete = True, False
        result.breaks += await _raise_break(gate, group, order, opposite, handshake.error_message or "")


def is_whole(opposite: Order) -> bool:
    """Whether it has undone all that it was to undo."""
    return opposite.state in (State.FILLED, State.CLOSED)


async def _undo_one(
    gate: Gate, group: str, handshake: ExecutionHandshake, order_id: str, timeout_s: float, result: Undone
) -> ExecutionHandshake:
    order = await _ended(gate, order_id, timeout_s)
    opposite, why = None, None
    if order.state not in TERMINAL and order.state is not State.FILLED:
        result.triggered, why = True, f"it is {order.state}, and may still be executed"
    elif order.filled_quantity:
        result.triggered = True
        opposite, why = await _oppose(gate, order, timeout_s)
    if why is not None:
        result.complete = False
        result.breaks += await _raise_break(gate, group, order, opposite, why)
    else:
        await _end_breaks(gate, handshake, order, opposite)
    return await _as_it_is(gate, handshake, order, opposite, undone=why is None)


async def _ended(gate: Gate, order_id: str, timeout_s: float) -> Order:
    """The order at its end; what works is canceled. As it is, where neither is known in time."""
    order = await gate.queries.order(order_id)
    if order.state in TERMINAL or order.state is State.FILLED:
        return order
    with suppress(OrdergateError):  # it has ended meanwhile, or may have been canceled
        await gate.execute(CancelOrder(order_id=order_id, reason="its group is undone"), placing.ORIGIN)
    return await placing.ended(gate, order_id, timeout_s)


async def _oppose(gate: Gate, order: Order, timeout_s: float) -> tuple[Order | None, str | None]:
    """The opposite order, and why it has not undone all; the same however often it is asked for."""
    fills = await placing.fills_of(gate, [order.order_id])
    command = opposite_of(order, fills, gate.in_force.catalogue(order.symbol))
    if command is None or (command.broker or "") not in gate.brokers:
        return None, f"nothing undoes a {order.operation} such as this"
    try:
        made = await gate.execute(command, placing.ORIGIN)
    except OrdergateError as error:
        return await undone_by(gate, order), str(error)  # there may be one, of what was executed by then
    opposite = await placing.ended(gate, made.order.order_id, timeout_s)
    if opposite.filled_quantity >= command.quantity:
        return opposite, None
    reason = opposite.reason or f"{opposite.order_id} is {opposite.state}"
    if opposite.state not in TERMINAL and opposite.state is not State.FILLED:
        reason = (
            f"{opposite.order_id} is {opposite.state} and goes on: wait for its end, and trade nothing back"
        )
    return opposite, f"{text(opposite.filled_quantity)} of {text(command.quantity)} undone: {reason}"


async def _raise_break(gate: Gate, group: str, order: Order, opposite: Order | None, why: str) -> list[str]:
    undone = Decimal(0) if opposite is None else opposite.filled_quantity
    found = Difference(
        kind=BreakKind.NOT_UNDONE,
        key=f"{_KEYS}{order.order_id}",
        detail=f"it is not undone, and its group {group} has failed: {why}",
        order_id=order.order_id,
        symbol=order.symbol,
        ours=undone,
        theirs=order.filled_quantity,
    )
    return await _raise(gate, order.broker, found)


async def _not_found(gate: Gate, group: str, handshake: ExecutionHandshake, about: str) -> list[str]:
    """Of what may have been made, for all that is known, and is not in the journal."""
    told = handshake.venue_metadata
    found = Difference(
        kind=BreakKind.NOT_UNDONE,
        key=f"{_KEYS}{about}",
        detail=f"its group {group} has failed, and whether it was made is not known: {told.get('reason')}",
    )
    return await _raise(gate, told.get("broker") or canonical(handshake.order.venue), found)


async def _raise(gate: Gate, broker: str, found: Difference) -> list[str]:
    breaks: tuple[Break, ...] = await gate.execute(Reconcile(broker=broker, found=(found,)), placing.ORIGIN)
    return [item.break_id for item in breaks if item.key == found.key]


async def _end_breaks(
    gate: Gate, handshake: ExecutionHandshake, order: Order, opposite: Order | None
) -> None:
    """What an earlier attempt could not undo, or did not find, is undone now."""
    why = "nothing of it was executed" if opposite is None else f"{opposite.order_id} has undone it"
    key = _key_of(handshake)
    not_found = None if key is None else f"{_KEYS}{order.fund_id}/{key}"
    there = (order.broker, canonical(handshake.order.venue))  # the venue, where nobody told its broker
    for item in tuple(gate.runner.engine.state.breaks.rows.values()):
        of_it = item.key == f"{_KEYS}{order.order_id}" or (item.key == not_found and item.broker in there)
        if item.kind is BreakKind.NOT_UNDONE and item.is_open and of_it:
            with suppress(OrdergateError):  # a person has resolved it meanwhile
                await gate.execute(ResolveBreak(break_id=item.break_id, why=why), placing.ORIGIN)


async def _as_it_is(
    gate: Gate, handshake: ExecutionHandshake, order: Order, opposite: Order | None, *, undone: bool
) -> ExecutionHandshake:
    place = Place(known_as(handshake.order.venue, order.broker), order.broker, handshake.simulated)
    told = await placing.handshake_of(gate, handshake.order, place, order, opposite)
    rolled_back = undone and opposite is not None
    return told.model_copy(update={"status": ExecutionHandshakeStatus.ROLLED_BACK}) if rolled_back else told
