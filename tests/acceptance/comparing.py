"""Compares what ordergate says with what the paper venue itself has written down; the same SQL for every store."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

Query = Callable[[str], Sequence[Sequence[Any]]]
"""Answers a SELECT with its rows, each by place."""

_UNSENT = ("CREATED", "PENDING_RISK", "ACCEPTED")
_WORKING = ("SUBMITTED", "PARTIALLY_FILLED")


def differences(gate: Query, venue: Query, answers: Iterable[tuple[str, str]]) -> list[str]:
    """Everything that does not agree: lost answers, doubled and orphaned orders, fills, positions, states.

    Args:
        answers: keys, each with the order that its caller was told of.
    """
    ours = {row[0]: tuple(row[1:]) for row in gate("SELECT order_id, state, filled_quantity FROM orders")}
    return [
        *_answered(gate, answers, ours),
        *_orders(venue, ours),
        *_ends(venue, ours),
        *_fills(gate, venue),
        *_positions(gate),
    ]


def _answered(gate: Query, answers: Iterable[tuple[str, str]], ours: dict[str, Any]) -> list[str]:
    keys = dict(gate("SELECT key, order_id FROM keys"))
    return [
        f"lost: {key} was answered with {order_id}, there is {keys.get(key)}"
        for key, order_id in answers
        if keys.get(key) != order_id or order_id not in ours
    ]


def _orders(venue: Query, ours: dict[str, Any]) -> list[str]:
    submits = venue("SELECT client_id FROM requests WHERE kind = 'submit' AND refused IS NULL")
    count = Counter(client_id.rpartition(".")[0] for (client_id,) in submits)
    found = [
        f"orphaned: the venue has {order_id}, ordergate has not" for order_id in count if order_id not in ours
    ]
    found += [f"doubled: {order_id} is {n} orders at the venue" for order_id, n in count.items() if n > 1]
    found += [
        f"missing: {order_id} is {state}, the venue has never heard of it"
        for order_id, (state, _filled) in ours.items()
        if order_id not in count and state not in (*_UNSENT, "CANCELED", "REJECTED")
    ]
    return found


def _ends(venue: Query, ours: dict[str, Any]) -> list[str]:
    """Works at the venue and works here are the same."""
    working = {
        row[0].rpartition(".")[0] for row in venue("SELECT client_id FROM orders WHERE status = 'working'")
    }
    here = {order_id for order_id, (state, _filled) in ours.items() if state in _WORKING}
    return [
        *(
            f"ended: {order_id} works at the venue, here it is {ours.get(order_id)}"
            for order_id in working - here
        ),
        *(f"working: {order_id} works here, and no more at the venue" for order_id in here - working),
    ]


def _fills(gate: Query, venue: Query) -> list[str]:
    theirs = {(row[0].rpartition(".")[0], row[1]): (Decimal(row[2]), Decimal(row[3])) for row in venue(
        "SELECT r.client_id, e.exec_id, e.quantity, e.price FROM executions e JOIN requests r "
        "ON r.order_number = e.order_number AND r.kind = 'submit'")}  # fmt: skip
    ours = {(row[0], row[1]): (Decimal(row[2]), Decimal(row[3])) for row in gate(
        "SELECT order_id, exec_id, quantity, price FROM fills WHERE counts <> 0")}  # fmt: skip
    found = [f"fill lost: {key}" for key in theirs.keys() - ours.keys()]
    found += [f"fill invented: {key}" for key in ours.keys() - theirs.keys()]
    found += [f"fill differs: {key}" for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]]
    return found


def _positions(gate: Query) -> list[str]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for symbol, side, quantity in gate("SELECT symbol, side, quantity FROM fills WHERE counts <> 0"):
        sums[symbol] += Decimal(quantity) * (1 if side in ("buy", "cover") else -1)
    positions = {
        symbol: Decimal(quantity) for symbol, quantity in gate("SELECT symbol, quantity FROM positions")
    }
    return [
        f"position of {symbol}: {positions.get(symbol)} instead of {quantity}"
        for symbol, quantity in sums.items()
        if positions.get(symbol) != quantity
    ]
