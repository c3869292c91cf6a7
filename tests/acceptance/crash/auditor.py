"""Compares what ordergate says with what the venue itself has written down, after a crash and recovery."""

import asyncio
import sqlite3
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

from tests.acceptance.crash.worker import settings

from ordergate.adapters.brokers.paper.delivery import HELD_S
from ordergate.bootstrap import open_gate
from ordergate.domain.orders.states import Phase

SETTLED_WITHIN_S = 20


def recover(database: Path) -> int:
    """Opens the gate after a crash and waits until every request has an answer; how many were unclear."""

    async def main() -> int:
        async with open_gate(settings(), f"sqlite:///{database}") as gate:
            orders = gate.runner.engine.state.orders.rows
            unclear = sum(bool(order.requests) for order in orders.values())
            async with asyncio.timeout(SETTLED_WITHIN_S):
                while any(_unclear(order) for order in orders.values()):
                    await asyncio.sleep(0.005)
            await asyncio.sleep(2 * HELD_S)  # reports that the venue holds back, to deliver them out of order
            await gate.quiet()
            return unclear

    return asyncio.run(main())


def _unclear(order) -> bool:
    return any(request.phase is not Phase.PARKED for request in order.requests)


def differences(database: Path, answers: Path) -> list[str]:
    """Everything that does not agree: lost answers, doubled and orphaned orders, fills, positions, states."""
    gate, venue = sqlite3.connect(database), sqlite3.connect(f"{database}.paper")
    try:
        ours = {
            row[0]: row[1:] for row in gate.execute("SELECT order_id, state, filled_quantity FROM orders")
        }
        return [
            *_answered(gate, answers, ours),
            *_orders(venue, ours),
            *_fills(gate, venue),
            *_positions(gate),
        ]
    finally:
        gate.close()
        venue.close()


def _answered(gate, answers: Path, ours) -> list[str]:
    keys = dict(gate.execute("SELECT key, order_id FROM keys"))
    found = []
    for line in answers.read_text().splitlines() if answers.exists() else []:
        key, _, order_id = line.partition(" ")
        if not order_id.startswith("ord-") or len(order_id) < 30:
            continue  # the kill cut the line itself
        if keys.get(key) != order_id or order_id not in ours:
            found.append(f"lost: {key} was answered with {order_id}")
    return found


def _orders(venue, ours) -> list[str]:
    submits = venue.execute("SELECT client_id FROM requests WHERE kind = 'submit' AND refused IS NULL")
    count = Counter(client_id.rpartition(".")[0] for (client_id,) in submits)
    found = [
        f"orphaned: the venue has {order_id}, ordergate has not" for order_id in count if order_id not in ours
    ]
    found += [f"doubled: {order_id} is {n} orders at the venue" for order_id, n in count.items() if n > 1]
    unsent = ("CREATED", "PENDING_RISK", "ACCEPTED")
    found += [
        f"missing: {order_id} is {state}, the venue has never heard of it"
        for order_id, (state, _filled) in ours.items()
        if order_id not in count and state not in (*unsent, "CANCELED", "REJECTED")
    ]
    return found


def _fills(gate, venue) -> list[str]:
    theirs = {(row[0], row[1]): (Decimal(row[2]), Decimal(row[3])) for row in venue.execute(
        "SELECT r.client_id, e.exec_id, e.quantity, e.price FROM executions e JOIN requests r "
        "ON r.order_number = e.order_number AND r.kind = 'submit'")}  # fmt: skip
    venue_fills = {(client.rpartition(".")[0], exec_id): value for (client, exec_id), value in theirs.items()}
    our_fills = {(row[0], row[1]): (Decimal(row[2]), Decimal(row[3])) for row in gate.execute(
        "SELECT order_id, exec_id, quantity, price FROM fills WHERE counts")}  # fmt: skip
    found = [f"fill lost: {key}" for key in venue_fills.keys() - our_fills.keys()]
    found += [f"fill invented: {key}" for key in our_fills.keys() - venue_fills.keys()]
    found += [
        f"fill differs: {k}" for k in our_fills.keys() & venue_fills.keys() if our_fills[k] != venue_fills[k]
    ]
    return found


def _positions(gate) -> list[str]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for symbol, side, quantity in gate.execute("SELECT symbol, side, quantity FROM fills WHERE counts"):
        sums[symbol] += Decimal(quantity) * (1 if side in ("buy", "cover") else -1)
    positions = {s: Decimal(q) for s, q in gate.execute("SELECT symbol, quantity FROM positions")}
    return [
        f"position of {s}: {positions.get(s)} instead of {q}"
        for s, q in sums.items()
        if positions.get(s) != q
    ]
