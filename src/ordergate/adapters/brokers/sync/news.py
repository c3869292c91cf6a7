"""From totals to reports: what a class's word on an order adds to what it said before."""

from datetime import datetime
from decimal import Decimal, localcontext

from ordergate.adapters.brokers.sync.notebook import Known
from ordergate.adapters.brokers.sync.reading import ENDS, Stand, Standing, Unreadable
from ordergate.domain.money import EXACT, ZERO, divide, is_sane, text
from ordergate.domain.orders.reports import Confirmed, End, Ended, Executed

_PLACES = 10
_NO_PRICE = Decimal("NaN")


def total(known: Known, standing: Standing) -> Decimal:
    """How much is filled in all.

    Raises:
        Unreadable: the class does not say, and it cannot be concluded.
    """
    if standing.filled is not None:
        return standing.filled
    if standing.stand is Stand.FILLED and known.quantity is not None:
        return known.quantity
    if standing.stand in (Stand.FILLED, Stand.CLOSED):
        raise Unreadable(f"get_order_status: {standing.stand.name} without filled_volume")
    return known.filled


def execution(broker: str, known: Known, standing: Standing, now: datetime) -> Executed | None:
    """What came on top, at the price that makes the average right; with a price of 0 where there is none.

    The id is the broker's order id and the total, so it is the same whenever it is worked out.

    Raises:
        Unreadable: what the class says cannot be.
    """
    filled = total(known, standing)
    quantity = filled - known.filled
    if quantity <= 0:
        return None
    price = (
        ZERO if standing.average_price is None else _price(known, filled, quantity, standing.average_price)
    )
    return Executed(
        broker=broker,
        client_id=known.client_id,
        broker_order_id=known.broker_order_id,
        exec_id=f"{known.broker_order_id}-{text(filled)}",
        time=now,
        quantity=quantity,
        price=price,
        completes=standing.stand is Stand.FILLED and filled == known.quantity,
        raw=standing.raw,
    )


def _price(known: Known, filled: Decimal, quantity: Decimal, average: Decimal) -> Decimal:
    try:
        with localcontext(EXACT):
            price = max(divide(filled * average - known.value, quantity, _PLACES), ZERO)
    except ArithmeticError:
        price = _NO_PRICE
    if not is_sane(price):
        detail = f"{text(filled)} at {text(average)} cannot follow on {text(known.filled)}"
        raise Unreadable(f"get_order_status: {detail}")
    return price


def end(broker: str, known: Known, standing: Standing) -> Ended | Confirmed | None:
    """How the order is over; None while it works."""
    names = {"broker": broker, "client_id": known.client_id, "broker_order_id": known.broker_order_id}
    if standing.stand is Stand.WORKING:
        return None
    if standing.stand in ENDS:
        return Ended(**names, end=ENDS[standing.stand], reason=standing.reason, raw=standing.raw)
    whole = known.quantity is None or known.filled >= known.quantity
    if standing.stand is Stand.FILLED:
        return Confirmed(**names, raw=standing.raw) if whole else None
    if whole and known.filled:
        return Confirmed(**names, raw=standing.raw)
    return Ended(
        **names, end=End.CANCELED, reason=standing.reason or "closed at the broker", raw=standing.raw
    )
