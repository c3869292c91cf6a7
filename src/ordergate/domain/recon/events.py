"""What happened to breaks after they were raised."""

from decimal import Decimal

from ordergate.domain.breaks import Break
from ordergate.domain.orders.events import BreakRaised, Event
from ordergate.domain.orders.executions import Fill


class BreakChanged(Event, frozen=True, kw_only=True, tag="BreakChanged/1"):
    """The same difference has other numbers by now."""

    item: Break


class BreakAssigned(Event, frozen=True, kw_only=True, tag="BreakAssigned/1"):
    """Somebody looks into it."""

    item: Break


class BreakResolved(Event, frozen=True, kw_only=True, tag="BreakResolved/1"):
    """It is over: how, by whom and why stands in the break."""

    item: Break


class PositionAdjusted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="PositionAdjusted/1"):
    """The difference of a break was booked into a fund, so that the records agree. It is no fill: nothing was traded.

    Attributes:
        trade: what is booked of a position: lots, cost and profit as if it had been traded at that price, and no money;
            None for money.
        currency, amount: what is booked of money; None for a position.
        by: a principal.
    """

    break_id: str
    broker: str
    fund_id: str
    by: str
    why: str
    trade: Fill | None = None
    currency: str | None = None
    amount: Decimal | None = None


BREAK_EVENTS = (BreakRaised, BreakChanged, BreakAssigned, BreakResolved)
ReconEvent = BreakChanged | BreakAssigned | BreakResolved | PositionAdjusted
