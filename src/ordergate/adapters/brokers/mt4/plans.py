"""What must outlive us of an order: kept in the bridge's folder before what it is about is sent.

The steps of an order that takes several: whoever comes after us knows then whether what was done of it is all of it.
And under how many refs it was tried, where the first is dead.
"""

import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.mt4.files import NotWritten, listed, read_whole, remove, write_whole
from ordergate.adapters.brokers.mt4.wire import Unreadable, id_of, line_of, read_as, rows_as, written

_KEPT_S: Final = 90 * 24 * 3_600


class Step(Struct, frozen=True, kw_only=True):
    """One request: a close of a ticket, or an opening where that is 0; its quantity in lots."""

    ticket: int
    lots: Decimal


class Plan(Struct, frozen=True, kw_only=True):
    """The steps of an order, in their order, none where it is one alone; and the number of its last attempt."""

    client: str
    attempt: int = 1
    steps: tuple[Step, ...] = ()


class _Head(Struct, frozen=True, kw_only=True):
    client: str
    attempt: int


def keep(folder: Path, plan: Plan) -> None:
    """Writes it down. Raises as `write_whole`."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise NotWritten(f"{folder} cannot be made: {error.strerror or error}") from error
    rows = [{"ticket": step.ticket, "lots": written(step.lots)} for step in plan.steps]
    said = {"v": 1, "kind": "plan", "client": plan.client, "attempt": plan.attempt, "rows": rows}
    write_whole(_path(folder, plan.client), line_of(said))


def kept(folder: Path) -> dict[str, Plan]:
    """All of the last 90 days, by client id.

    Raises:
        OSError, Unreadable: it cannot be told now which there are, or what one of them says.
    """
    found: dict[str, Plan] = {}
    oldest = time.time() - _KEPT_S
    for path in listed(folder, "plan-*.json"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                remove(path)
            elif (plan := _plan_in(path)) is not None:
                found[plan.client] = plan
    return found


def _plan_in(path: Path) -> Plan | None:
    """Raises Unreadable."""
    try:
        said = read_whole(path)
        if said is None:
            return None
        head = read_as(_Head, said)
        return Plan(client=head.client, attempt=head.attempt, steps=rows_as(Step, said))
    except Unreadable as error:
        raise Unreadable(f"{path}, which says how far an order was tried, cannot be read: {error}") from error


def _path(folder: Path, client: str) -> Path:
    return folder / f"plan-{id_of(client)}.json"
