"""What must hold in the end: the venue's own record, the journal's proofs, and the far end of the outlet."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.adapters.journals.sqlite import SqliteReader
from ordergate.adapters.journals.sqlite_file import connect
from ordergate.application.audit.replay import replay
from ordergate.application.audit.verify import verify
from ordergate.domain.errors import AuditError
from ordergate.domain.orders.reports import Executed
from ordergate.protocols.tlog import Verifier
from tests.simulation.model import SIGNS, Model

Execution = tuple[str, str]


class VenueRecord:
    """What the venue itself has written down, read from its file."""

    def __init__(self, path: Path) -> None:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            submits = db.execute(
                "SELECT order_number, client_id FROM requests WHERE kind = 'submit' AND refused IS NULL"
            ).fetchall()
            self.submits = [client for _number, client in submits]
            names = {number: client.rpartition(".")[0] for number, client in submits}
            self.status = {
                names[number]: (status, Decimal(quantity), Decimal(filled))
                for number, status, quantity, filled in db.execute(
                    "SELECT number, status, quantity, filled FROM orders"
                )
            }
            self.executions: dict[Execution, tuple[Decimal, Decimal, int]] = {
                (names[number], name): (Decimal(quantity), Decimal(price), SIGNS[side])
                for number, name, quantity, price, side in db.execute(
                    "SELECT order_number, exec_id, quantity, price, side FROM executions"
                )
            }
        finally:
            db.close()

    def works(self, order_id: str) -> bool:
        """Whether an order is at work there."""
        return self.status.get(order_id, ("unknown",))[0] == "working"


def differences(
    model: Model, venue: VenueRecord, office: Sequence[Executed], excused: Collection[str]
) -> list[str]:
    """Where the journal and the venue's record do not agree, but for orders that are excused."""
    found = _differences(model, venue, office)
    return [one for one in found if not any(name in one for name in excused)]


def _differences(model: Model, venue: VenueRecord, office: Sequence[Executed]) -> list[str]:
    count = Counter(client.rpartition(".")[0] for client in venue.submits)
    found = [f"the venue has order {name}, the journal has not" for name in count if name not in model.orders]
    found += [f"order {name} is {n} orders at the venue" for name, n in count.items() if n > 1]
    found += [f"{client} is at the venue, the journal never sent it" for client in venue.submits
              if client not in model.sends]  # fmt: skip
    more: defaultdict[str, Decimal] = defaultdict(Decimal)
    for said in office:
        if said.refers_to is None:
            more[(said.client_id or "").rpartition(".")[0]] += said.quantity
    tickets = Counter(order.ticket for order in model.orders.values() if order.ticket is not None)
    found += [f"{ticket} of the venue is {n} orders of the journal" for ticket, n in tickets.items() if n > 1]
    return found + _executions(model, venue, office) + _states(model, venue, more)


def _executions(model: Model, venue: VenueRecord, office: Sequence[Executed]) -> list[str]:
    theirs = {key: value[:2] for key, value in venue.executions.items()}
    closings = {order.ticket: order.order_id for order in model.orders.values() if order.ticket is not None}
    for said in office:
        ticket = said.broker_order_id or ""
        name = closings.get(ticket, ticket) if said.client_id is None else said.client_id.rpartition(".")[0]
        key = name, said.exec_id
        theirs[key] = (
            (Decimal(0), Decimal(0)) if said.execution_kind == "bust" else (said.quantity, said.price)
        )
    ours = {
        (order.order_id, name): (Decimal(row["quantity"]), Decimal(row["price"]))
        for order in model.orders.values()
        for name, row in order.executions.items()
    }
    found = [f"execution {key} was never booked" for key in theirs if key not in ours]
    found += [f"execution {key} is booked, the venue has none" for key in ours if key not in theirs]
    found += [f"execution {key} is {theirs[key]}, booked as {ours[key]}" for key in theirs
              if key in ours and ours[key] != theirs[key]]  # fmt: skip
    return found


SAME = {
    "working": ("SUBMITTED", "PARTIALLY_FILLED"),
    "filled": ("CLOSED",),
    "canceled": ("CANCELED",),
    "expired": ("EXPIRED",),
}
"""Of an order, as the venue says it: the states that it may have in the journal."""


def _states(model: Model, venue: VenueRecord, more: Mapping[str, Decimal]) -> list[str]:
    """Args: more: what the back office has executed, by order."""
    found = []
    for name, (status, quantity, filled) in venue.status.items():
        order = model.orders.get(name)
        if order is None or order.revised or "parked" in order.requests.values():
            continue
        if order.state not in SAME[status]:
            found.append(f"order {name} is {order.state}, at the venue it is {status}")
        open_quantity = quantity if status == "working" else order.quantity  # after the end terms are moot
        if (order.quantity, order.filled) != (open_quantity, filled + more.get(name, 0)):
            ours = f"{order.filled} of {order.quantity}"
            found.append(f"order {name} has {ours} filled, at the venue {filled} of {quantity}")
    return found


async def proofs(path: Path, verifier: Verifier) -> list[str]:
    """The signed log is whole, and the tables are what it says."""
    reader = SqliteReader(connect(path, read_only=True), path)
    try:
        await verify(reader, verifier)
        return [f"replay differs: {each}" for each in await replay(reader, MemoryJournal())]
    except AuditError as error:
        return [f"the audit says: {error}"]
    finally:
        await reader.close()


def undelivered(path: Path, taken: dict[int, bytes]) -> list[str]:
    """What the consumer of the outlet has, against the journal."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        entries = dict(db.execute("SELECT idx, entry FROM journal"))
    finally:
        db.close()
    found = [f"the outlet never delivered entry {index}" for index in entries if index not in taken]
    return found + [
        f"entry {i} came through the outlet changed"
        for i in entries
        if taken.get(i, entries[i]) != entries[i]
    ]
