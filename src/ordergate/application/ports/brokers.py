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
   One that knows whether it is connected, or how far the venue's clock is ahead, may have properties `connected` (bool)
   and `clock_ahead_s` (seconds, or None).
8. A statement of the account is all of one moment; one that is not complete says nothing, and is never read as empty.
9. The reason of a refusal for lack of margin begins with `reports.INSUFFICIENT_MARGIN`.
10. `has_margin`, where there is one, calculates and sends nothing; None, never an exception, where it cannot say now.
11. `lookup_in`, where there is one, answers as `lookup` does, of an order in that symbol.
12. `check`, where there is one, asks the venue and changes nothing there: it needs no session and ends nobody's.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from ordergate.domain.market import Quote
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import OperationTerms
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
        operations: what orders may do there.
        remembers_s: how long it knows an order that has ended, from when it was sent: whatever it says, absence of what
            was sent before that proves nothing. None is for ever.
        replaces: it changes working orders: their prices, and their quantity too where `changes_quantity`.
        changes_quantity: a replace may name another quantity than the order has; one that does not answers REJECTED.
        grace_s: how long after sending a request may still turn up; absence before then proves nothing.
        calls: how many calls may be under way at once.
        cancel_calls: how many cancels may be under way beside them.
        max_calls_per_s: how many calls a second it takes; None is any number.
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
    operations: frozenset[Operation] = frozenset({Operation.SPOT_TRADE})
    remembers_s: float | None = None
    cancel_calls: int = 0
    max_calls_per_s: int | None = None
    changes_quantity: bool = True

    @property
    def makes_smaller(self) -> bool:
        """Whether a replace can make a working order smaller."""
        return self.replaces and self.changes_quantity


class LoginRefused(Exception):
    """The venue refuses who we are: wrong, expired, or not allowed. The text says which broker, and what to do.

    Nothing is retried by itself: a venue locks out who tries for ever.
    """


class Send(Struct, frozen=True, gc=False, kw_only=True):
    """An order as the venue gets it; quantity in the instrument's unit. Signal and entry price inform, if anything.

    Attributes:
        stop_loss, take_profit: levels that a venue may attach to what the order opens; what it closes by them it tells
            with `Executed.closes`. There is no stop loss where ordergate makes the stops itself.
        expires_at: of a GTD order: when it works no longer.
        operation, terms: what the order does; see `ordergate.domain.orders.operations`.
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
    operation: Operation = Operation.SPOT_TRADE
    terms: OperationTerms | None = None


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
    """How a call ended; `raw` is the venue's reply as it came.

    Attributes:
        retry_after_s: for how long the venue wants no more calls, where it says so or limits how many there may be.
    """

    outcome: Outcome
    broker_order_id: str | None = None
    reason: str | None = None
    raw: str | None = None
    retry_after_s: float | None = None


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
        """Starts the session; reports after `cursor` (all, if None) follow through the sink.

        Raises:
            LoginRefused: the venue refuses who we are.
            BrokerAway: it cannot be reached now. It is tried again, and the other brokers go on.
            StoreError: what the adapter keeps here cannot be used. At a start that ends the node.
        """
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


class SymbolBroker(Broker, Protocol):
    """A broker whose venue is asked for an order symbol by symbol, and that is told which one it is in."""

    async def lookup_in(self, symbol: str, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """As `lookup`, where it is known in which symbol the order is."""
        ...


class MarginBroker(Broker, Protocol):
    """A broker whose venue calculates margin before there is an order."""

    async def has_margin(self, symbol: str, quantity: Decimal) -> bool | None:
        """Whether the account's free margin suffices to buy so much, in the instrument's unit, at the market now.

        None where that cannot be said: the symbol is not traded, or the venue does not answer.
        """
        ...


class DescribingBroker(Broker, Protocol):
    """A broker whose venue describes what is traded there; asked as `check` is, beside whoever has the session."""

    async def instruments(self) -> dict[str, str]:
        """The tables `[instruments.X]` of the symbols that are traded there, by our names, as TOML.

        Raises:
            LoginRefused: the venue refuses who we are.
            StoreError: it cannot be asked now.
        """
        ...


class Health(Struct, frozen=True, gc=False, kw_only=True):
    """What a venue says when it is only asked. None: it did not say, or cannot be asked that.

    Attributes:
        reached: it answered.
        login: it knows who we are.
        clock_ahead_s: by how many seconds its clock is ahead of ours, negative if behind.
        clock_most_s: how many seconds apart it takes requests at most.
        permissions: what our key may do, as the venue calls it.
        may_trade: it may send orders.
        may_withdraw: it may take money out of the account: more than it should.
        open_orders: how many orders work in the account, those of others among them.
        statement: what is in the account can be read.
        problems: what is wrong, each with what would be right; no secret is in there.
        notes: what else a person may want to know.
    """

    reached: bool
    login: bool | None = None
    clock_ahead_s: Decimal | None = None
    clock_most_s: Decimal | None = None
    permissions: tuple[str, ...] | None = None
    may_trade: bool | None = None
    may_withdraw: bool | None = None
    open_orders: int | None = None
    statement: bool | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class CheckableBroker(Broker, Protocol):
    """A broker that can be asked how it is, by a process that is not the owner of its session."""

    async def check(self) -> Health:
        """Asks the venue, read-only; `connect` need not have been called, and `close` is called afterwards.

        Nothing raises for reasons of the venue or the network, a login that is refused included: that is
        `login=False` and a problem that says what the venue said. No order is sent, none is touched, and the session
        of another process goes on.
        """
        ...
