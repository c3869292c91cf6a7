"""What the venue's transactions write, and how it becomes rows."""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct, field

from ordergate.adapters.brokers.paper.orders import Status, VenueOrder
from ordergate.adapters.brokers.paper.records import Record
from ordergate.adapters.brokers.paper.terms_text import (
    deltas_text,
    operation_name,
    read_deltas,
    read_operation,
    read_terms,
    terms_text,
)
from ordergate.domain.market import Quote
from ordergate.domain.money import text
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.domain.times import format_time

ORDER_COLUMNS: Final = (
    "number, client_id, symbol, side, quantity, order_type, tif, limit_price, stop_price, entered, expires,"
    " triggered, priority, filled, fills, status, reason, operation, terms"
)

time_text = lru_cache(maxsize=64)(format_time)
"""Times as text; one of them stands in many rows of a batch."""


class Request(Struct, frozen=True, gc=False):
    """A request that arrived; `refused` says why it was not done."""

    client_id: str
    kind: str
    order_number: int | None
    refused: str | None
    time: datetime


class QuoteRow(Struct, frozen=True, gc=False):
    """A quote and what is left of its sizes."""

    quote: Quote
    bid_left: Decimal | None
    ask_left: Decimal | None


class Execution(Struct, frozen=True, gc=False):
    """A trade of an order, with the market that it was done at; `client_id` is the order's, whose row keeps it."""

    order_number: int
    number: int
    exec_id: str
    time: datetime
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str | None
    quote: Quote
    client_id: str = ""
    deltas: tuple[Delta, ...] | None = None


class Contract(Struct, frozen=True, gc=False):
    """What is open of a perpetual contract: `quantity` in its unit, and what was agreed for that, both signed."""

    symbol: str
    quantity: Decimal
    cost: Decimal


Sent = tuple[str, str]
"""Where transfers went, and of which token."""


class Batch(Struct):
    """What one transaction writes.

    Attributes:
        quotes: the last of each symbol; they wait for a transaction, unless one is pinned.
        taken: the numbers of the quotes among them that another node handed over.
    """

    orders: dict[int, VenueOrder] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    reports: list[tuple[int, Record]] = field(default_factory=list)
    quotes: dict[str, QuoteRow] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)
    sent: dict[Sent, Decimal] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)
    pinned: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is nothing that must be written."""
        return not (self.requests or self.orders or self.pinned)


def _maybe(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def _number(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def request_row(request: Request) -> tuple[Any, ...]:
    """The columns of `requests`."""
    at = time_text(request.time)
    return request.client_id, str(request.kind), request.order_number, request.refused, at


def read_request(row: tuple[Any, ...]) -> Request:
    """A row of `requests`."""
    client_id, kind, number, refused, at = row
    return Request(client_id, kind, number, refused, datetime.fromisoformat(at))


def execution_row(execution: Execution) -> tuple[Any, ...]:
    """The columns of `executions`."""
    quote = execution.quote
    return (
        execution.order_number,
        execution.number,
        execution.exec_id,
        time_text(execution.time),
        execution.symbol,
        str(execution.side),
        text(execution.quantity),
        text(execution.price),
        text(execution.fee),
        execution.fee_currency,
        text(quote.bid),
        text(quote.ask),
        time_text(quote.time),
        deltas_text(execution.deltas),
    )


def read_execution(row: tuple[Any, ...]) -> Execution:
    """A row of `executions`, with the client id of its order."""
    (
        number,
        fill,
        exec_id,
        at,
        symbol,
        side,
        quantity,
        price,
        fee,
        currency,
        bid,
        ask,
        quoted_at,
        deltas,
        client_id,
    ) = row
    return Execution(
        order_number=number,
        number=fill,
        exec_id=exec_id,
        time=datetime.fromisoformat(at),
        symbol=symbol,
        side=Side(side),
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_currency=currency,
        quote=Quote(symbol, datetime.fromisoformat(quoted_at), Decimal(bid), Decimal(ask)),
        client_id=client_id,
        deltas=read_deltas(deltas),
    )


def report_row(entry: tuple[int, Record]) -> tuple[Any, ...]:
    """The columns of `reports`."""
    number, record = entry
    return record.sequence, number, type(record.report).__name__, record.report.raw


def quote_row(row: QuoteRow) -> tuple[Any, ...]:
    """The columns of `quotes`."""
    quote = row.quote
    sizes = (_maybe(quote.bid_size), _maybe(quote.ask_size))
    left = (_maybe(row.bid_left), _maybe(row.ask_left))
    prices = (text(quote.bid), text(quote.ask))
    return (quote.symbol, time_text(quote.time), *prices, *sizes, int(quote.pinned), *left)


def read_quote(row: tuple[Any, ...]) -> QuoteRow:
    """A row of `quotes`."""
    symbol, at, bid, ask, bid_size, ask_size, pinned, bid_left, ask_left = row
    sizes = _number(bid_size), _number(ask_size)
    quote = Quote(symbol, datetime.fromisoformat(at), Decimal(bid), Decimal(ask), *sizes, bool(pinned))
    return QuoteRow(quote, _number(bid_left), _number(ask_left))


def contract_row(contract: Contract) -> tuple[Any, ...]:
    """The columns of `contracts`."""
    return contract.symbol, text(contract.quantity), text(contract.cost)


def sent_row(entry: tuple[Sent, Decimal]) -> tuple[Any, ...]:
    """The columns of `sent`."""
    (target, token), amount = entry
    return target, token, text(amount)


def read_contract(row: tuple[Any, ...]) -> Contract:
    """A row of `contracts`."""
    symbol, quantity, cost = row
    return Contract(symbol, Decimal(quantity), Decimal(cost))


def order_row(order: VenueOrder) -> tuple[Any, ...]:
    """The columns of `orders`; SQLite takes long to find out what to do with a text that is not exactly str."""
    return (
        order.number,
        order.client_id,
        order.symbol,
        str(order.side),
        text(order.quantity),
        str(order.order_type),
        str(order.tif),
        _maybe(order.limit_price),
        _maybe(order.stop_price),
        time_text(order.entered),
        None if order.expires is None else time_text(order.expires),
        int(order.triggered),
        order.priority,
        text(order.filled),
        order.fills,
        str(order.status),
        order.reason,
        operation_name(order.operation),
        terms_text(order.terms),
    )


def read_order(row: tuple[Any, ...]) -> VenueOrder:
    """A row of `orders`."""
    return VenueOrder(
        number=row[0],
        client_id=row[1],
        symbol=row[2],
        side=Side(row[3]),
        quantity=Decimal(row[4]),
        order_type=OrderType(row[5]),
        tif=TimeInForce(row[6]),
        limit_price=_number(row[7]),
        stop_price=_number(row[8]),
        entered=datetime.fromisoformat(row[9]),
        expires=None if row[10] is None else datetime.fromisoformat(row[10]),
        triggered=bool(row[11]),
        priority=row[12],
        filled=Decimal(row[13]),
        fills=row[14],
        status=Status(row[15]),
        reason=row[16],
        operation=read_operation(row[17]),
        terms=read_terms(row[18]),
    )
