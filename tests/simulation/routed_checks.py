"""What must hold of orders that go on from broker to broker: read from the journal, and from each broker's own record."""

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.simulation.ending import SAME, VenueRecord
from tests.simulation.model import ENDED, ZERO

NEVER: Final = frozenset({
    "unknown_order", "unsent_fill", "illegal_report", "still_working", "wrong_side", "wrong_instrument", "bad_execution",
    "quarantined",
})  # fmt: skip
"""Breaks for which honest brokers give no reason."""
_ENDS: Final = frozenset({"OrderCanceled/1", "OrderRejected/1", "OrderExpired/1", "OrderFailed/1"})
_GOES_ON: Final = frozenset({"OrderSent/1", "OrderRerouted/1"})


class Checks:
    """Of one run.

    Args:
        fail: is told what is wrong, in words; `say` what was seen.
        venues: each broker's own file.

    Attributes:
        size: how many entries were read.
        moves: how many orders have gone on; `proven` those of them of which something had left.
        withdrawn: of which somebody wants no more.
    """

    def __init__(
        self,
        path: Path,
        venues: Mapping[str, Path],
        fail: Callable[[str], None],
        say: Callable[[str, Any], None],
    ) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._venues, self._fail, self._tell = venues, fail, say
        self.size = self.moves = self.proven = 0
        self._hash = hashlib.sha256()
        self.withdrawn: dict[str, str] = {}
        self._brokers: dict[str, str] = {}
        self._looked_for: set[str] = set()
        self._halted: set[str] = set()
        self._unresolved: set[str] = set()

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    @property
    def digest(self) -> str:
        """Of all entries."""
        return self._hash.hexdigest()

    # After every commit.

    def grew(self) -> None:
        """Reads on."""
        sql = "SELECT idx, entry FROM journal WHERE idx >= ? ORDER BY idx"
        for index, data in self._db.execute(sql, (self.size,)).fetchall():
            self._tell("on disk ", data)
            self.size = index + 1
            self._hash.update(data)
            self._take(json.loads(data)["event"])

    def check_all(self) -> None:
        """After a crash."""
        self.grew()

    def answered(self, _answer: object) -> None:
        """A caller is."""
        self.grew()

    def denied(self, _request: str, _error: Exception) -> None:
        """A caller is told that nothing has happened."""
        self.grew()

    def _take(self, event: dict[str, Any]) -> None:
        kind, name = event["kind"], event.get("order_id", "")
        if kind == "OrderEntered/1":
            self._brokers[event["order"]["order_id"]] = event["order"]["broker"]
        elif kind in _GOES_ON:
            self._goes_on(kind, name, event)
        elif kind == "RequestDoubted/1":
            self._looked_for.add(name)
        elif kind == "RequestOpened/1" and event["request"]["kind"] == "cancel":
            self.withdrawn[name] = "its cancel was asked for"
        elif kind in _ENDS:
            self.withdrawn[name] = f"{kind} ended it"
        elif kind == "TradingHalted/1":
            self._halts(event["halt"])
        elif kind == "TradingResumed/1":
            self._halted.discard(event["name"])
        elif kind == "BreakRaised/1":
            self._breaks(event["item"])

    def _goes_on(self, kind: str, name: str, event: dict[str, Any]) -> None:
        if name in self.withdrawn:
            self._fail(f"{kind} of {name} after {self.withdrawn[name]}")
        if kind == "OrderRerouted/1":
            if event["before"] != self._brokers[name]:
                self._fail(f"{name} goes on from {event['before']}, and was at {self._brokers[name]}")
            self.moves += 1
            self.proven += name in self._looked_for
            self._brokers[name] = event["broker"]
        if self._brokers[name] in self._halted:
            self._fail(f"{kind} of {name} at {self._brokers[name]}, which is halted")

    def _halts(self, halt: dict[str, Any]) -> None:
        if halt.get("trigger") is not None:
            self._fail(f"honest brokers were halted: {halt}")
        self._halted.add(halt["name"])
        for name, broker in self._brokers.items():
            if broker == halt["name"]:
                self.withdrawn.setdefault(name, f"{broker} was halted")

    def _breaks(self, item: dict[str, Any]) -> None:
        if item["kind"] in NEVER:
            self._fail(f"a break for which there is no reason: {item}")
        if item["kind"] == "unresolved":
            self._unresolved.add(item["order_id"])

    # When all is quiet.

    def left(self) -> list[str]:
        """What is not as it must be in the end."""
        self.grew()
        rows = self._db.execute("SELECT order_id, broker, state, requests, fund_id, symbol FROM orders")
        orders = {row[0]: row[1:] for row in rows.fetchall()}
        records = {name: VenueRecord(path) for name, path in self._venues.items()}
        return [*_taken(orders, records), *self._waiting(orders, records), *self._booked(orders, records)]

    def _waiting(self, orders: Mapping[str, Any], records: Mapping[str, VenueRecord]) -> Iterator[str]:
        """Orders that neither have ended, nor work, nor are left to a person; and ends that are not those there."""
        for name, (broker, state, requests, _fund, _symbol) in orders.items():
            if '"parked"' in requests and (name in self._unresolved or state in ENDED):
                continue
            status = records[broker].status.get(name, ("unknown",))[0]
            if state not in ENDED and (status != "working" or json.loads(requests)):
                yield f"{name} is {state} with {requests}, and {status} at {broker}"
            elif status in SAME and state not in SAME[status]:
                yield f"{name} is {state}, and {status} at {broker}"

    def _booked(self, orders: Mapping[str, Any], records: Mapping[str, VenueRecord]) -> Iterator[str]:
        """Executions that are not booked once, and positions that are not their sum."""
        theirs = {key: value for record in records.values() for key, value in record.executions.items()}
        if len(theirs) != sum(len(record.executions) for record in records.values()):
            yield "two brokers have executed one order"
        rows = self._db.execute(
            "SELECT order_id, exec_id, quantity, price FROM fills WHERE counts"
        ).fetchall()
        ours = Counter(
            (name, exec_id, Decimal(quantity), Decimal(price)) for name, exec_id, quantity, price in rows
        )
        there = Counter((*key, quantity, price) for key, (quantity, price, _sign) in theirs.items())
        if ours != there:
            yield f"executions {dict(there - ours)} are not booked, and {dict(ours - there)} are not there"
        sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for (name, _exec_id), (quantity, _price, sign) in theirs.items():
            if name in orders:
                sums[orders[name][3:]] += sign * quantity
        for fund, symbol, held in self._db.execute(
            "SELECT fund_id, symbol, quantity FROM positions"
        ).fetchall():
            if sums.pop((fund, symbol), ZERO) != Decimal(held):
                yield f"the position of {fund} in {symbol} is {held}, and not what was executed"
        if any(sums.values()):
            yield f"no position has what was executed: {dict(sums)}"


def _taken(orders: Mapping[str, Any], records: Mapping[str, VenueRecord]) -> Iterator[str]:
    """Orders that were taken more than once, or where they are not."""
    taken: defaultdict[str, list[str]] = defaultdict(list)
    for broker, record in records.items():
        for client_id in record.submits:
            taken[client_id.rpartition(".")[0]].append(broker)
    for name, brokers in taken.items():
        if len(brokers) > 1:
            yield f"order {name} was taken by {' and by '.join(brokers)}"
        elif name not in orders or orders[name][0] != brokers[0]:
            yield f"order {name} is at {brokers[0]}, the journal says {orders.get(name)}"
