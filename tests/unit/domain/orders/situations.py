"""Orders in every state, each brought there by real inputs, for the tests that enumerate cells."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from ordergate.application.entry import Entry
from ordergate.domain.fold import evolve
from ordergate.domain.orders import commands as c
from ordergate.domain.orders.events import OrderEntered
from ordergate.domain.orders.reports import Answered, End, Finding, LookedUp, Outcome
from ordergate.domain.orders.states import State
from ordergate.testing.playbook import BROKER, Playbook, ack, ended, fill

QUANTITY = 100


def answered(outcome: Outcome) -> Answered:
    return Answered(broker=BROKER, outcome=outcome)


def looked_up(finding: Finding, *, final: bool = False) -> LookedUp:
    return LookedUp(broker=BROKER, finding=finding, final=final)


def pending() -> Playbook:
    """An order whose entry went no further than PENDING_RISK, without any gate that it waits for."""
    entered = Playbook(session=False).submit(QUANTITY, limit=10).entries[-1].event
    assert isinstance(entered, OrderEntered)
    length = entered.path.index(State.PENDING_RISK) + 1
    order = replace(
        entered.order, state=State.PENDING_RISK, accepted_at=None, requests=(), request_count=0,
        updated_at=entered.times[length - 1],
    )  # fmt: skip
    event = replace(entered, path=entered.path[:length], times=entered.times[:length], order=order)
    book = Playbook()
    instrument = book.engine.view.instrument("AAPL")
    assert instrument is not None
    book.step(c.Configure((), (instrument,)))
    evolve(book.engine.state, event, book.engine.size, event.times[0])
    book.entries.append(
        Entry(index=book.engine.size, time=event.times[0], actor="a", principal="p", source="s", event=event)
    )
    book.engine.size, book.engine.last = book.engine.size + 1, event.times[-1]
    book.order_id = order.order_id
    return book


def sent() -> Playbook:
    return Playbook().submit(QUANTITY, limit=10)


def working() -> Playbook:
    return sent().report(ack())


def part_filled() -> Playbook:
    return working().report(fill("x1", 40, 10))


def filled() -> Playbook:
    return working().report(fill("x1", QUANTITY, 10))


def asked(book: Playbook) -> Playbook:
    """With a replace (request 2) and a cancel (request 3) that nobody has answered."""
    book.replace(200)
    if book.order.state is State.FILLED:
        return book.replace(300)
    return book.cancel()


def disproved() -> Playbook:
    return sent().report(answered(Outcome.NOT_SENT))


def doubted() -> Playbook:
    return sent().report(answered(Outcome.UNKNOWN))


def overtaken() -> Playbook:
    """A cancel has overtaken the submit, which is in doubt."""
    return doubted().cancel()


SITUATIONS: dict[str, Callable[[], Playbook]] = {
    "CREATED": lambda: Playbook().create(QUANTITY, limit=10),
    "PENDING": pending,
    "ACCEPTED": lambda: Playbook(session=False).submit(QUANTITY, limit=10).open_session(),
    "DISPROVED": disproved,
    "SENT": sent,
    "DOUBTED": doubted,
    "OVERTAKEN": overtaken,
    "WORKING": working,
    "ASKED": lambda: asked(working()),
    "PARTIAL": part_filled,
    "PARTASKED": lambda: asked(part_filled()),
    "FILLED": filled,
    "FULLASKED": lambda: asked(filled()),
    "CLOSED": lambda: working().report(fill("x1", QUANTITY, 10, completes=True)),
    "CANCELED": lambda: part_filled().report(ended(End.CANCELED)),
    "REJECTED": lambda: sent().report(ended(End.REJECTED)),
    "EXPIRED": lambda: working().report(ended(End.EXPIRED)),
    "FAILED": lambda: working().report(ended(End.FAILED)),
}
STATE_OF = {
    "PENDING": State.PENDING_RISK,
    "DISPROVED": State.ACCEPTED,
    "SENT": State.SUBMITTED,
    "DOUBTED": State.SUBMITTED,
    "OVERTAKEN": State.SUBMITTED,
    "WORKING": State.SUBMITTED,
    "ASKED": State.SUBMITTED,
    "PARTIAL": State.PARTIALLY_FILLED,
    "PARTASKED": State.PARTIALLY_FILLED,
    "FULLASKED": State.FILLED,
}
_PLAIN = {"PENDING_RISK": "PENDING", "SUBMITTED": "WORKING", "PARTIALLY_FILLED": "PARTIAL"}


def order_in(state: State) -> Playbook:
    """A conversation whose order is in that state."""
    return SITUATIONS[_PLAIN.get(state.value, state.value)]()


def rows(book: Playbook, *without: str) -> dict[str, Any]:
    """Every table's rows, byte for byte."""
    return {
        table.name: {key: msgspec.json.encode(row) for key, row in table.rows.items()}
        for table in book.engine.state.tables
        if table.name not in without
    }
