"""What the venue keeps as PostgreSQL's values: NUMERIC, timestamptz, BIGINT. Nothing goes through text."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from ordergate.adapters.brokers.paper.orders import Status, VenueOrder
from ordergate.adapters.brokers.paper.records import Record, decode
from ordergate.adapters.brokers.paper.rows import Batch, Contract, Execution, QuoteRow, Request
from ordergate.adapters.brokers.paper.terms_text import (
    deltas_text,
    operation_name,
    read_deltas,
    read_operation,
    read_terms,
    terms_text,
)
from ordergate.domain.market import Quote
from ordergate.domain.money import without_exponent
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

Row = Mapping[str, Any]
# A call of an enumeration takes several times as long, and a start reads every open order.
_SIDES: Final = {str(one): one for one in Side}
_ORDER_TYPES: Final = {str(one): one for one in OrderType}
_TIFS: Final = {str(one): one for one in TimeInForce}
_STATUSES: Final = {str(one): one for one in Status}


def columns_of(batch: Batch) -> list[Sequence[Any]]:
    """The lists that the writing statement takes, table after table."""
    return [
        *_turned(map(_request, batch.requests.values()), 5),
        *_turned(map(_order, batch.orders.values()), 19),
        *_turned(map(_execution, batch.executions), 14),
        *_turned(map(_report, batch.reports), 4),
        *_turned(map(_quote, batch.quotes.values()), 9),
        *_turned(map(_contract, batch.contracts.values()), 3),
        *_turned(((*to, amount) for to, amount in batch.sent.items()), 3),
    ]


def read_request(row: Row) -> Request:
    """Of the reading statement, which names a request's columns so."""
    return Request(
        row["request_client_id"],
        row["request_kind"],
        row["request_order_number"],
        row["request_refused"],
        _utc(row["request_time"]),
    )


def read_order(row: Row) -> VenueOrder:
    """A row of `orders`."""
    return VenueOrder(
        number=row["number"],
        client_id=row["client_id"],
        symbol=row["symbol"],
        side=_SIDES[row["side"]],
        quantity=without_exponent(row["quantity"]),
        order_type=_ORDER_TYPES[row["order_type"]],
        tif=_TIFS[row["tif"]],
        limit_price=_number(row["limit_price"]),
        stop_price=_number(row["stop_price"]),
        entered=_utc(row["entered"]),
        expires=None if row["expires"] is None else _utc(row["expires"]),
        triggered=row["triggered"],
        priority=row["priority"],
        filled=without_exponent(row["filled"]),
        fills=row["fills"],
        status=_STATUSES[row["status"]],
        reason=row["reason"],
        operation=read_operation(row["operation"]),
        terms=read_terms(row["terms"]),
    )


def read_execution(row: Row) -> Execution:
    """A row of `executions`, with the client id of its order."""
    bid, ask = without_exponent(row["bid"]), without_exponent(row["ask"])
    return Execution(
        order_number=row["order_number"],
        number=row["number"],
        exec_id=row["exec_id"],
        time=_utc(row["time"]),
        symbol=row["symbol"],
        side=Side(row["side"]),
        quantity=without_exponent(row["quantity"]),
        price=without_exponent(row["price"]),
        fee=without_exponent(row["fee"]),
        fee_currency=row["fee_currency"],
        quote=Quote(row["symbol"], _utc(row["quote_time"]), bid, ask),
        client_id=row["client_id"],
        deltas=read_deltas(row["deltas"]),
    )


def read_record(row: Row) -> Record:
    """A row of `reports`."""
    return Record(row["sequence"], decode(row["kind"], row["body"]))


def read_quote(row: Row) -> Quote:
    """A row of `quotes` or `handed`: one that was set by hand."""
    sizes = _number(row["bid_size"]), _number(row["ask_size"])
    bid, ask = without_exponent(row["bid"]), without_exponent(row["ask"])
    return Quote(row["symbol"], _utc(row["time"]), bid, ask, *sizes, pinned=True)


def read_quote_row(row: Row) -> QuoteRow:
    """A row of `quotes`."""
    return QuoteRow(read_quote(row), bid_left=_number(row["bid_left"]), ask_left=_number(row["ask_left"]))


def read_contract(row: Row) -> Contract:
    """A row of `contracts`."""
    return Contract(row["symbol"], without_exponent(row["quantity"]), without_exponent(row["cost"]))


def _number(value: Decimal | None) -> Any:
    # asyncpg gives 100000 as 1.0E+5, and so would what the venue reports.
    return None if value is None else without_exponent(value)


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _turned(rows: Iterable[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * width


def _request(request: Request) -> tuple[Any, ...]:
    return request.client_id, str(request.kind), request.order_number, request.refused, request.time


def _order(order: VenueOrder) -> tuple[Any, ...]:
    return (
        order.number,
        order.client_id,
        order.symbol,
        order.side,
        order.quantity,
        order.order_type,
        order.tif,
        order.limit_price,
        order.stop_price,
        order.entered,
        order.expires,
        order.triggered,
        order.priority,
        order.filled,
        order.fills,
        order.status,
        order.reason,
        operation_name(order.operation),
        terms_text(order.terms),
    )


def _execution(execution: Execution) -> tuple[Any, ...]:
    quote = execution.quote
    return (
        execution.order_number,
        execution.number,
        execution.exec_id,
        execution.time,
        execution.symbol,
        execution.side,
        execution.quantity,
        execution.price,
        execution.fee,
        execution.fee_currency,
        quote.bid,
        quote.ask,
        quote.time,
        deltas_text(execution.deltas),
    )


def _contract(contract: Contract) -> tuple[Any, ...]:
    return contract.symbol, contract.quantity, contract.cost


def _report(entry: tuple[int, Record]) -> tuple[Any, ...]:
    number, record = entry
    return record.sequence, number, type(record.report).__name__, record.report.raw


def _quote(row: QuoteRow) -> tuple[Any, ...]:
    quote = row.quote
    prices = quote.bid, quote.ask, quote.bid_size, quote.ask_size
    return quote.symbol, quote.time, *prices, quote.pinned, row.bid_left, row.ask_left
