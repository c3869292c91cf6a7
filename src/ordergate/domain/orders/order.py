"""The order: a value. Events replace it; nothing mutates it."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from ordergate.domain.algos.terms import AlgoTerms
from ordergate.domain.identifiers import client_order_id
from ordergate.domain.money import ONE, ZERO, divide
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import OperationTerms
from ordergate.domain.orders.states import (
    TERMINAL,
    Delay,
    Mark,
    OrderType,
    Phase,
    Protection,
    RequestKind,
    Side,
    State,
    TimeInForce,
)


class Request(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One question of ours to a broker that has no answer yet.

    Attributes:
        number: counts the order's requests from 1; a resend of the same attempt keeps it.
        client_id: what the broker knows the request by.
        epoch: of the broker session that sent it; None until sent.
        quantity, limit_price, stop_price: the terms that a replace asks for; None leaves them.
        repeated: it was sent again without proof that it had not arrived before; so that the repeat was not
            sent proves nothing.
        cuts: ordergate asks for it, as a stop has traded and the order would close more than is left.
    """

    number: int
    kind: RequestKind
    client_id: str
    phase: Phase = Phase.READY
    epoch: int | None = None
    sent_at: datetime | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    repeated: bool = False
    cuts: bool = False


class Overdue(Struct, frozen=True, gc=False, omit_defaults=True):
    """A delay that was noticed: when last, and how often."""

    why: Delay
    at: datetime
    times: int = 1


class Order(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An order and everything that is known about it.

    Attributes:
        quantity: in the instrument's unit; 0 where `cash_quantity` is given and the broker names it later.
        filled_quantity, filled_value: sums over the executions that count: quantity, quantity x price.
        ratio: product of the ratios of all restatements (splits); scales executions booked before.
        client_id: of the last accepted submit or replace.
        version: counts changes.
        arrival_bid, arrival_ask: the market when the order was created; None without a quote.
        entry_price, stop_loss, take_profit: the signal's levels.
        reason_code, reason: why it was rejected, canceled, expired or failed.
        reference_price: what the risk gate measured it at; None where no limit needed a price.
        awaits: the external gates, or the person, whose answer it waits for.
        decide_by: when it waits no longer.
        lots: ids of the tax lots that its fills close first, in this order, where the fund's method is `specific`.
        max_slippage_bps, max_slippage_pips: how much worse than the arrival mid it may trade; None is any.
        overdue: delays that were noticed, one a kind.
        protect: what each of its fills is given; None where nothing is.
        parent_order_id: the entry whose fills it protects or, at its broker, has closed; or (with a `slice`) the parent
            that it is a part of.
        slice: which slice of its parent it is; None of any other order.
        algo: how a parent is worked, by children; no broker has the parent itself.
        order_manager: the identifier of what emitted it, such as a rebalance, of which there may be a record.
        operation: what it does; `terms` what it needs for that, where it is no trade.
        route: the brokers of the rule that chose its broker, in the order of failover; None where none did.
    """

    order_id: str
    fund_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    tif: TimeInForce
    broker: str
    state: State
    created_at: datetime
    updated_at: datetime
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    cash_quantity: Decimal | None = None
    strategy_id: str | None = None
    actor: str | None = None
    idempotency_key: str | None = None
    signal_id: str | None = None
    retry_of: str | None = None
    thesis: str | None = None
    entry_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    expires_at: datetime | None = None
    arrival_bid: Decimal | None = None
    arrival_ask: Decimal | None = None
    version: int = 1
    filled_quantity: Decimal = ZERO
    filled_value: Decimal = ZERO
    ratio: Decimal = ONE
    client_id: str | None = None
    broker_order_id: str | None = None
    accepted_at: datetime | None = None
    submitted_at: datetime | None = None
    acknowledged_at: datetime | None = None
    filled_at: datetime | None = None
    ended_at: datetime | None = None
    confirmed: bool = False
    marks: tuple[Mark, ...] = ()
    reason_code: str | None = None
    reason: str | None = None
    request_count: int = 0
    requests: tuple[Request, ...] = ()
    reference_price: Decimal | None = None
    awaits: tuple[str, ...] | None = None
    decide_by: datetime | None = None
    lots: tuple[str, ...] | None = None
    max_slippage_bps: Decimal | None = None
    max_slippage_pips: Decimal | None = None
    overdue: tuple[Overdue, ...] | None = None
    protect: Protection | None = None
    parent_order_id: str | None = None
    order_manager: str | None = None
    slice: int | None = None
    algo: AlgoTerms | None = None
    operation: Operation = Operation.SPOT_TRADE
    terms: OperationTerms | None = None
    route: tuple[str, ...] | None = None

    @property
    def guards(self) -> bool:
        """Whether it protects what an entry has opened; such an order gives way to others that close the position."""
        return self.parent_order_id is not None and self.slice is None

    @property
    def by_broker(self) -> bool:
        """Whether its broker made it by itself, to close what an entry of ours had opened there."""
        return self.guards and not self.request_count and self.broker_order_id is not None

    @property
    def waits(self) -> bool:
        """Whether a request of it waits for an answer that may still come."""
        return any(request.phase in (Phase.READY, Phase.SENT, Phase.UNKNOWN) for request in self.requests)

    def noticed(self, why: Delay) -> Overdue | None:
        """The delay of that kind, where it was noticed."""
        if self.overdue is None:
            return None
        return next((one for one in self.overdue if one.why is why), None)

    @property
    def leaves_quantity(self) -> Decimal:
        """What can still be filled: 0 after the end, and for a DAY order that is done for the day."""
        if self.state in TERMINAL or (Mark.DONE_FOR_DAY in self.marks and self.tif is TimeInForce.DAY):
            return ZERO
        return max(self.quantity - self.filled_quantity, ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """Of the executions that count, to 10 places; None without any. For showing only."""
        return divide(self.filled_value, self.filled_quantity, 10) if self.filled_quantity else None

    def open_request(self, kind: RequestKind) -> Request | None:
        """The last open request of that kind."""
        for request in reversed(self.requests):
            if request.kind is kind:
                return request
        return None

    @property
    def accepted_number(self) -> int:
        """The number of the last accepted submit or replace; 0 before any."""
        return int(self.client_id.rpartition(".")[2]) if self.client_id is not None else 0

    def request(self, number: int) -> Request | None:
        """The open request with that number."""
        for request in self.requests:
            if request.number == number:
                return request
        return None

    def overtaken(self, request: Request) -> bool:
        """Whether sending a replace now would undo a later one: their numbers are the order in which they count."""
        if request.kind is not RequestKind.REPLACE:
            return False
        later = (r for r in self.requests if r.kind is RequestKind.REPLACE and r.number > request.number)
        return self.accepted_number > request.number or any(r.phase is not Phase.READY for r in later)

    def next_request(
        self, kind: RequestKind, epoch: int | None = None, sent_at: datetime | None = None
    ) -> Request:
        """A fresh request of that kind, numbered after the last: sent in that epoch, or (None) waiting."""
        number = self.request_count + 1
        client_id = client_order_id(self.order_id, number)
        if epoch is None:
            return Request(number=number, kind=kind, client_id=client_id)
        return Request(
            number=number, kind=kind, client_id=client_id, phase=Phase.SENT, epoch=epoch, sent_at=sent_at
        )

    def with_request(self, request: Request) -> "Order":
        """The same order with that request open, in place of one of the same number."""
        requests = tuple(sorted((*self.other_requests(request.number), request), key=lambda r: r.number))
        return replace(self, requests=requests, request_count=max(self.request_count, request.number))

    def without_request(self, number: int) -> "Order":
        """The same order with that request answered."""
        return replace(self, requests=self.other_requests(number))

    def other_requests(self, number: int) -> tuple[Request, ...]:
        """The open requests but that one."""
        return tuple([r for r in self.requests if r.number != number])
