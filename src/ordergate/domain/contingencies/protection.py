"""Protective stops of a position: at which level, for how much, and which of them go first.

A stop is made for each fill of an entry. Together they never close more than is held on their side, nor more than
their entry has filled: as others close the position, the newest stops are cut first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from ordergate.domain.instruments import Instrument
from ordergate.domain.money import ONE, ZERO, plain
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, OrderType, Protection, RequestKind, Side

CLOSES: Final[Mapping[Side, Side]] = {
    Side.BUY: Side.SELL,
    Side.COVER: Side.SELL,
    Side.SELL: Side.COVER,
    Side.SHORT: Side.COVER,
}
"""The side of a stop that protects what a fill of that side has opened."""


def protection_of(order: SubmitOrder | Order, configured: Protection) -> Protection | None:
    """What the fills of an order get: what stands in it, or else, of a new one, what is configured now.

    Nothing, where it comes from no signal, or its signal names no level.
    """
    if isinstance(order, Order):
        return order.protect
    asks = order.signal_id is not None and order.stop_loss is not None
    return configured if asks and configured is not Protection.NONE else None


def has_opened(entry: Order, broker: str) -> bool:
    """Whether an order may have opened a position at that broker: it was let through, and it is there."""
    sent = entry.accepted_at is not None and entry.algo is None
    return sent and entry.operation.is_trade and entry.broker == broker


def level_at_broker(entry: Order, order_type: OrderType) -> Decimal | None:
    """The level of the signal that stands at the broker beside an entry: its take profit, or (of a stop) its stop loss.

    None where it has none, or its stops are ordergate's own.
    """
    if order_type is OrderType.LIMIT:
        return entry.take_profit
    return None if entry.protect is Protection.STOP else entry.stop_loss


def level(price: Decimal, side: Side, instrument: Instrument) -> Decimal:
    """A signal's level as the stop of that side may have it: between two ticks, the one that is reached sooner."""
    ticks = price // instrument.tick
    if side.sign < 0 and price % instrument.tick:
        ticks += ONE
    return plain(ticks * instrument.tick) or instrument.tick


def will_close(stop: Order) -> Decimal:
    """What a stop may still fill once all that its broker was asked for is done."""
    if stop.state in TERMINAL or stop.open_request(RequestKind.CANCEL) is not None:
        return ZERO
    change = stop.open_request(RequestKind.REPLACE)
    quantity = stop.quantity if change is None or change.quantity is None else change.quantity
    return plain(max(quantity - stop.filled_quantity, ZERO))


def room(held: Decimal, side: Side, stops: Iterable[Order]) -> Decimal:
    """How much more stops of a side may close of a position that has those stops."""
    taken = sum((will_close(stop) for stop in stops if stop.side.sign == side.sign), ZERO)
    return plain(max(-side.sign * held, ZERO) - taken)


def cuts(stops: Sequence[Order], excess: Decimal) -> Iterator[tuple[Order, Decimal]]:
    """The stops to make smaller so that they close so much less, the last first, and what each may still close."""
    for stop in reversed(stops):
        closes = will_close(stop)
        if excess > 0 and closes:
            keep = plain(max(closes - excess, ZERO))
            excess -= closes - keep
            yield stop, keep
