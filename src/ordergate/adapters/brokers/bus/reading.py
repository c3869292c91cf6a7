"""What comes from connectors that speak otherwise: raw fills and errors, made reports of ours.

A fill names its order by `order_id`, by an MT5 comment `order_id:ID`, or by the broker's ticket; side, symbol and the
price that was expected are the order's where it does not name them.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from ordergate.adapters.brokers.bus import wire
from ordergate.adapters.brokers.bus.settings import Subjects
from ordergate.domain.errors import Invalid
from ordergate.domain.exact_json import parse_json
from ordergate.domain.money import ZERO, exact
from ordergate.domain.orders.reports import Answered, AnyReport, Executed, Outcome, RequestRefused
from ordergate.domain.orders.states import RequestKind, Side
from ordergate.domain.times import format_time, parse_time

_COMMENT: Final = re.compile(r"order_id:\s*([A-Za-z0-9][A-Za-z0-9_.-]{0,35})")
# An id of ours that a terminal has cut: its comments have room for 31 characters at most. What is shorter, or another
# word, is an id that a caller has chosen.
_CUT: Final = re.compile(r"ord-[0-9a-hjkmnp-tv-z]{7,25}")
_EXEC_IDS: Final = ("fill_id", "exec_id", "execution_id", "deal_id", "deal_ticket", "deal", "trade_id")
_ORDER_IDS: Final = ("client_id", "client_order_id", "order_id")
_TICKETS: Final = ("broker_order_id", "ticket", "order_ticket", "order")
_QUANTITIES: Final = ("volume", "fill_quantity", "quantity", "qty")
_PRICES: Final = ("price", "fill_price")
_TIMES: Final = ("timestamp", "fill_time", "time", "timestamp_ms", "time_msc")
_REASONS: Final = ("reason", "error_message", "message", "error")
_CODES: Final = ("retcode", "error_code", "code")
_SIDES: Final = ("side", "order_type", "direction", "type")
# Answers of an MT5 terminal to a new order that prove that nothing was done; after the others it may be there.
# Those to what changes or closes (10023, 10029, 10036, 10038, 10039) say nothing of it.
_REFUSALS: Final = frozenset(
    (
        10006,
        10007,
        *range(10013, 10020),
        10022,
        10026,
        10027,
        10030,
        *range(10032, 10036),
        *range(10040, 10047),
    )
)
_BY_NAME: Final = {side.value: side for side in Side}
_REFUSED: Final = ("rejected", "refused", "reject")
_REQUESTS: Final = {
    "cancel": RequestKind.CANCEL,
    "replace": RequestKind.REPLACE,
    "modify": RequestKind.REPLACE,
}
_MESSAGE_ID: Final = "Nats-Msg-Id"
_LARGEST_SECONDS: Final = 10**11
"""A larger number counts milliseconds."""
_LONGEST_ID: Final = 128
_log = structlog.get_logger("ordergate.brokers.bus")


class Unreadable(Exception):
    """What came is no report; with a code for the dead letters."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Came(Struct, frozen=True, kw_only=True):
    """A message of the stream.

    Attributes:
        at: when the server took it.
        cursor: its place, for the journal.
        place: the stream and the number in it.
    """

    subject: str
    data: bytes
    headers: Mapping[str, str] | None
    at: datetime
    cursor: str
    place: str


class Refused(RequestRefused, frozen=True, kw_only=True):
    """In words that may name the order alone: its cancel or its replace was refused, as `request` says."""

    request: RequestKind


def reports_of(broker: str, subjects: Subjects, came: Came) -> AnyReport:
    """What a message says.

    Raises:
        Unreadable: nothing that could be understood.
    """
    try:
        text = came.data.decode()
    except UnicodeDecodeError:
        raise Unreadable("not_json", "it is not UTF-8") from None
    if came.subject == subjects.reports:
        return _ours(broker, came, text)
    try:
        fields = parse_json(text)
        if not isinstance(fields, Mapping):
            raise Unreadable("wrong_type", "it is no JSON object")
        given = {name: value for name, value in fields.items() if value is not None}
        if _is_error(came.subject):
            return _error(broker, came, text, given)
        return _fill(broker, came, text, given)
    except Invalid as error:
        raise Unreadable(str(error.code), str(error)) from None


def _ours(broker: str, came: Came, text: str) -> AnyReport:
    try:
        said = wire.REPORT.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable("bad_report", f"it is no report: {error}") from None
    if said.client_id is None and isinstance(said, wire.RequestRefused):
        raise Unreadable("missing", "it names no request: client_id is not there")
    if said.client_id is None and said.broker_order_id is None:
        raise Unreadable("missing", "it names no order: neither client_id nor broker_order_id is there")
    return wire.report_of(said, broker, came.cursor, text)


def _is_error(subject: str) -> bool:
    return "error" in subject.split(".")


def _fill(broker: str, came: Came, text: str, fields: Mapping[str, Any]) -> AnyReport:
    client_id, ticket = _names(fields)
    quantity, price = _number(fields, _QUANTITIES), _number(fields, _PRICES)
    if quantity is None or price is None:
        lacks = " or ".join(_QUANTITIES if quantity is None else _PRICES)
        raise Unreadable("missing", f"a fill names no {lacks}")
    return Executed(
        broker=broker,
        client_id=client_id,
        broker_order_id=ticket,
        cursor=came.cursor,
        raw=text,
        exec_id=_exec_id(came, fields, ticket),
        time=_time(fields, came),
        quantity=quantity,
        price=price,
        fee=_fee(fields),
        fee_currency=_text(fields, ("fee_currency", "commission_currency")),
        symbol=_text(fields, ("symbol",)),
        side=_side(fields),
    )


def _error(broker: str, came: Came, text: str, fields: Mapping[str, Any]) -> AnyReport:
    """A refusal where it is proven, else doubt: the order may be there all the same. `Names` knows what was asked."""
    client_id, ticket = _names(fields)
    code, said = _code(fields), _text(fields, _REASONS)
    reason = " ".join(part for part in (None if code is None else str(code), said) if part) or "an error"
    common: dict[str, Any] = {
        "broker": broker, "client_id": client_id, "broker_order_id": ticket, "cursor": came.cursor, "raw": text,
        "reason": reason,
    }  # fmt: skip
    request = _REQUESTS.get(str(fields.get("request")))
    if request is not None:
        return Refused(request=request, **common)
    refused = code in _REFUSALS or str(fields.get("status", "")).lower() in _REFUSED
    return Answered(outcome=Outcome.REJECTED if refused else Outcome.UNKNOWN, **common)


def _names(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The order's name here, and at the broker; what is left of a cut comment is no name where there is a ticket."""
    comment = _COMMENT.search(str(fields.get("comment", "")))
    ticket = _text(fields, _TICKETS)
    in_comment = comment[1] if comment else None
    if in_comment is not None and ticket is not None and _CUT.fullmatch(in_comment):
        in_comment = None
    ours = _text(fields, _ORDER_IDS) or in_comment
    if ours is None and ticket is None:
        detail = "it names no order: order_id, a comment order_id:ID, or a ticket is needed"
        raise Unreadable("missing", detail)
    return ours, ticket


def _exec_id(came: Came, fields: Mapping[str, Any], ticket: str | None) -> str:
    """The broker's, else the message's; else what it says: told twice in the same words, it happened once."""
    given = _text(fields, _EXEC_IDS) or (came.headers or {}).get(_MESSAGE_ID)
    if given:
        return (
            given if len(given) <= _LONGEST_ID else hashlib.sha256(given.encode(errors="replace")).hexdigest()
        )
    digest = hashlib.sha256(came.data).hexdigest()[:24]
    return f"{ticket[:64]}-{digest}" if ticket else digest


def _text(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = fields.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value):
            return str(value)
    return None


def _number(fields: Mapping[str, Any], names: tuple[str, ...]) -> Decimal | None:
    found = next((name for name in names if name in fields), None)
    return None if found is None else exact(fields[found], f"#/{found}")


def _fee(fields: Mapping[str, Any]) -> Decimal:
    """A commission is a cost whichever sign it has; a swap is paid where it is below zero, as a terminal shows it."""
    return abs(_number(fields, ("commission", "fee")) or ZERO) - (_number(fields, ("swap",)) or ZERO)


def _time(fields: Mapping[str, Any], came: Came) -> datetime:
    """As it says; the server's where it says none, or none that can be read: a fill is booked all the same."""
    found = next((name for name in _TIMES if name in fields), None)
    if found is None:
        return came.at
    try:
        return _time_of(fields[found], f"#/{found}")
    except (Invalid, OverflowError) as error:
        _log.warning(
            "the time of a fill cannot be read: it is booked with the server's",
            message=came.place,
            error=str(error),
            time=format_time(came.at),
        )
        return came.at


def _time_of(given: Any, pointer: str) -> datetime:
    """Raises Invalid or OverflowError where it is none."""
    if isinstance(given, str) and not given.replace(".", "", 1).isdecimal():
        return parse_time(given, pointer)
    number = exact(given, pointer)
    seconds = number / 1000 if number >= _LARGEST_SECONDS else number
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(seconds * 1_000_000))


def _code(fields: Mapping[str, Any]) -> int | None:
    given = next((fields[name] for name in _CODES if name in fields), None)
    text = str(given)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _side(fields: Mapping[str, Any]) -> Side | None:
    """As it says; what is no side is left to the order."""
    for name in _SIDES:
        side = _BY_NAME.get(str(fields.get(name, "")).lower())
        if side is not None:
            return side
    return None
