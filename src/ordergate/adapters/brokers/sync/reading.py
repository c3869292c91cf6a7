"""Calls of a class, and what its answers prove. Only what is said clearly counts; all else is unknown."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.brokers.sync.ticket import Ticket
from ordergate.application.ports.brokers import Answer
from ordergate.domain.errors import Invalid
from ordergate.domain.money import exact
from ordergate.domain.orders.reports import INSUFFICIENT_MARGIN, End, Outcome

_LONGEST: Final = 2_000


class Stand(Enum):
    """What a class says of an order's life, as far as it matters here."""

    WORKING = "working"
    FILLED = "filled"
    CLOSED = "closed"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"


ENDS: Final[Mapping[Stand, End]] = {
    Stand.CANCELED: End.CANCELED,
    Stand.REJECTED: End.REJECTED,
    Stand.EXPIRED: End.EXPIRED,
    Stand.FAILED: End.FAILED,
}
_WORKING: Final = (
    "CREATED", "PENDING_RISK", "RECEIVED", "VALIDATED", "PENDING", "ACCEPTED", "SUBMITTED", "PARTIALLY_FILLED",
    "PARTIAL",
)  # fmt: skip
_NAMES: Final[Mapping[str, Stand]] = {
    **dict.fromkeys(_WORKING, Stand.WORKING),
    **{stand.name: stand for stand in Stand if stand is not Stand.WORKING},
    "CANCELLED": Stand.CANCELED,
}


class Unreadable(Exception):
    """What a class said, or that it raised, tells nothing."""


class Standing(Struct, frozen=True, kw_only=True):
    """How an order stands at the broker.

    Attributes:
        filled: how much in all; None where the class does not say.
        average_price: of all that is filled; None where the class does not say.
    """

    stand: Stand
    filled: Decimal | None = None
    average_price: Decimal | None = None
    reason: str | None = None
    raw: str | None = None


def place(broker: Any, ticket: Ticket) -> Answer:
    """Asks for the margin, where the class can tell, then places the order."""
    try:
        refusal = _margin(broker, ticket)
    except BaseException as error:
        refusal = f"the margin could not be checked: {_told(error)}"
    if refusal is not None:  # nothing has left
        return Answer(outcome=Outcome.REJECTED, reason=refusal)
    try:
        return _read_placed(broker.place_order(ticket))
    except BaseException as error:
        return Answer(outcome=Outcome.UNKNOWN, reason=_told(error))


def _margin(broker: Any, ticket: Ticket) -> str | None:
    ask = getattr(broker, "has_sufficient_margin", None)
    if ask is None:
        return None
    said = ask(ticket.volume, ticket.symbol)
    if not isinstance(said, bool):
        raise Unreadable(f"has_sufficient_margin said {shown(said)}, neither True nor False")
    return None if said else INSUFFICIENT_MARGIN


def free_margin(broker: Any) -> Decimal | None:
    """What a class says is free for margin; None where it has no such method.

    Raises:
        Unreadable: it raised, or said no number.
    """
    ask = getattr(broker, "free_margin", None)
    if ask is None:
        return None
    try:
        return exact(ask(), "free_margin")
    except Exception as error:
        raise Unreadable(f"free_margin: {_told(error)}") from error


def _read_placed(said: Any) -> Answer:
    success, raw = getattr(said, "success", None), shown(said)
    name, error = _name(getattr(said, "order_id", None)), getattr(said, "error", None)
    if success is True and name is not None:
        return Answer(outcome=Outcome.ACCEPTED, broker_order_id=name, raw=raw)
    if success is False and error and name is None:
        return Answer(outcome=Outcome.REJECTED, reason=shown(error), raw=raw)
    reason = f"place_order said {raw}: neither success with an order_id, nor an error without one"
    return Answer(outcome=Outcome.UNKNOWN, broker_order_id=name, reason=reason, raw=raw)


def _name(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def stand(broker: Any, order_id: str) -> Standing:
    """How an order stands.

    Raises:
        Unreadable: the class raised, or said nothing that can be understood.
    """
    try:
        said = broker.get_order_status(order_id)
        state = said if isinstance(said, str | Enum) else getattr(said, "state", None)
        return Standing(
            stand=_NAMES[str(state.value if isinstance(state, Enum) else state).upper()],
            filled=_amount(said, "filled_volume"),
            average_price=_amount(said, "average_price"),
            reason=shown(reason) if (reason := getattr(said, "reason", None)) else None,
            raw=shown(said),
        )
    except KeyError as error:
        raise Unreadable(f"get_order_status: no state is called {error}") from None
    except Invalid as error:
        raise Unreadable(f"get_order_status: {error}") from None
    except BaseException as error:
        raise Unreadable(f"get_order_status: {_told(error)}") from None


def _amount(said: object, name: str) -> Decimal | None:
    value = getattr(said, name, None)
    return None if value is None else exact(value, f"#/{name}")


def cancel(broker: Any, order_id: str) -> Answer:
    """Asks a class to close an order that works; one that does not is left alone, for it would be traded back."""
    try:
        standing = stand(broker, order_id)
    except Unreadable as error:
        return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
    if standing.stand is not Stand.WORKING:
        return Answer(
            outcome=Outcome.REJECTED, reason=f"it is {standing.stand.value} at the broker", raw=standing.raw
        )
    try:
        said = broker.close_order(order_id)
    except BaseException as error:
        return Answer(outcome=Outcome.UNKNOWN, reason=_told(error))
    if isinstance(said, bool):
        outcome = Outcome.ACCEPTED if said else Outcome.REJECTED
        return Answer(outcome=outcome, reason=None if said else "close_order said False")
    return Answer(outcome=Outcome.UNKNOWN, reason=f"close_order said {shown(said)}, neither True nor False")


def shown(said: object) -> str:
    """What a class said, in text that can be kept."""
    return _text(lambda: said if isinstance(said, str) else repr(said), said)


def _told(error: BaseException) -> str:
    return _text(lambda: f"{type(error).__name__}: {error}", error)


def _text(write: Callable[[], str], what: object) -> str:
    try:
        text = write()
    except Exception:  # somebody's own repr
        text = f"a {type(what).__name__} that cannot be shown"
    return text[:_LONGEST].encode(errors="replace").decode()
