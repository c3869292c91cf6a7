"""What happened: frozen, past tense, and the only thing that changes state.

Kinds are versioned by their tag; the fold of a published version never changes. `path` lists the states that
the order went through, `times` when it reached each; empty where the state stayed.
"""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from ordergate.domain.algos.terms import AlgoTerms
from ordergate.domain.breaks import Break
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import ONE
from ordergate.domain.orders.decision import RiskDecision
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import Delay, Mark, Phase, Remedy, State


class Event(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="kind"):
    """Common to all events."""


class OrderEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Common to the events of one order."""

    order_id: str
    path: tuple[State, ...] = ()
    times: tuple[datetime, ...] = ()


class FundConfigured(Event, frozen=True, kw_only=True, tag="FundConfigured/1"):
    """A fund is as configured from here on."""

    fund: Fund


class InstrumentDefined(Event, frozen=True, kw_only=True, tag="InstrumentDefined/1"):
    """An instrument is as defined from here on."""

    instrument: Instrument


class SessionOpened(Event, frozen=True, kw_only=True, omit_defaults=True, tag="SessionOpened/1"):
    """A new epoch of a broker's session began; `version` is the program's, `node` which of several has it."""

    broker: str
    epoch: int
    version: str
    node: str | None = None


class SignalRefused(Event, frozen=True, kw_only=True, omit_defaults=True, tag="SignalRefused/1"):
    """A signal that became no order."""

    signal_id: str
    symbol: str
    code: str
    reason: str
    fund_id: str | None = None


class BreakRaised(Event, frozen=True, kw_only=True, tag="BreakRaised/1"):
    """Something does not fit; nothing was changed by it."""

    item: Break


class OrderEntered(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderEntered/1"):
    """An order came into being, as far along as the path says.

    Attributes:
        key_kind, key, fingerprint, key_expires: what makes the same request the same order.
        decision: what the risk gate said of it.
        run: of its strategy, counted since a person enabled it; None where runs are not limited.
        remember_s: how long the same order under another key is a duplicate.
    """

    order: Order
    key_kind: str
    key: str
    fingerprint: str
    key_expires: datetime | None = None
    decision: RiskDecision | None = None
    run: int | None = None
    remember_s: int = 0


class OrderJudged(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderJudged/1"):
    """An order that had only been created was submitted, and came as far along as the path says.

    Attributes:
        decision, run, remember_s: as in `OrderEntered`.
        request: the submit; None where the gate refused.
        awaits, decide_by: the external gates that must agree before it may leave, and until when they are waited for.
        algo: how it is worked from here on, as a parent.
    """

    decision: RiskDecision
    request: Request | None = None
    awaits: tuple[str, ...] | None = None
    decide_by: datetime | None = None
    run: int | None = None
    remember_s: int = 0
    algo: AlgoTerms | None = None


class OrderAdopted(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderAdopted/1"):
    """An order that a broker has without our having sent it: it works there, or has closed what an entry opened."""

    order: Order


class OrderAdvanced(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderAdvanced/1"):
    """The order came further on its way to the broker, short of being sent."""


class GateAnswered(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="GateAnswered/1"):
    """An external gate, or a person, has said whether the order, or the request of that number, may go on.

    Attributes:
        gate: its name; `approval` is a person, who stands as the entry's principal.
        timed_out: nobody answered in time; an advisory gate then agrees, and this says so.
    """

    gate: str
    approved: bool
    number: int
    reason: str | None = None
    timed_out: bool = False


class OrderSent(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderSent/1"):
    """Bytes may leave from here on: the submit that `request` describes."""

    request: Request


class SendDisproved(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="SendDisproved/1"):
    """Proof that the broker does not have the order; it may be sent again."""

    number: int
    reason: str | None = None


class OrderAcknowledged(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderAcknowledged/1"):
    """The broker has it, under its own id."""

    time: datetime
    broker_order_id: str | None = None


class OrderMarked(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderMarked/1"):
    """An attribute that the broker set or cleared."""

    mark: Mark
    on: bool


class RequestOpened(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="RequestOpened/1"):
    """A cancel or replace was asked for, or one that waited may now leave.

    Attributes:
        decision: what the risk gate said of a replace.
        awaits, decide_by: the external gates that must agree before it may leave, and until when they are waited for.
    """

    request: Request
    decision: RiskDecision | None = None
    awaits: tuple[str, ...] | None = None
    decide_by: datetime | None = None


class ReplaceRefused(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="ReplaceRefused/1"):
    """The risk gate refused a change; the order stays as it is."""

    decision: RiskDecision
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class RequestDoubted(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="RequestDoubted/1"):
    """What became of a request is unknown, or (parked) could not be found out."""

    number: int
    phase: Phase
    reason: str | None = None


class RequestDropped(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="RequestDropped/1"):
    """A cancel or replace was refused, or provably had no effect."""

    number: int
    reason: str | None = None


class OrderFilled(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderFilled/1"):
    """A trade; with CLOSED in the path it was confirmed too.

    Attributes:
        broker_order_id: set where this is also the first sign of the order at the broker.
    """

    fill: Fill
    broker_order_id: str | None = None
    completes: bool = False


class FillCorrected(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="FillCorrected/1"):
    """A broker corrected a trade."""

    fill: Fill


class FillBusted(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="FillBusted/1"):
    """A broker took a trade back."""

    fill: Fill


class OrderReplaced(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderReplaced/1"):
    """The order has new terms at the broker, perhaps under a new id there; None leaves what was.

    Attributes:
        completes: by the broker's record the order is complete with these terms; fills of it are still to come.
    """

    number: int
    broker_order_id: str | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    completes: bool = False


class OrderRestated(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderRestated/1"):
    """The broker changed the order unasked."""

    reason: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    ratio: Decimal = ONE


class OrderOverdue(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderOverdue/1"):
    """Something takes too long, since then; the remedy, where it is one for the broker, stands in the next entries.

    Attributes:
        count: how often it was noticed since then; None goes on from what the order has of that kind.
    """

    why: Delay
    since: datetime
    remedy: Remedy
    count: int | None = None


class SlippageExceeded(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="SlippageExceeded/1"):
    """A fill was worse than the order, or else its fund, bears. Positive is adverse.

    Attributes:
        benchmark: the mid when the order was created, in the quote currency.
        bps, pips: of the fill against it.
        most_bps, most_pips: what was borne.
    """

    fill_id: str
    price: Decimal
    benchmark: Decimal
    bps: Decimal | None = None
    pips: Decimal | None = None
    most_bps: Decimal | None = None
    most_pips: Decimal | None = None


class OrderEnd(OrderEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Common to the events that end an order unfilled."""

    code: str
    reason: str | None = None


class OrderCanceled(OrderEnd, frozen=True, kw_only=True, omit_defaults=True, tag="OrderCanceled/1"):
    """Canceled, asked for or not."""


class OrderRejected(OrderEnd, frozen=True, kw_only=True, omit_defaults=True, tag="OrderRejected/1"):
    """Refused by the gate or by the broker."""


class OrderExpired(OrderEnd, frozen=True, kw_only=True, omit_defaults=True, tag="OrderExpired/1"):
    """Its time was up."""


class OrderFailed(OrderEnd, frozen=True, kw_only=True, omit_defaults=True, tag="OrderFailed/1"):
    """It cannot be worked, for a reason that is neither a refusal nor a wish."""


class OrderClosed(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderClosed/1"):
    """Filled, no request open, and equal to the broker's own record."""


class OrderConfirmed(OrderEvent, frozen=True, kw_only=True, omit_defaults=True, tag="OrderConfirmed/1"):
    """Equal to the broker's own record, while a request is still open."""


ENDS = (OrderCanceled, OrderRejected, OrderExpired, OrderFailed)

AnyOrderEvent = (
    FundConfigured
    | InstrumentDefined
    | SessionOpened
    | SignalRefused
    | BreakRaised
    | OrderEntered
    | OrderJudged
    | OrderAdopted
    | OrderAdvanced
    | GateAnswered
    | OrderSent
    | SendDisproved
    | OrderAcknowledged
    | OrderMarked
    | RequestOpened
    | ReplaceRefused
    | RequestDoubted
    | RequestDropped
    | OrderFilled
    | FillCorrected
    | FillBusted
    | OrderReplaced
    | OrderRestated
    | OrderCanceled
    | OrderRejected
    | OrderExpired
    | OrderFailed
    | OrderClosed
    | OrderConfirmed
    | OrderOverdue
    | SlippageExceeded
)
