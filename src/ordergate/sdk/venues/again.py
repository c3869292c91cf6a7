"""What became of orders that were made before: told before one is called not sent."""

from collections.abc import Sequence
from typing import Final

from ordergate.bootstrap import Gate
from ordergate.sdk.line import WrongLoop
from ordergate.sdk.venues.handshakes import ExecutionHandshake
from ordergate.sdk.venues.made import made_by
from ordergate.sdk.venues.models import Order
from ordergate.sdk.venues.routing import Desk
from ordergate.sdk.venues.wanted import KEY, key_of_bundle, named_key

_READ_S: Final = 15.0


def told_again(desk: Desk | None, orders: Sequence[Order]) -> Sequence[ExecutionHandshake | None]:
    """How each of them stands now; None where it was not made before. Nothing is sent, and nothing waited for.

    Args:
        desk: None where somebody else makes the orders: then nothing is known of them.
        orders: one, or those of a group.

    Raises:
        WrongLoop: this thread runs the gate.
    """
    if desk is None:
        return [None] * len(orders)
    with desk.within(0.0):
        return _bundled(desk, orders) or [_told(desk, order) for order in orders]


def _bundled(desk: Desk, orders: Sequence[Order]) -> Sequence[ExecutionHandshake] | None:
    """How they stand as one order; None where they were not made as one."""
    key = named_key(orders[0])
    if len(orders) < 2 or key is None:
        return None
    try:
        return desk.bundle(orders) if _made(desk, key_of_bundle(key)) else None
    except WrongLoop:
        raise
    except Exception as error:
        return [_not_known(order, key, error) for order in orders]


def _told(desk: Desk, order: Order) -> ExecutionHandshake | None:
    key = named_key(order)
    if key is None:
        return None
    try:
        return desk.execute(order) if _made(desk, key) else None
    except WrongLoop:
        raise
    except Exception as error:
        return _not_known(order, key, error)


def _made(desk: Desk, key: str) -> bool:
    async def work(gate: Gate) -> bool:
        return await made_by(gate, desk.fund_of(gate), key) is not None

    return desk.line.wait(work, _READ_S)


def _not_known(order: Order, key: str, error: Exception) -> ExecutionHandshake:
    """It may have been made."""
    said = {KEY: key, "reason": str(error) or repr(error)}
    return ExecutionHandshake.create_pending_trade(order, venue_metadata=said)
