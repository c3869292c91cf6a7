"""When an order's time is over, by its time in force and its instrument's sessions."""

from datetime import datetime
from typing import Protocol

from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TimeInForce


class Calendar(Protocol):
    """The sessions of instruments."""

    def session_end(self, instrument: Instrument, at: datetime) -> datetime:
        """The first end of a session after `at`, in UTC."""
        ...

    def session_opening(self, instrument: Instrument, at: datetime) -> datetime:
        """The first opening of a session after `at`, in UTC."""
        ...


def over_at(
    tif: TimeInForce,
    entered: datetime,
    expires_at: datetime | None,
    instrument: Instrument,
    calendar: Calendar,
) -> datetime | None:
    """When an order entered at `entered` works no longer; None where no time ends it.

    A DAY order ends with the session that it was entered in or before; an OPG order with the session whose opening
    it waits for, should nobody quote before.
    """
    if tif is TimeInForce.GTD:
        return expires_at
    if tif is TimeInForce.DAY:
        return calendar.session_end(instrument, entered)
    if tif is TimeInForce.OPG:
        return calendar.session_end(instrument, calendar.session_opening(instrument, entered))
    return None


def order_over_at(order: Order, instrument: Instrument, calendar: Calendar) -> datetime | None:
    """When the order works no longer, counted from its acceptance, before that from its creation; None where never."""
    return over_at(order.tif, order.accepted_at or order.created_at, order.expires_at, instrument, calendar)
