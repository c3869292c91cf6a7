"""Which rows of the tables an entry may have changed: for outlets that keep a copy of them elsewhere."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from ordergate.application.entry import Entry
from ordergate.domain import moving as m
from ordergate.domain.orders import events as e
from ordergate.domain.recon.events import PositionAdjusted

Key = tuple[str, str]
_EXECUTIONS: Final = (e.OrderFilled, e.FillCorrected, e.FillBusted)


class Touched(Struct, frozen=True):
    """Primary keys.

    Attributes:
        orders: ids.
        fills: order id and execution id.
        refilled: ids of orders of which any execution may have changed.
        positions: fund and symbol.
    """

    orders: set[str] = field(default_factory=set)
    fills: set[Key] = field(default_factory=set)
    refilled: set[str] = field(default_factory=set)
    positions: set[Key] = field(default_factory=set)


def touched_positions(entry: Entry) -> Iterable[Key]:
    """Fund and symbol of the positions that an entry may have changed."""
    event = entry.event
    match event:
        case e.OrderFilled() | e.FillCorrected() | e.FillBusted():
            return [(event.fill.fund_id, event.fill.symbol)]
        case PositionAdjusted(trade=trade) if trade is not None:
            return [(trade.fund_id, trade.symbol)]
        case m.FundLeft() | m.FundArrived():
            return [(held.position.fund_id, held.position.symbol) for held in event.holdings]
    return []


def touched(entries: Iterable[Entry]) -> Touched:
    """What entries may have changed of orders, executions and positions."""
    found = Touched()
    for entry in entries:
        event = entry.event
        found.positions.update(touched_positions(entry))
        if isinstance(event, e.OrderEvent):
            found.orders.add(event.order_id)
        if isinstance(event, _EXECUTIONS):
            fill = event.fill
            found.fills.add((fill.order_id, fill.exec_id))
            if fill.refers_to is not None:  # what it refers to, and others that do, count no more
                found.refilled.add(fill.order_id)
    return found
