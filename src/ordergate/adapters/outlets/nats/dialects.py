"""Dialects: what is published of an entry, in whose words, and on which subject. Each is a pure function.

Where an order passes several states by one entry, each has a message of its own, with its own time. A state that a
dialect has no word for comes under the nearest one, with ordergate's word in `order_state`; nothing is said where that
is the word that was said before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from ordergate.adapters.outlets.nats import messages as m
from ordergate.adapters.outlets.nats.letters import Letter
from ordergate.application.entry import encode, kind_of
from ordergate.application.naming import LogName
from ordergate.application.steps import Step, fill_of, standing, steps_of
from ordergate.application.telling import Told
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import ExecutionKind, State
from ordergate.protocols.subjects import token

_ENCODE: Final = msgspec.json.Encoder(decimal_format="string").encode
NOBODY: Final = "_"
"""The fund in subjects of entries that are about none; a fund of that name is `=5F` there."""


class Dialect(StrEnum):
    """In whose words it is published."""

    MTS = "mts"
    ORDERS = "orders"
    UPDATES = "updates"
    EVENTS = "events"


Render = Callable[[Told, LogName], list[Letter]]
"""From an entry and the journal's name to messages."""

VERBS: Final[Mapping[State, str]] = {
    State.CREATED: "created",
    State.PENDING_RISK: "created",  # on its way to the gate; `state` tells it from what was only created
    State.ACCEPTED: "accepted",
    State.SUBMITTED: "submitted",
    State.PARTIALLY_FILLED: "partial",
    State.FILLED: "filled",
    State.CLOSED: "closed",
    State.CANCELED: "canceled",
    State.EXPIRED: "canceled",  # the rest works no more, what was filled stays: that is what a cancel says
    State.FAILED: "canceled",  # likewise; it may have been filled in part, and then it was never rejected
    State.REJECTED: "rejected",
}
FILL_VERBS: Final[Mapping[ExecutionKind, str]] = {
    ExecutionKind.TRADE: "created",
    ExecutionKind.CORRECT: "corrected",  # not `created`: who adds up what was created would count it twice
    ExecutionKind.BUST: "busted",
}


def mts(told: Told, name: LogName, *, fund_suffix: bool = False) -> list[Letter]:
    """`mts.v1.oms.orders.<verb>` where it changes, `mts.v1.oms.fills.<verb>` for each execution, this before those."""
    order, fill = told.order, fill_of(told)
    if order is None:
        return []
    made, suffix = _Made(Dialect.MTS, told, name), f".fund.{token(order.fund_id)}" if fund_suffix else ""
    if fill is not None:
        common = made.common(fill.booked_at)
        made.add(f"mts.v1.oms.fills.{FILL_VERBS[fill.kind]}{suffix}", m.fill_message(common, order, fill))
    for step in _worded(steps_of(told), VERBS):
        common = made.common(step.time)
        state = m.MTS[step.state]
        body = m.MtsOrder(
            **common,
            **m.order_part(told, order, step),
            status=state,
            previous_status=None if step.before is None else m.MTS[step.before],
            state=state,
            rejected_reason=order.reason if step.state is State.REJECTED else None,
        )
        made.add(f"mts.v1.oms.orders.{VERBS[step.state]}{suffix}", body)
    return made.letters


def orders(told: Told, name: LogName, *, partial_fills: bool = True) -> list[Letter]:
    """`orders.<status>.<symbol>` where the status changes, and for each execution; or not for those of a part."""
    steps = _worded(steps_of(told), m.ORDERS) or (standing(told) if fill_of(told) is not None else [])
    made = _Made(Dialect.ORDERS, told, name)
    for order, step in _of_order(told, steps):
        common = made.common(step.time)
        status = m.ORDERS[step.state]
        if status is m.OrderStatus.PARTIALLY_FILLED and not partial_fills:
            continue
        body = m.OrdersStatus(
            **common,
            **m.order_part(told, order, step),
            status=status,
            previous_status=None if step.before is None else m.ORDERS[step.before],
        )
        made.add(f"orders.{status.lower()}.{token(order.symbol)}", body)
    return made.letters


def updates(told: Told, name: LogName) -> list[Letter]:
    """`ORDER_UPDATE` for each state, and for whatever else changes of an order."""
    made = _Made(Dialect.UPDATES, told, name)
    for order, step in _of_order(told, steps_of(told) or standing(told)):
        common = made.common(step.time)
        body = m.OrderUpdate(
            **common,
            **m.order_part(told, order, step),
            status=m.UPDATES[step.state],
            previous_status=None if step.before is None else m.UPDATES[step.before],
        )
        made.add("ORDER_UPDATE", body)
    return made.letters


def events(told: Told, name: LogName) -> list[Letter]:
    """`ordergate.v1.evt.<fund>.<kind>`: every entry, in the very bytes of the journal."""
    entry = told.entry
    fund = fund_of(told)
    kind = kind_of(entry.event).partition("/")[0]
    subject = f"ordergate.v1.evt.{NOBODY if fund is None else _fund_token(fund)}.{kind}"
    chain = (Dialect.EVENTS, entry.order_id or "")
    data, identity = encode(entry).data, name.entry(entry.index)
    return [Letter(subject, identity, data, name.log, name.journal, entry.index, entry.time, chain)]


def fund_of(told: Told) -> str | None:
    """The fund that an entry is about."""
    if told.order is not None:
        return told.order.fund_id
    event: Any = told.entry.event
    fund = getattr(event, "fund", None)
    return getattr(event, "fund_id", None) or getattr(fund, "fund_id", None)


def _fund_token(fund: str) -> str:
    return "=5F" if fund == NOBODY else token(fund)


def _worded(steps: Iterable[Step], words: Mapping[State, str]) -> list[Step]:
    """The steps that a dialect has something new to say of."""
    return [
        step
        for step in steps
        if step.before is None
        or step.before is step.state
        or step.fill is not None
        or words[step.before] != words[step.state]
    ]


def _of_order(told: Told, steps: Iterable[Step]) -> Iterable[tuple[Order, Step]]:
    order = told.order
    return [] if order is None else [(order, step) for step in steps]


class _Made:
    """The messages of an entry, numbered within the dialect."""

    def __init__(self, dialect: Dialect, told: Told, name: LogName) -> None:
        self._told, self._name, self._chain = told, name, (dialect, told.entry.order_id or "")
        self._identity = f"{name.entry(told.entry.index)}/{dialect}"
        self.letters: list[Letter] = []
        self._next = 0

    def common(self, time: datetime) -> dict[str, Any]:
        """What the next message has of what every message has."""
        number, self._next = self._next, self._next + 1  # also of one that is left out: none has another's id
        return m.said(self._told, self._name, f"{self._identity}.{number}", time)

    def add(self, subject: str, body: m.Said) -> None:
        """One more."""
        data = _ENCODE(body)
        letter = Letter(subject, body.id, data, body.log, body.journal, body.index, body.time, self._chain)
        self.letters.append(letter)


def renderers(
    dialects: Sequence[Dialect], *, fund_suffix: bool, partial_fills: Callable[[], bool] = lambda: True
) -> list[Render]:
    """Those that are switched on, in a fixed order."""
    known: Mapping[Dialect, Render] = {
        Dialect.MTS: lambda told, name: mts(told, name, fund_suffix=fund_suffix),
        Dialect.ORDERS: lambda told, name: orders(told, name, partial_fills=partial_fills()),
        Dialect.UPDATES: updates,
        Dialect.EVENTS: events,
    }
    return [known[dialect] for dialect in Dialect if dialect in dialects]


def subjects(dialects: Sequence[Dialect], *, fund_suffix: bool) -> list[str]:
    """What the dialects publish on; each subject by itself, for a stream may have some of them already."""
    suffix = ".fund.*" if fund_suffix else ""
    known = {
        Dialect.MTS: [
            *(f"mts.v1.oms.orders.{verb}{suffix}" for verb in sorted(set(VERBS.values()))),
            *(f"mts.v1.oms.fills.{verb}{suffix}" for verb in FILL_VERBS.values()),
        ],
        Dialect.ORDERS: [f"orders.{status.lower()}.*" for status in m.OrderStatus],
        Dialect.UPDATES: ["ORDER_UPDATE"],
        Dialect.EVENTS: ["ordergate.v1.evt.*.*"],
    }
    return [subject for dialect in Dialect if dialect in dialects for subject in known[dialect]]
