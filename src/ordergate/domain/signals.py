"""Approved trading signals, as two kinds of strategy systems write them, and the order that they mean.

One dialect names `signal_type` and `position_size`, the other `direction` and `volume`; both carry an entry
price, a stop loss and a take profit, which are kept on the order.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.domain.errors import Code, Invalid, pointer_to, quoted
from ordergate.domain.identifiers import parse_key, parse_name
from ordergate.domain.money import parse_positive, text
from ordergate.domain.orders.states import Side
from ordergate.domain.times import parse_time

APPROVED: Final = "approved"
SKEW: Final = timedelta(seconds=60)
"""By which a strategy's clock may be ahead of ours."""


class Signal(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A wish of a strategy.

    Attributes:
        action: as written: buy, sell, hold, close_long, close_short, long, short.
        quantity: in the instrument's unit; None where the signal names none.
        idempotency_key: what it is known again by, where the configuration says so; else it changes nothing.
        approved: whether risk management let it pass; a signal that says nothing about it counts as approved.
        disapproval: what it said instead.
        order_manager: what emitted it, as in `Order`.
        raw: the JSON as it came, for the journal; None where there was none.
    """

    signal_id: str
    symbol: str
    action: str
    quantity: Decimal | None = None
    time: datetime | None = None
    entry_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    expires_at: datetime | None = None
    strategy_id: str | None = None
    fund_id: str | None = None
    idempotency_key: str | None = None
    approved: bool = True
    disapproval: str | None = None
    order_manager: str | None = None
    raw: str | None = None

    @property
    def side(self) -> Side:
        """What the action means for an order.

        Raises:
            Invalid: it means no order (`hold`), or nothing.
        """
        side = _SIDES.get(self.action)
        if side is None:
            detail = f"{quoted(self.action)} makes no order; {', '.join(_SIDES)} do"
            raise Invalid(Code.SIGNAL_NO_ORDER, detail, "#/signal_type")
        return side

    def check_levels(self) -> None:
        """Of a signal that opens, the levels lie on their sides of its own entry price; without one, anywhere.

        Raises:
            Invalid: the stop loss of one that buys is above it, or the take profit below; of one that sells, the other
                way round.
        """
        sign = _OPENS.get(self.action)
        if sign is None or self.entry_price is None:
            return
        for name, level, wrong in (
            ("stop_loss", self.stop_loss, sign),
            ("take_profit", self.take_profit, -sign),
        ):
            if level is not None and (level - self.entry_price) * wrong > 0:
                side = "below" if wrong > 0 else "above"
                detail = f"{text(level)} must not be {_ELSE[side]} the entry price {text(self.entry_price)}: "
                detail += f"the {name} of a signal to {self.action} lies {side} it"
                raise Invalid(Code.BAD_VALUE, detail, f"#/{name}")


class SubmitSignal(Struct, frozen=True, gc=False):
    """Turn an approved signal into an order, or journal why not."""

    signal: Signal


class CreateFromSignal(SubmitSignal, frozen=True, gc=False):
    """Turn an approved signal into an order that is created and not sent, or journal why not.

    Attributes:
        order_type: None takes the one that signals have.
    """

    order_type: str | None = None


_SIDES: Final[Mapping[str, Side]] = {
    "buy": Side.BUY,
    "sell": Side.SELL,
    "long": Side.BUY,
    "short": Side.SHORT,
    "close_long": Side.SELL,
    "close_short": Side.COVER,
}
_OPENS: Final[Mapping[str, int]] = {"buy": 1, "long": 1, "sell": -1, "short": -1}
_ELSE: Final = {"below": "above", "above": "below"}
_ID, _ACTION = ("signal_id", "id"), ("signal_type", "direction")
_QUANTITY = ("position_size", "volume", "position_size_recommended")
_EXPIRY, _TIME = ("expires_at", "valid_until"), ("time", "timestamp", "created_at")
# Fields of the two dialects that inform people and change no order.
_CARRIED: Final = (
    "timeframe", "confidence", "confidence_score", "model_version", "metadata", "reason", "checks", "state",
    "explanation", "feature_importance", "decision_path",
)  # fmt: skip
SIGNAL_FIELDS: Final = (
    *_ID, "idempotency_key", "symbol", *_ACTION, *_QUANTITY, "entry_price", "stop_loss", "take_profit", "strategy_id",
    "fund_id", "order_manager", "approved", "risk_approval_status", *_EXPIRY, *_TIME, "timestamp_ms", *_CARRIED,
)  # fmt: skip


def parse_signal(body: object) -> Signal:
    """A signal from its JSON object; numbers read as Decimal or given as text.

    Raises:
        Invalid: naming the field, its value and what would be right.
    """
    if not isinstance(body, Mapping):
        raise Invalid(Code.WRONG_TYPE, f"expected a JSON object, got {type(body).__name__}", None)
    for name in body:
        if name not in SIGNAL_FIELDS:
            detail = f"no such field; there are {', '.join(SIGNAL_FIELDS)}"
            raise Invalid(Code.UNKNOWN_FIELD, detail, pointer_to(str(name)))
    fields = {name: value for name, value in body.items() if value is not None}
    approved, disapproval = _approval(fields)
    quantity, manager = _first(fields, _QUANTITY), _first(fields, ("order_manager",))
    return Signal(
        signal_id=parse_key(*_needed(fields, _ID)),
        symbol=parse_key(*_needed(fields, ("symbol",))),
        action=parse_key(*_needed(fields, _ACTION)).lower(),
        quantity=None if quantity is None else parse_positive(*quantity),
        time=_time(fields),
        entry_price=_price(fields, "entry_price"),
        stop_loss=_price(fields, "stop_loss"),
        take_profit=_price(fields, "take_profit"),
        expires_at=_optional_time(fields, _EXPIRY),
        strategy_id=_name(fields, "strategy_id"),
        fund_id=_name(fields, "fund_id"),
        idempotency_key=_key(fields, "idempotency_key"),
        approved=approved,
        disapproval=disapproval,
        order_manager=None if manager is None else parse_key(*manager),
    )


def _first(fields: Mapping[str, object], names: tuple[str, ...]) -> tuple[object, str] | None:
    return next(((fields[name], f"#/{name}") for name in names if name in fields), None)


def _needed(fields: Mapping[str, object], names: tuple[str, ...]) -> tuple[object, str]:
    found = _first(fields, names)
    if found is None:
        others = f" (or {' or '.join(names[1:])})" if names[1:] else ""
        raise Invalid(Code.MISSING, f"is missing{others}", f"#/{names[0]}")
    return found


def _price(fields: Mapping[str, object], name: str) -> Decimal | None:
    return parse_positive(fields[name], f"#/{name}") if name in fields else None


def _key(fields: Mapping[str, object], name: str) -> str | None:
    return parse_key(fields[name], f"#/{name}") if name in fields else None


def _name(fields: Mapping[str, object], name: str) -> str | None:
    return parse_name(fields[name], f"#/{name}") if name in fields else None


def _optional_time(fields: Mapping[str, object], names: tuple[str, ...]) -> datetime | None:
    found = _first(fields, names)
    return None if found is None else parse_time(*found)


def _time(fields: Mapping[str, object]) -> datetime | None:
    if "timestamp_ms" not in fields:
        return _optional_time(fields, _TIME)
    millis = fields["timestamp_ms"]
    if isinstance(millis, bool) or not isinstance(millis, int) or not 0 <= millis < 10**14:
        raise Invalid(
            Code.BAD_VALUE, f"{quoted(millis)} is no time in milliseconds since 1970", "#/timestamp_ms"
        )
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)


def _approval(fields: Mapping[str, object]) -> tuple[bool, str | None]:
    approved = fields.get("approved", True)
    if not isinstance(approved, bool):
        raise Invalid(Code.WRONG_TYPE, f"{quoted(approved)} is neither true nor false", "#/approved")
    status = parse_key(fields.get("risk_approval_status", APPROVED), "#/risk_approval_status")
    if not approved:
        return False, "approved is false"
    return (True, None) if status == APPROVED else (False, f"risk_approval_status is {status}")
