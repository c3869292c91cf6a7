"""What a broker says. Untrusted: it becomes an event only where the order machine takes it.

`client_id` names the order or request; where the broker knows none (telephoned orders), `broker_order_id`
does. `cursor` is a place in the broker's stream up to which everything has been delivered; `raw` is the
payload as it came.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from ordergate.domain.money import ONE, ZERO
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.states import ExecutionKind, Mark, OrderType, Side

INSUFFICIENT_MARGIN: Final = "Insufficient margin"
"""How the reason of a broker begins that refuses an order for lack of margin."""


class Outcome(StrEnum):
    """How a call to a broker ended. Only proof makes a rejection; what may have left is UNKNOWN."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class Finding(StrEnum):
    """What a lookup of a request established, where it did not find the order.

    REPEATABLE: nothing is proven, but the broker knows repeats for ever, so a submit may be sent again.
    """

    ABSENT = "absent"
    REPEATABLE = "repeatable"
    UNPROVEN = "unproven"


class End(StrEnum):
    """How a broker ended an order."""

    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"


class Report(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Common to all reports."""

    broker: str
    client_id: str | None = None
    broker_order_id: str | None = None
    cursor: str | None = None
    raw: str | None = None


class Answered(Report, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to one call of ours; `client_id` is the request's.

    Attributes:
        epoch: of the session that the call was made in; None counts for any.
    """

    outcome: Outcome
    reason: str | None = None
    epoch: int | None = None


class Acknowledged(Report, frozen=True, kw_only=True, omit_defaults=True):
    """The order is at the broker."""


class Working(Report, frozen=True, kw_only=True, omit_defaults=True):
    """The order is among those that work at the broker.

    Attributes:
        asked_after: the journal's last instant when the broker was asked; None where it said so unasked.
    """

    asked_after: datetime | None = None


class Executed(Report, frozen=True, kw_only=True, omit_defaults=True):
    """A trade, a correction or a bust.

    Attributes:
        symbol, side: checked against the order's where given.
        fee_currency: None is the instrument's.
        completes: the broker's own record says that the order is complete, so the fill is confirmed.
        deltas: the balances that it moved, its fee not among them; None is what quantity and price say.
        closes: where the broker by itself closed what an entry of ours had opened (a stop loss or take profit that
            stood there with it, a stop-out): the entry's client id. `side` is told then, and a `broker_order_id`
            that is not the entry's.
        order_type: of the order by which it did so: stop of a stop loss, limit of a take profit; None is market.
    """

    exec_id: str
    time: datetime
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    fee: Decimal = ZERO
    fee_currency: str | None = None
    execution_kind: ExecutionKind = ExecutionKind.TRADE
    refers_to: str | None = None
    symbol: str | None = None
    side: Side | None = None
    completes: bool = False
    deltas: tuple[Delta, ...] | None = None
    closes: str | None = None
    order_type: OrderType | None = None


class Ended(Report, frozen=True, kw_only=True, omit_defaults=True):
    """The order is at its end, asked for or not."""

    end: End
    reason: str | None = None


class Replaced(Report, frozen=True, kw_only=True, omit_defaults=True):
    """A replace was done; `client_id` is the request's. The terms may differ from ours.

    Attributes:
        completes: the broker's own record says that the order is complete with these terms.
    """

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    completes: bool = False


class Restated(Report, frozen=True, kw_only=True, omit_defaults=True):
    """The broker changed the order unasked: the quantity, or everything by a split's ratio."""

    reason: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    ratio: Decimal = ONE


class Marked(Report, frozen=True, kw_only=True, omit_defaults=True):
    """Done for day, suspended, stopped, triggered; or no longer."""

    mark: Mark
    on: bool = True


class RequestRefused(Report, frozen=True, kw_only=True, omit_defaults=True):
    """The broker refused a cancel or replace; `client_id` is the request's."""

    reason: str | None = None


class Confirmed(Report, frozen=True, kw_only=True, omit_defaults=True):
    """The broker's own record of the order equals ours."""


class LookedUp(Report, frozen=True, kw_only=True, omit_defaults=True):
    """A lookup of a request did not find it; `client_id` is the request's.

    Attributes:
        final: nothing more will be tried; a person must settle it.
        epoch: of the session that the request had been sent in when it was looked up; None counts for any.
    """

    finding: Finding
    reason: str | None = None
    final: bool = False
    epoch: int | None = None


AnyReport = (
    Answered
    | Acknowledged
    | Working
    | Executed
    | Ended
    | Replaced
    | Restated
    | Marked
    | RequestRefused
    | Confirmed
    | LookedUp
)
