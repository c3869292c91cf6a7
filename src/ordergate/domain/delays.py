"""When something takes too long of an order, and what is then to be done: pure, from the order and its terms alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote
from ordergate.domain.money import ONE, plain
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import WORKING, Delay, Mark, Remedy, RequestKind, State, TimeInForce
from ordergate.domain.routing import later
from ordergate.domain.slippage import price_bound

MOST_TIMES: Final = 10
"""How often a remedy is tried on one order; then it is left to people, who have been told as often."""

_LAST: Final = datetime.max.replace(tzinfo=UTC)
_FLEETING: Final = (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG)


class WorkerTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done about orders that take too long; by default somebody is told, and nothing else.

    Attributes:
        retry_unfilled: what becomes of an order that has worked for `unfilled_after_s` seconds without being filled:
            `alert`; `reprice` moves the limit to the other side of the market, within its max_slippage and through
            the risk gate, again each time that long; `cancel`.
        unfilled_after_s: none looks at none.
        stale_order_cleanup: what becomes of an order whose broker has not answered for `stale_after_s` seconds, or has
            not ended it that long after its time: `alert`; `cancel` asks the broker for a cancel too.
        failover_after_s: how long an order waits for a broker that takes none, before it goes on to the next one of the
            rule that chose the broker.
    """

    retry_unfilled: Remedy = Remedy.ALERT
    unfilled_after_s: Annotated[int, Meta(ge=1, le=31_536_000)] | None = None
    stale_order_cleanup: Literal["alert", "cancel"] = "alert"
    stale_after_s: Annotated[int, Meta(ge=1, le=31_536_000)] = 60
    failover_after_s: Annotated[int, Meta(ge=1, le=31_536_000)] = 30


class Due(Struct, frozen=True, gc=False):
    """What is to be done about an order at a moment.

    Attributes:
        why: None where it never left and is ended here, or goes to another broker.
        since: when the delay began.
        reroutes: it goes to another broker.
    """

    at: datetime
    since: datetime
    remedy: Remedy
    why: Delay | None = None
    reroutes: bool = False


class Times(Struct, frozen=True, gc=False, kw_only=True):
    """What the order itself does not say.

    Attributes:
        over_at: when its time is over; None where no time ends it.
        emulated: its broker does not end it then: a cancel does.
        traded_since: from when on it could trade.
        attended_since: from when on somebody has looked after it: no wait for its broker counts before.
    """

    over_at: datetime | None
    emulated: bool
    traded_since: datetime
    attended_since: datetime


def next_due(order: Order, times: Times, terms: WorkerTerms) -> Due | None:
    """What is to be done next, and when; None where nothing is before something else happens to the order."""
    return min(_dues(order, times, terms), key=lambda due: due.at, default=None)


def _dues(order: Order, times: Times, terms: WorkerTerms) -> Iterator[Due]:
    if order.state in (State.PENDING_RISK, State.ACCEPTED) and times.over_at is not None:
        yield Due(times.over_at, times.over_at, Remedy.CANCEL)
    if order.state is State.ACCEPTED and order.requests and any(later(order.route, order.broker)):
        since = max(order.updated_at, times.attended_since)
        at = _later(since, timedelta(seconds=terms.failover_after_s))
        yield Due(at, since, Remedy.ALERT, reroutes=True)
    if order.state not in WORKING:
        return
    stale, stale_after = Remedy(terms.stale_order_cleanup), timedelta(seconds=terms.stale_after_s)
    if times.over_at is not None:
        over = times.over_at
        if times.emulated:
            yield from _again(order, Due(over, over, Remedy.CANCEL, Delay.TIME_OVER), stale_after)
        remedy = Remedy.ALERT if times.emulated else stale
        yield from _again(order, Due(_later(over, stale_after), over, remedy, Delay.PAST_TIME), stale_after)
    submit = order.open_request(RequestKind.SUBMIT)
    if submit is not None and submit.sent_at is not None:
        sent = submit.sent_at
        yield from _again(order, Due(_later(sent, stale_after), sent, stale, Delay.UNANSWERED), stale_after)
    if terms.unfilled_after_s is not None and _should_trade(order):
        after, since = timedelta(seconds=terms.unfilled_after_s), times.traded_since
        yield from _again(
            order, Due(_later(since, after), since, terms.retry_unfilled, Delay.UNFILLED), after
        )


def _later(at: datetime, by: timedelta) -> datetime:
    """The end of time is no error: an order may name it."""
    return at + by if at < _LAST - by else _LAST


def _should_trade(order: Order) -> bool:
    waits_for_a_stop = order.order_type.has_stop and Mark.TRIGGERED not in order.marks
    stands_still = Mark.SUSPENDED in order.marks or Mark.DONE_FOR_DAY in order.marks
    return not (order.requests or order.tif in _FLEETING or waits_for_a_stop or stands_still)


def _again(order: Order, first: Due, pause: timedelta) -> Iterator[Due]:
    """The first time as it is; again after a pause only what does more than tell, and is not under way."""
    before = None if first.why is None else order.noticed(first.why)
    if before is None:
        yield first
    elif (
        first.remedy is not Remedy.ALERT
        and before.times < MOST_TIMES
        and order.open_request(RequestKind.CANCEL) is None
    ):
        yield Due(_later(before.at, pause), first.since, first.remedy, first.why)


def repriced(order: Order, quote: Quote, instrument: Instrument) -> Decimal | None:
    """The limit at which the order would trade now, on the tick, no further than its max_slippage lets it.

    None where it has no limit, or that would be no better for the market than the one it has.
    """
    if order.limit_price is None:
        return None
    sign = order.side.sign
    touch = quote.ask if sign > 0 else quote.bid
    ticks = touch // instrument.tick
    if sign > 0 and touch % instrument.tick:
        ticks += ONE
    wanted, bound = plain(ticks * instrument.tick), price_bound(order, instrument)
    if bound is not None and (wanted - bound) * sign > 0:
        wanted = bound
    return wanted if wanted > 0 and (wanted - order.limit_price) * sign > 0 else None
