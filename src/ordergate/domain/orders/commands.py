"""What somebody wants, in the imperative, and the reading of the order body that all doors share."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, fields

from ordergate.domain.errors import Code, Invalid, pointer_to, quoted
from ordergate.domain.funds import Fund
from ordergate.domain.identifiers import parse_key, parse_name, parse_order_id
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import parse_positive, plain
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import OperationTerms, parse_operation, parse_terms, side_of
from ordergate.domain.orders.states import Delay, OrderType, Remedy, Side, TimeInForce
from ordergate.domain.orders.terms import check_max_slippage, check_prices, check_time_in_force
from ordergate.domain.times import parse_time

E = TypeVar("E", bound=StrEnum)
COMPENSATES: Final = "compensates"
"""The kind of the key of an order that undoes another; the key is that one's id. It leaves in one piece."""


class SubmitOrder(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Make an order and send it.

    Attributes:
        order_id: None lets the gate name it.
        key_kind, key: what makes the request the same request; `idempotency_key` or `signal_id`;
            `COMPENSATES` and other kinds are ordergate's own.
        lots: ids of the tax lots that its fills close first; for funds whose method is `specific`.
        order_manager, operation, terms, parent_order_id, slice: as in `Order`; no door takes the last two.
    """

    fund_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    key_kind: str
    key: str
    tif: TimeInForce = TimeInForce.DAY
    order_id: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    strategy_id: str | None = None
    broker: str | None = None
    actor: str | None = None
    signal_id: str | None = None
    retry_of: str | None = None
    thesis: str | None = None
    entry_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    expires_at: datetime | None = None
    lots: tuple[str, ...] | None = None
    max_slippage_bps: Decimal | None = None
    max_slippage_pips: Decimal | None = None
    parent_order_id: str | None = None
    order_manager: str | None = None
    slice: int | None = None
    operation: Operation = Operation.SPOT_TRADE
    terms: OperationTerms | None = None

    def fingerprint(self) -> str:
        """SHA-256 of the normalised content: equal content, equal fingerprint, however it was written."""
        content = {name: value for name, value in asdict(self).items() if value is not None}
        if self.operation is Operation.SPOT_TRADE:
            del content[
                "operation"
            ]  # keys that were given before there were others go on standing for the same
        for name in _NUMBERS & content.keys():
            content[name] = plain(content[name])
        return hashlib.sha256(_FINGERPRINT.encode((_FINGERPRINT_VERSION, content))).hexdigest()


class CreateOrder(SubmitOrder, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Make an order and do not send it yet; the same key and content is the same order, whichever of the two asks."""


class SubmitCreated(Struct, frozen=True, gc=False):
    """Send an order that was created; asking again changes nothing."""

    order_id: str


class CancelOrder(Struct, frozen=True, gc=False, kw_only=True):
    """Cancel what is left of an order; asking again while one is open changes nothing."""

    order_id: str
    reason: str | None = None

    def raw(self) -> str | None:
        """The reason as a body of JSON, which the journal keeps; None without one."""
        return None if self.reason is None else msgspec.json.encode({"reason": self.reason}).decode()


class ReplaceOrder(Struct, frozen=True, gc=False, kw_only=True):
    """Change an order's terms; None leaves a term as it is.

    Attributes:
        version: the version that the caller has seen; None takes any.
    """

    order_id: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    version: int | None = None


class AdoptOrder(Struct, frozen=True, gc=False, kw_only=True):
    """Take up an order that works at a broker without our having sent it (found there, or telephoned)."""

    order_id: str
    fund_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    broker: str
    broker_order_id: str
    tif: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    cash_quantity: Decimal | None = None


class Configure(Struct, frozen=True, gc=False):
    """Make the journal know the funds and instruments as configured."""

    funds: tuple[Fund, ...]
    instruments: tuple[Instrument, ...]


class OpenSession(Struct, frozen=True, gc=False):
    """Begin a new epoch of a broker's session on a node; what older epochs sent is settled, not sent again."""

    broker: str
    version: str
    node: str | None = None


class Release(Struct, frozen=True, gc=False):
    """Send an order's request that waits for the broker's session."""

    order_id: str
    number: int


class ExpireOrder(Struct, frozen=True, gc=False, kw_only=True):
    """End an order that never left, for its time is over at `over_at`."""

    order_id: str
    over_at: datetime


class AttendOrder(Struct, frozen=True, gc=False, kw_only=True):
    """Note that something takes too long of an order that was sent, and do something about it.

    Attributes:
        version: of the order that was looked at; nothing is done to any other.
        since: when the delay began.
        limit_price: of a reprice.
    """

    order_id: str
    version: int
    why: Delay
    remedy: Remedy
    since: datetime
    limit_price: Decimal | None = None


OrderCommand = (
    SubmitOrder
    | CreateOrder
    | SubmitCreated
    | CancelOrder
    | ReplaceOrder
    | AdoptOrder
    | Configure
    | OpenSession
    | Release
    | ExpireOrder
    | AttendOrder
)

_NUMBERS: Final = frozenset(
    field.name for field in fields(SubmitOrder) if field.type in (Decimal, Decimal | None)
)
_FINGERPRINT: Final = msgspec.json.Encoder(decimal_format="string", order="sorted")
_FINGERPRINT_VERSION: Final = "order/1"


def parse_choice(choices: type[E], value: object, pointer: str) -> E:
    """A member of an enumeration from its text.

    Raises:
        Invalid: with the choices that there are.
    """
    try:
        return choices(value)  # type: ignore[arg-type]
    except ValueError:
        known = ", ".join(choice.value for choice in choices)
        raise Invalid(Code.BAD_VALUE, f"{quoted(value)} is none of {known}", pointer) from None


LONGEST_REASON: Final = 1_000
_LONGEST_TEXT: Final = 4_000


def parse_reason(value: object, pointer: str) -> str | None:
    """Why an order is canceled: at most 1,000 characters, or None."""
    return None if value is None else _text(value, pointer, LONGEST_REASON)


def _text(value: object, pointer: str, longest: int = _LONGEST_TEXT) -> str:
    if not isinstance(value, str):
        raise Invalid(Code.WRONG_TYPE, f"{quoted(value)} is not text", pointer)
    if not value.isascii() and value.encode(errors="ignore").decode() != value:
        raise Invalid(Code.BAD_VALUE, "holds text that is no Unicode", pointer)
    if len(value) > longest:
        raise Invalid(Code.BAD_VALUE, f"{len(value)} characters are too many: at most {longest}", pointer)
    return value


MOST_LOTS: Final = 100
_LONGEST_LOT: Final = 400


def _lots(value: object, pointer: str) -> tuple[str, ...]:
    """Ids of tax lots: some, none twice."""
    if not isinstance(value, list | tuple):
        raise Invalid(
            Code.WRONG_TYPE, f"{quoted(value)} is no list: write the ids of lots as an array", pointer
        )
    if not 0 < len(value) <= MOST_LOTS:
        detail = f"{len(value)} lots are named: name 1 to {MOST_LOTS}, or leave the field out"
        raise Invalid(Code.BAD_VALUE, detail, pointer)
    lots = tuple(_text(one, f"{pointer}/{at}", _LONGEST_LOT) for at, one in enumerate(value))
    for at, one in enumerate(lots):
        if not one or one in lots[:at]:
            wrong = "names the same lot again" if one else "is no id of a lot"
            raise Invalid(Code.BAD_VALUE, f"{quoted(one)} {wrong}", f"{pointer}/{at}")
    return lots


_FIELDS: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "order_id": parse_order_id,
    "idempotency_key": parse_key,
    "symbol": parse_key,
    "side": lambda v, p: parse_choice(Side, v, p),
    "quantity": parse_positive,
    "order_type": lambda v, p: parse_choice(OrderType, v, p),
    "limit_price": parse_positive,
    "stop_price": parse_positive,
    "tif": lambda v, p: parse_choice(TimeInForce, v, p),
    "fund_id": parse_name,
    "strategy_id": parse_name,
    "order_manager": parse_key,
    "broker": parse_name,
    "actor": parse_name,
    "signal_id": parse_key,
    "retry_of": parse_order_id,
    "thesis": _text,
    "entry_price": parse_positive,
    "stop_loss": parse_positive,
    "take_profit": parse_positive,
    "expires_at": parse_time,
    "lots": _lots,
    "max_slippage_bps": parse_positive,
    "max_slippage_pips": parse_positive,
    "operation": parse_operation,
    "terms": parse_terms,
}
ORDER_FIELDS: Final = tuple(_FIELDS)
_NEEDED: Final = ("idempotency_key", "fund_id", "symbol", "side", "quantity", "order_type")


def check_fields(body: object, known: tuple[str, ...]) -> Mapping[str, object]:
    """The body as a mapping that has no field but the known ones.

    Raises:
        Invalid: it is no object, or has another field.
    """
    if not isinstance(body, Mapping):
        raise Invalid(Code.WRONG_TYPE, f"expected a JSON object, got {type(body).__name__}", None)
    for name in body:
        if name not in known:
            raise Invalid(
                Code.UNKNOWN_FIELD, f"no such field; there are {', '.join(known)}", pointer_to(str(name))
            )
    return body


def parse_order(body: object) -> SubmitOrder:
    """The order request of `POST /v1/orders`: decimals as text or JSON numbers read as Decimal.

    Raises:
        Invalid: naming the field, its value and what would be right.
    """
    fields = check_fields(body, ORDER_FIELDS)
    values = {n: _FIELDS[n](v, f"#/{n}") for n, v in fields.items() if v is not None}
    values = {**_implied(values.get("operation")), **values}
    for name in _NEEDED:
        if name not in values:
            raise Invalid(Code.MISSING, "is missing", f"#/{name}")
    key = values.pop("idempotency_key")
    order = SubmitOrder(key_kind="idempotency_key", key=key, **values)
    check_prices(order.order_type, order.limit_price, order.stop_price)
    check_time_in_force(order.order_type, order.tif, order.expires_at)
    check_max_slippage(order.order_type, order.max_slippage_bps, order.max_slippage_pips)
    return order


def _implied(operation: Operation | None) -> dict[str, Any]:
    """What an operation that is no trade need not say."""
    if operation is None or operation.is_trade:
        return {}
    return {"side": side_of(operation), "order_type": OrderType.MARKET, "tif": TimeInForce.GTC}
