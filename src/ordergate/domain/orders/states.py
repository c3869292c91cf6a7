"""The vocabulary of an order."""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an order stands. `transitions` has the table and the theory."""

    CREATED = "CREATED"
    PENDING_RISK = "PENDING_RISK"
    ACCEPTED = "ACCEPTED"
    SUBMITTED = "SUBMITTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CLOSED = "CLOSED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


TERMINAL: Final = frozenset({State.CLOSED, State.CANCELED, State.REJECTED, State.EXPIRED, State.FAILED})
UNSENT: Final = frozenset({State.CREATED, State.PENDING_RISK, State.ACCEPTED})
WORKING: Final = frozenset({State.SUBMITTED, State.PARTIALLY_FILLED})


class Side(StrEnum):
    """Buy and sell trade long; short opens and cover closes a short."""

    BUY = "buy"
    SELL = "sell"
    SHORT = "short"
    COVER = "cover"

    @property
    def sign(self) -> int:
        """+1 where the position grows by a fill, -1 where it shrinks."""
        return 1 if self is Side.BUY or self is Side.COVER else -1


class OrderType(StrEnum):
    """How the price is found."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"

    @property
    def has_limit(self) -> bool:
        """Whether it names a limit price."""
        return self in (OrderType.LIMIT, OrderType.STOP_LIMIT)

    @property
    def has_stop(self) -> bool:
        """Whether it names a stop price."""
        return self in (OrderType.STOP, OrderType.STOP_LIMIT)


class TimeInForce(StrEnum):
    """How long it works: DAY to the end of its session, GTD until `expires_at`, OPG at the next opening alone."""

    DAY = "day"
    GTC = "gtc"
    GTD = "gtd"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"


class RequestKind(StrEnum):
    """What we ask of a broker."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    REPLACE = "replace"


class Phase(StrEnum):
    """How far one request of ours has come; answered ones are gone.

    RISK: an external gate has it. READY: it waits for the broker's session. SENT: bytes may have left.
    UNKNOWN: the answer did not say what happened. PARKED: neither could be proven; a person must settle it.
    """

    RISK = "risk"
    READY = "ready"
    SENT = "sent"
    UNKNOWN = "unknown"
    PARKED = "parked"


class Mark(StrEnum):
    """What a broker says of a working order that is no state of ours."""

    DONE_FOR_DAY = "done_for_day"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    TRIGGERED = "triggered"


class Delay(StrEnum):
    """What goes on for longer than it should.

    UNFILLED: it works and has not traded. UNANSWERED: its broker has not said whether it has it. TIME_OVER: its time
    is over, at a broker that does not end it by itself. PAST_TIME: the broker should have ended it, and has not.
    NOT_CANCELED: it works under a halt, and its broker has refused to cancel it.
    """

    UNFILLED = "unfilled"
    UNANSWERED = "unanswered"
    TIME_OVER = "time_over"
    PAST_TIME = "past_time"
    NOT_CANCELED = "not_canceled"


class Remedy(StrEnum):
    """What is done about a delay, beside saying so."""

    ALERT = "alert"
    REPRICE = "reprice"
    CANCEL = "cancel"


class Protection(StrEnum):
    """What fills of an entry are protected by: nothing, or a stop at the signal's level for each."""

    NONE = "none"
    STOP = "stop"


class ExecutionKind(StrEnum):
    """A trade, or what a broker later says of one."""

    TRADE = "trade"
    BUST = "bust"
    CORRECT = "correct"
