"""A second, simpler reading of the journal: what its entries say, and whether they can follow each other.

Written from DESIGN and the documents alone; it shares no code with the package, not even the decoder.
"""

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from tests.simulation.reckoning import ZERO, Reckoning

__all__ = ["ZERO"]

# The table of the order states, copied by hand from the design.
NEXT: Final[dict[str | None, frozenset[str]]] = {
    None: frozenset({"CREATED", "SUBMITTED"}),
    "CREATED": frozenset({"PENDING_RISK", "CANCELED", "FAILED"}),
    "PENDING_RISK": frozenset({"ACCEPTED", "REJECTED", "CANCELED", "EXPIRED", "FAILED"}),
    "ACCEPTED": frozenset({"SUBMITTED", "CANCELED", "EXPIRED", "FAILED"}),
    "SUBMITTED": frozenset({
        "SUBMITTED", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED", "FAILED", "ACCEPTED",
    }),
    "PARTIALLY_FILLED": frozenset({"PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "FAILED", "SUBMITTED"}),
    "FILLED": frozenset({"CLOSED", "PARTIALLY_FILLED", "SUBMITTED"}),
}  # fmt: skip
ENDED: Final = frozenset({"CLOSED", "CANCELED", "REJECTED", "EXPIRED", "FAILED"})
SIGNS: Final = {"buy": 1, "cover": 1, "sell": -1, "short": -1}

_NEW: Final = frozenset({"OrderEntered/1", "OrderAdopted/1"})
_EXECUTIONS: Final = frozenset({"OrderFilled/1", "FillCorrected/1", "FillBusted/1"})
_decode: Final = msgspec.json.Decoder().decode


# When sessions of that day open and end, in UTC: written down by hand.
_OPENINGS: Final = {"AAPL": time(14, 30), "EURUSD": time(22), "BTC/USDT": None}
_ENDS: Final = {"AAPL": time(21), "EURUSD": time(22), "BTC/USDT": None}
_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_SKEW: Final = timedelta(seconds=5)
"""More than the clocks of nodes differ by."""


def over_at(tif: str, symbol: str, since: datetime, expires_at: str | None) -> datetime:
    """When an order works no longer: where that is not soon, never."""
    if tif == "gtd" and expires_at is not None:
        return datetime.fromisoformat(expires_at)
    return _next(_ENDS[symbol], since) if tif == "day" else _NEVER


def opens_at(symbol: str, since: datetime) -> datetime:
    """When an order may trade that waits for an opening."""
    return _next(_OPENINGS[symbol], since)


def _next(at: time | None, since: datetime) -> datetime:
    midnight = datetime.combine(since.date() + timedelta(days=1), time(0), UTC)
    if at is None:
        return midnight
    moment = datetime.combine(since.date(), at, UTC)
    return moment if since < moment else _NEVER


class OrderModel:
    """What the entries of one order say."""

    def __init__(self, index: int, order: dict[str, Any]) -> None:
        self.entered_at = index
        self.order_id: str = order["order_id"]
        self.fund: str = order["fund_id"]
        self.symbol: str = order["symbol"]
        self.side: str = order["side"]
        self.order_type: str = order["order_type"]
        self.tif: str = order["tif"]
        self.created_at = datetime.fromisoformat(order["created_at"])
        self.opens_at = opens_at(self.symbol, self.created_at)
        self.over_at = over_at(self.tif, self.symbol, self.created_at, order.get("expires_at"))
        self.ticket: str | None = order.get("broker_order_id")
        self.quantity = Decimal(order["quantity"])
        self.approved = self.quantity
        self.state: str | None = None
        self.version = 1
        self.requests: dict[int, str] = {}
        self.executions: dict[str, dict[str, Any]] = {}
        self.breaks: list[str] = []

    @property
    def counting(self) -> list[dict[str, Any]]:
        """The executions that count: no busts, and none that another refers to."""
        referred = {row.get("refers_to") for row in self.executions.values()}
        return [
            row
            for name, row in self.executions.items()
            if name not in referred and row.get("kind", "trade") != "bust"
        ]

    @property
    def filled(self) -> Decimal:
        """Sum over them."""
        return sum((Decimal(row["quantity"]) for row in self.counting), ZERO)

    @property
    def revised(self) -> bool:
        """Whether the broker took back or corrected anything."""
        return any(row.get("refers_to") for row in self.executions.values())


class Model:
    """The journal so far.

    Attributes:
        problems: what cannot be, in words.
        sends: of requests that may have left: client id to what the order or request says.
        sent: how often each was journalled as sent.
        requests: of callers, that led to entries.
        denied: requests of callers who were told that nothing has happened.
        disproved: how often it was journalled that a request never arrived.
        session: epoch and node of the last session that was opened.

    Args:
        reckoning: of what the journal says of comparisons.
        sends_again_unproven: whether an order may be sent again without proof that it never arrived.
    """

    def __init__(self, reckoning: Reckoning, *, sends_again_unproven: bool) -> None:
        self.reckoning = reckoning
        self._sends_again_unproven = sends_again_unproven
        self.sent: Counter[str] = Counter()
        self.disproved: Counter[str] = Counter()
        self.requests: set[str] = set()
        self.denied: set[str] = set()
        self.session: tuple[int, str | None] = (0, None)
        self.problems: list[str] = []
        self.size = 0
        self.last = datetime.min.replace(tzinfo=UTC)
        self.orders: dict[str, OrderModel] = {}
        self.keys: dict[tuple[str, str, str], str] = {}
        self.refused: dict[str, int] = {}
        self.sends: dict[str, tuple[str, OrderModel, dict[str, Any]]] = {}

    def take(self, index: int, data: bytes) -> str | None:
        """One more entry; returns the order that it is about."""
        entry = _decode(data)
        event = entry["event"]
        if index != self.size or entry["index"] != index:
            self._problem(index, f"stands at {index}, says {entry['index']}, {self.size} were expected")
        self.size = index + 1
        for text in event.get("times") or [entry["time"]]:
            at = datetime.fromisoformat(text)
            if at <= self.last:
                self._problem(index, f"has the time {at}, not after {self.last}")
            self.last = at
        kind = event["kind"]
        if "request" in entry:
            self.requests.add(entry["request"])
            if entry["request"] in self.denied:
                self._problem(index, "is written after its caller was told that nothing has happened")
        for problem in self.reckoning.take(event):
            self._problem(index, problem)
        if kind == "BreakRaised/1":
            item = event["item"]
            if item.get("order_id") in self.orders:
                self.orders[item["order_id"]].breaks.append(item["kind"])
            return item.get("order_id")
        if kind == "SessionOpened/1":
            if event["epoch"] != self.session[0] + 1:
                self._problem(index, f"opens epoch {event['epoch']} after {self.session[0]}")
            self.session = event["epoch"], event.get("node")
        if kind == "SignalRefused/1":
            self.refused[event["signal_id"]] = index
        if "order_id" not in event:
            return None
        order = self._new(index, event) if kind in _NEW else self._known(index, event)
        if order is not None:
            self._walk(index, order, event)
            self._apply(index, order, kind, event)
        return event["order_id"]

    def _problem(self, index: int, text: str) -> None:
        self.problems.append(f"entry {index} {text}")

    def _new(self, index: int, event: dict[str, Any]) -> OrderModel | None:
        order = OrderModel(index, event["order"])
        if order.order_id in self.orders:
            self._problem(index, f"makes order {order.order_id} a second time")
            return None
        self.orders[order.order_id] = order
        if event["kind"] == "OrderEntered/1":
            key = order.fund, event["key_kind"], event["key"]
            if key in self.keys:
                self._problem(index, f"makes a second order of key {key}: {self.keys[key]} was the first")
            self.keys[key] = order.order_id
        for request in event["order"].get("requests", ()):
            self._request(index, order, request)
        return order

    def _known(self, index: int, event: dict[str, Any]) -> OrderModel | None:
        order = self.orders.get(event["order_id"])
        if order is None:
            self._problem(index, f"is about order {event['order_id']}, which does not exist")
            return None
        order.version += 1
        return order

    def _walk(self, index: int, order: OrderModel, event: dict[str, Any]) -> None:
        for state in event.get("path", ()):
            if state not in NEXT.get(order.state, frozenset()):
                self._problem(index, f"brings order {order.order_id} from {order.state} to {state}")
            if state == "EXPIRED" and self.last < order.over_at - _SKEW and order.tif != "opg":
                self._problem(index, f"lets order {order.order_id} expire, its time is {order.over_at}")
            order.state = state

    def _request(self, index: int, order: OrderModel, request: dict[str, Any]) -> None:
        phase, name = request.get("phase", "ready"), request["client_id"]
        order.requests[request["number"]] = phase
        if phase != "sent":
            return
        if request["epoch"] != self.session[0]:
            self._problem(index, f"sends {name} in epoch {request['epoch']}, {self.session[0]} is open")
        again = request["kind"] == "submit" and self.sent[name] > self.disproved[name]
        if again and not self._sends_again_unproven:
            self._problem(index, f"sends {name} again, and nothing proves that it had not arrived")
        self.sent[name] += 1
        self.sends[name] = (request["kind"], order, request)

    def _apply(self, index: int, order: OrderModel, kind: str, event: dict[str, Any]) -> None:
        if kind in _EXECUTIONS:
            self._executed(index, order, event["fill"])
        elif kind in ("OrderSent/1", "RequestOpened/1"):
            self._request(index, order, event["request"])
        elif kind == "OrderReplaced/1":
            order.quantity = Decimal(event.get("quantity", order.quantity))
            order.requests.pop(event["number"], None)
        elif kind == "OrderRestated/1":
            order.quantity = Decimal(event["quantity"])
        elif kind == "RequestDoubted/1":
            order.requests[event["number"]] = event["phase"]
        elif kind == "RequestDropped/1":
            order.requests.pop(event["number"], None)
        elif kind == "SendDisproved/1":
            order.requests[event["number"]] = "ready"
            self.disproved[f"{order.order_id}.{event['number']}"] += 1
        if kind in _EXECUTIONS or kind in ("OrderAcknowledged/1", "OrderReplaced/1", "OrderMarked/1"):
            order.requests.pop(1, None)  # the broker has it: the submit is answered
        if order.state in ENDED:
            order.requests.clear()

    def _executed(self, index: int, order: OrderModel, fill: dict[str, Any]) -> None:
        name = fill["exec_id"]
        if name in order.executions:
            self._problem(index, f"books execution {name} of order {order.order_id} a second time")
        if (fill["fund_id"], fill["symbol"], fill["side"]) != (order.fund, order.symbol, order.side):
            self._problem(index, f"books {name} for another fund, symbol or side than its order's")
        traded_at = datetime.fromisoformat(fill["time"])
        if order.tif == "opg" and traded_at < order.opens_at and "refers_to" not in fill:
            self._problem(index, f"books {name} of {traded_at}, before the opening that its order waits for")
        order.executions[name] = {"quantity": "0", "price": "0", "fee": "0", **fill}
