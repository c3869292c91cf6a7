"""An order in the words of a broker that has not all of ours.

What can be said in other words without asking for more is said so; what cannot is sent as it is, for the broker to
refuse.
"""

from msgspec.structs import replace

from ordergate.application.ports.brokers import Capabilities, Send
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType, TimeInForce
from ordergate.domain.slippage import price_bound


def is_emulated(tif: TimeInForce, can: Capabilities) -> bool:
    """Whether an order of that time in force is sent as GTC, and canceled by us when its time is over."""
    timed = tif is TimeInForce.DAY or tif is TimeInForce.GTD
    return timed and tif not in can.tifs and TimeInForce.GTC in can.tifs


def fitted(send: Send, order: Order, can: Capabilities, instrument: Instrument) -> Send:
    """As the broker takes it: a time in force that it lacks as GTC, a market order with a bound as a limit order.

    Such a limit order is IOC: it trades at the bound or better, and what does not trade at once ends.
    """
    if is_emulated(send.tif, can):
        send = replace(send, tif=TimeInForce.GTC, expires_at=None)
    if send.order_type is not OrderType.MARKET or not _takes_bounds(can):
        return send
    bound = price_bound(order, instrument)
    if bound is None:
        return send
    tif = send.tif if send.tif in _AT_ONCE else TimeInForce.IOC
    return replace(send, order_type=OrderType.LIMIT, limit_price=bound, tif=tif, expires_at=None)


_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG)


def _takes_bounds(can: Capabilities) -> bool:
    return OrderType.LIMIT in can.order_types and TimeInForce.IOC in can.tifs
