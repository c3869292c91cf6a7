"""Alerts: what in the journal a person should hear of at once.

An alert is made of one entry alone, so that it can be made again, and is known by the journal and the entry's index.
The log has every one; where a webhook is configured, it is an outlet of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import structlog
from msgspec import Struct

from ordergate.application.entry import Entry
from ordergate.application.naming import LogName
from ordergate.domain.contingencies.events import CloseCut, ProtectionFailed
from ordergate.domain.money import text
from ordergate.domain.orders import events as e
from ordergate.domain.orders.states import Delay, Phase
from ordergate.domain.risk.events import TradingHalted
from ordergate.domain.risk.limits import shown_scope

_BY_BROKER: Final = "REJECTED_BY_BROKER"
_log = structlog.get_logger("ordergate.alerts")


class AlertKind(StrEnum):
    """What happened."""

    ORDER_REJECTED = "order_rejected"
    UNKNOWN_REQUEST = "unknown_request"
    BREAK = "break"
    HALT = "halt"
    SLIPPAGE = "slippage"
    STALE_ORDER = "stale_order"
    UNPROTECTED = "unprotected"
    CLOSE_CUT = "close_cut"


class Alert(Struct, frozen=True, gc=False, kw_only=True):
    """One alert.

    Attributes:
        id: the index of the journal entry; the same alert always has the same.
        log, journal: which makes the id unique among several journals; see `LogName`.
        detail: for people.
    """

    id: int
    log: str
    journal: str
    kind: AlertKind
    time: datetime
    order_id: str | None
    detail: str


_Told = tuple[AlertKind, str] | None


def alert_of(entry: Entry, name: LogName) -> Alert | None:
    """The alert that an entry is worth; None for most."""
    told = _told(entry)
    if told is None:
        return None
    kind, detail = told
    return Alert(
        id=entry.index,
        log=name.log,
        journal=name.journal,
        kind=kind,
        time=entry.time,
        order_id=entry.order_id,
        detail=detail,
    )


_TOLD_AT: Final = 2
"""The refusal of a cancel that is told: after the first one the order may just have been filled."""
_NOT_CANCELED: Final = (
    "it works under a halt, and its broker refuses to cancel it: it is asked again, ever less often"
)


def _told(entry: Entry) -> _Told:
    tell = _TELL.get(type(entry.event))
    return None if tell is None else tell(entry.event)


def _rejected(event: e.OrderRejected) -> _Told:
    if event.code != _BY_BROKER:
        return None  # the gate's own refusals are answers to who asked
    return AlertKind.ORDER_REJECTED, f"the broker rejected the order: {event.reason or 'it does not say why'}"


def _doubted(event: e.RequestDoubted) -> _Told:
    left = "it is left to a person" if event.phase is Phase.PARKED else "it is being looked up"
    why = event.reason or "no clear answer"
    return AlertKind.UNKNOWN_REQUEST, f"request {event.number} has an unknown outcome ({why}): {left}"


def _break(event: e.BreakRaised) -> _Told:
    return AlertKind.BREAK, f"{event.item.kind} at {event.item.broker}: {event.item.detail}"


def _halt(event: TradingHalted) -> _Told:
    halt = event.halt
    return AlertKind.HALT, f"{shown_scope(halt.scope)}: {halt.mode} by {halt.by}: {halt.reason}"


def _slipped(event: e.SlippageExceeded) -> _Told:
    found = ((event.bps, event.most_bps, "bps"), (event.pips, event.most_pips, "pips"))
    most = " and ".join(
        f"{text(value)} of at most {text(most)} {unit}"
        for value, most, unit in found
        if value is not None and most is not None
    )
    return AlertKind.SLIPPAGE, f"fill {event.fill_id} at {text(event.price)} slipped by {most}"


def _overdue(event: e.OrderOverdue) -> _Told:
    if event.why is Delay.TIME_OVER:
        return None  # as it should be, at a broker without such orders
    if event.why is Delay.NOT_CANCELED:
        return (AlertKind.STALE_ORDER, _NOT_CANCELED) if event.count == _TOLD_AT else None
    return AlertKind.STALE_ORDER, f"{event.why} since {event.since:%Y-%m-%dT%H:%M:%SZ}: {event.remedy}"


def _unprotected(event: ProtectionFailed) -> _Told:
    what = f"{text(event.quantity)} {event.symbol} of fund {event.fund_id}"
    return (
        AlertKind.UNPROTECTED,
        f"{what} have no stop at {text(event.stop_price)}: {event.code}: {event.reason}",
    )


def _close_cut(event: CloseCut) -> _Told:
    if event.keep is None:
        became = "it stays as it is"
    else:
        became = f"it keeps {text(event.keep)}" if event.keep else "it is canceled"
    what = f"it could open {text(event.quantity)} {event.symbol} of fund {event.fund_id}"
    return AlertKind.CLOSE_CUT, f"{what} after a stop has traded: {became}: {event.code}: {event.reason}"


_TELL: Final[Mapping[type, Callable[[Any], _Told]]] = {
    e.OrderRejected: _rejected,
    e.RequestDoubted: _doubted,
    e.BreakRaised: _break,
    TradingHalted: _halt,
    e.SlippageExceeded: _slipped,
    e.OrderOverdue: _overdue,
    ProtectionFailed: _unprotected,
    CloseCut: _close_cut,
}


class AlertLog:
    """Writes alerts to the log; a listener of the runner. Of several nodes, each writes them to its own."""

    def committed(self, entries: Sequence[Entry]) -> None:
        """Takes what has been committed."""
        for entry in entries:
            if (told := _told(entry)) is not None:
                kind, detail = told
                _log.warning("alert", kind=kind, id=entry.index, order=entry.order_id, detail=detail)
