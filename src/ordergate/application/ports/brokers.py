"""The broker port: calls out, reports in.

Rules that the conformance suite (`ordergate.testing.conformance.broker`) checks:

1. `submit`, `cancel` and `replace` never raise for reasons of the venue or the network, and never retry: they
   answer with an `Outcome`. REJECTED only on proof, NOT_SENT only if nothing can have left, else UNKNOWN.
2. They are called only after the request is in the journal. `client_id` is ours and stable.
3. `lookup` tells proven absence from "not seen"; a failed query is neither.
4. A snapshot of open orders says whether it is complete; an incomplete one is never read as empty.
5. Reports are delivered at least once, through the sink given to `connect`, and may come in any order; a
   report's `cursor` is safe to resume from.
6. An adapter has no rules on positions, risk, retries or states: it translates.
7. One whose venue tells of the account has a property `account`: the last `BrokerAccount` that it said, or None.
8. A statement of the account is all of one moment; one that is not complete says nothing, and is never read as empty.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import AnyReport, Outcome
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.domain.recon.statement import Statement


class Deduplication(StrEnum):
    """How the venue treats a client id that it has seen."""

    FOREVER = "forever"
    WHILE_OPEN = "while_open"
    NONE = "none"


class Capabilities(Struct, frozen=True, gc=False, kw_only=True):
    """What a broker can do; declared, never guessed.

    Attributes:
        deduplication: of client ids.
        proves_absence: a lookup can prove that a request never arrived.
        lists: it can be asked for its open orders, and by our client ids; one that cannot is asked order by
            order, by its own ids.
        statements: it tells what is in the account: it is a `TellingBroker`.
        grace_s: how long after sending a request may still turn up; absence before then proves nothing.
        calls: how many calls may be under way at once.
    """

    order_types: frozenset[OrderType]
    tifs: frozenset[TimeInForce]
    deduplication: Deduplication
    proves_absence: bool
    grace_s: float
    replaces: bool
    calls: int
    lists: bool = True
    statements: bool = False


class Send(Struct, frozen=True, gc=False, kw_only=True):
    """An order as the venue gets it; quantity in the instrument's unit. Signal and levels inform, if anything.

    Attributes:
        expires_at: of a GTD order: when it works no longer.
    """

    client_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    tif: TimeInForce
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    strategy_id: str | None = None
    order_manager: str | None = None
    signal_id: str | None = None
    entry_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    expires_at: datetime | None = None


class Change(Struct, frozen=True, gc=False, kw_only=True):
    """New terms for a working order; None leaves a term. `order` is the client id last accepted."""

    client_id: str
    order: str
    broker_order_id: str | None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class Withdraw(Struct, frozen=True, gc=False, kw_only=True):
    """A cancel. `order` is the client id last accepted."""

    client_id: str
    order: str
    broker_order_id: str | None


class Answer(Struct, frozen=True, gc=False, kw_only=True):
    """How a call ended; `raw` is the venue's reply as it came."""

    outcome: Outcome
    broker_order_id: str | None = None
    reason: str | None = None
    raw: str | None = None


class Presence(StrEnum):
    """What a lookup found."""

    FOUND = "found"
    ABSENT = "absent"
    UNPROVEN = "unproven"
    UNAVAILABLE = "unavailable"


class Lookup(Struct, frozen=True, gc=False, kw_only=True):
    """The answer to a lookup; `reports` say everything about a FOUND order, its executions included."""

    presence: Presence
    reports: tuple[AnyReport, ...] = ()
    reason: str | None = None


class OpenOrders(Struct, frozen=True, gc=False, kw_only=True):
    """The client ids of the orders that work at the venue. Says nothing where it is not complete."""

    as_of: datetime
    complete: bool
    client_ids: frozenset[str] = frozenset()


class Sink(Protocol):
    """Where a broker delivers what it has to say; both return at once and never refuse."""

    def report(self, report: AnyReport) -> None:
        """Takes a report."""
        ...

    def quote(self, quote: Quote) -> None:
        """Takes a quote."""
        ...


class Broker(Protocol):
    """One account at one venue."""

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def taken_over(self) -> bool:
        """Whether another session, of another node, has ended this one at the venue."""
        ...

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Starts the session; reports after `cursor` (all, if None) follow through the sink."""
        ...

    async def submit(self, send: Send) -> Answer:
        """Sends an order."""
        ...

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks for a cancel; ACCEPTED means that the request was taken, the end comes as a report."""
        ...

    async def replace(self, change: Change) -> Answer:
        """Asks for new terms; ACCEPTED means that the request was taken, the result comes as a report."""
        ...

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the venue knows of the request with that client id, or of the order it belongs to.

        Args:
            broker_order_id: the venue's name of the order, as far as it was told.
        """
        ...

    async def open_orders(self) -> OpenOrders:
        """What works at the venue now."""
        ...

    async def close(self) -> None:
        """Ends the session; what works at the venue goes on working."""
        ...


class TellingBroker(Broker, Protocol):
    """A broker that declares `statements`."""

    async def statement(self, since: datetime) -> Statement:
        """What is in the account now, and what was executed since then; not complete where that cannot be told."""
        ...
