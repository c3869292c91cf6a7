"""The one tree of errors.

OrdergateError                  everything that ordergate raises on purpose
├── Refused                     somebody asked for what cannot be done: a code, the field, what would be right
│   ├── Invalid                 the content is wrong (nothing was stored, no key was used up)
│   ├── NotFound                nothing has that name
│   └── Conflict                it contradicts what is already there
│       └── OrderMoved          the order of that key is in another shard's journal
├── StoreError                  the database cannot be used
│   ├── StoreBusy               another process holds it
│   └── BrokerAway              a broker cannot be reached now: its session is tried again
├── DiskError                   the disk failed under a commit: the process must end
├── ClockError                  the clock is not to be trusted: the process must end
├── AuditError                  the journal is not what was signed
├── OutcomeUnknown              it may have happened: ask again with the same key
└── Defect                      our own mistake: the node stops rather than go on wrong

Files, keys and configuration that cannot be used have errors of their own beside what reads them.

An order that was refused by a limit is no error: it is an order in state REJECTED.
"""

from enum import StrEnum


class Code(StrEnum):
    """Stable codes of refusals; the text beside them may change, these do not."""

    MISSING = "missing"
    UNKNOWN_FIELD = "unknown_field"
    WRONG_TYPE = "wrong_type"
    BAD_VALUE = "bad_value"
    BAD_NUMBER = "bad_number"
    NOT_POSITIVE = "not_positive"
    OFF_TICK = "off_tick"
    OFF_LOT = "off_lot"
    BELOW_MINIMUM = "below_minimum"
    PRICE_MISSING = "price_missing"
    PRICE_UNEXPECTED = "price_unexpected"
    UNKNOWN_FUND = "unknown_fund"
    UNKNOWN_SYMBOL = "unknown_symbol"
    UNKNOWN_BROKER = "unknown_broker"
    FUND_MOVED = "fund_moved"
    FUND_EXPECTED = "fund_expected"
    FUND_BUSY = "fund_busy"
    INSTRUMENT_IN_USE = "instrument_in_use"
    LOTS_AVERAGED = "lots_averaged"
    SIGNAL_NOT_APPROVED = "signal_not_approved"
    SIGNAL_EXPIRED = "signal_expired"
    SIGNAL_NO_ORDER = "signal_no_order"
    ORDER_NOT_FOUND = "order_not_found"
    ORDER_ID_TAKEN = "order_id_taken"
    ORDER_FINISHED = "order_finished"
    ORDER_VERSION = "order_version"
    ORDER_MOVED = "order_moved"
    KEY_REUSED = "idempotency_key_reused"
    BELOW_FILLED = "below_filled"
    NOTHING_TO_CHANGE = "nothing_to_change"
    NOT_CHANGEABLE = "not_changeable"
    TOO_MANY_REQUESTS = "too_many_requests"
    INBOX_FULL = "inbox_full"
    CONFIGURATION = "configuration_refused"
    LIMITS_VERSION = "limits_version"
    HALTED = "halted"
    NOT_HALTED = "not_halted"
    SAME_PRINCIPAL = "same_principal"
    UNKNOWN_STRATEGY = "unknown_strategy"
    NOT_AWAITED = "not_awaited"
    NOT_OVERRIDABLE = "not_overridable"
    NO_OVERRIDE = "no_override"
    OVERRIDE_TAKEN = "override_taken"
    OVERRIDE_OVER = "override_over"
    NOT_WATCHED = "not_watched"
    REPLACE_WAITS = "replace_waits"
    BREAK_NOT_FOUND = "break_not_found"
    BREAK_RESOLVED = "break_resolved"
    NOT_ADJUSTABLE = "not_adjustable"
    NOT_COMPARED = "not_compared"
    NOT_REFUSED = "not_refused"


def pointer_to(name: str) -> str:
    """The JSON Pointer (RFC 6901) to a field of the body; a name from outside is shortened and made printable."""
    shown = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
    return "#/" + "".join(c if c.isprintable() else "?" for c in shown).replace("~", "~0").replace("/", "~1")


def quoted(value: object) -> str:
    """A value from outside as the text of an error shows it: quoted, and shortened where it is long."""
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_NAME else value[:_LONGEST_NAME] + "…")
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_NAME else shown[:_LONGEST_NAME] + "…"


_LONGEST_NAME = 64


class OrdergateError(Exception):
    """Base of all errors that ordergate raises on purpose."""


class Refused(OrdergateError):
    """A request that cannot be done; nothing was changed by it.

    Attributes:
        code: stable, see `Code`.
        detail: what was wrong, with the value, and what would be right.
        pointer: JSON Pointer (RFC 6901) to the field, or None.
        outcome: for orders: always `not_sent`; what may have reached a broker is never refused.
    """

    outcome = "not_sent"

    def __init__(self, code: Code, detail: str, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.pointer = code, detail, pointer

    def __str__(self) -> str:
        return f"{self.pointer.removeprefix('#/')}: {self.detail}" if self.pointer else self.detail


class Invalid(Refused):
    """The content of a request is wrong."""


class NotFound(Refused):
    """Nothing has that name."""


class Conflict(Refused):
    """The request contradicts what is already there."""


class OrderMoved(Conflict):
    """A key that stands for an order of another shard's journal, where its fund was then.

    Attributes:
        order_id: of that order.
    """

    def __init__(self, order_id: str, detail: str, pointer: str) -> None:
        super().__init__(Code.ORDER_MOVED, detail, pointer)
        self.order_id = order_id


class StoreError(OrdergateError):
    """The database cannot be used as it is; the text says why and what would help."""


class StoreBusy(StoreError):
    """Another process holds the database."""


class BrokerAway(StoreError):
    """A broker cannot be reached or used now, for reasons that may pass by themselves; nothing here is wrong."""


class DiskError(OrdergateError):
    """A commit could not be made durable. What the disk holds is unknown; the process must end."""


class ClockError(OrdergateError):
    """The clock is far behind the journal, or has jumped. Nothing more is written until it is right."""


class AuditError(OrdergateError):
    """The journal is not what was signed.

    Attributes:
        index: the first entry that is wrong, or None where it cannot be told.
    """

    def __init__(self, detail: str, index: int | None = None) -> None:
        super().__init__(detail)
        self.index = index


class OutcomeUnknown(OrdergateError):
    """It may or may not have happened; the same request with the same key finds out."""


class Defect(OrdergateError):
    """An invariant of ordergate itself is broken. The node stops."""
