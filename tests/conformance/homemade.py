"""A broker as somebody writes one for himself: synchronous, with floats, orders in a JSON file.

`Home` is the broker's own house, which outlives the process; `HomemadeBroker` is the class that its user wrote.
"""

import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Home:
    """Matches limit and market orders against a market that is set; what works and what was done is on disk."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, threading.Lock()
        self.bid = self.ask = self.size = 0.0
        self.orders: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}

    def set_market(self, bid: float, ask: float, size: float) -> None:
        with self.lock:
            self.bid, self.ask, self.size = bid, ask, size
            for order in self.orders.values():
                self.match(order)
            self.save()

    def match(self, order: dict[str, Any]) -> None:
        left = order["volume"] - order["filled"]
        limit = order["limit"]
        if order["state"] != "SUBMITTED" or not self.ask or (limit is not None and limit < self.ask):
            return
        taken = min(left, self.size)
        self.size -= taken
        order["value"] += taken * self.ask
        order["filled"] += taken
        if order["filled"] == order["volume"]:
            order["state"] = "FILLED"

    def save(self) -> None:
        self.path.write_text(json.dumps(self.orders))


class HomemadeBroker:
    """What the user wrote against the interface."""

    order_types = ("market", "limit")

    def __init__(self, path: Path | str) -> None:
        self.home = Home(Path(path))
        self.polls: dict[str, int] = {}
        self.calls: list[str] = []
        self.threads: set[int] = set()
        self.fails_after_doing: BaseException | None = None
        self.hang: threading.Event | None = None
        self.says_nothing = self.queries_fail = False
        self.refuses: str | None = None

    def _enter(self, name: str) -> None:
        self.calls.append(name)
        self.threads.add(threading.get_ident())

    def _leave(self) -> None:
        if self.hang is not None:
            self.hang.wait()
        if self.fails_after_doing is not None:
            raise self.fails_after_doing

    def place_order(self, order: Any) -> Any:
        self._enter("place_order")
        if order.symbol != "ACME":
            return SimpleNamespace(success=False, order_id=None, error=f"no such symbol: {order.symbol}")
        if self.refuses is not None:
            return SimpleNamespace(success=False, order_id=None, error=self.refuses)
        with self.home.lock:
            order_id = f"H{len(self.home.orders) + 1}"
            row = {
                "volume": order.volume, "limit": order.limit_price, "filled": 0.0, "value": 0.0, "state": "SUBMITTED",
            }  # fmt: skip
            self.home.orders[order_id] = row
            self.home.match(row)
            self.home.save()
        self._leave()
        if self.says_nothing:
            return None
        return SimpleNamespace(success=True, order_id=order_id, error=None)

    def get_order_status(self, order_id: str) -> Any:
        self._enter("get_order_status")
        if self.queries_fail:
            raise ConnectionError("no answer")
        with self.home.lock:
            order = dict(self.home.orders[order_id])
            self.polls[order_id] = self.polls.get(order_id, 0) + 1
        average = order["value"] / order["filled"] if order["filled"] else None
        return SimpleNamespace(state=order["state"], filled_volume=order["filled"], average_price=average)

    def get_positions(self) -> dict[str, float]:
        with self.home.lock:
            return {"ACME": sum(order["filled"] for order in self.home.orders.values())}

    def close_order(self, order_id: str) -> bool | None:
        self._enter("close_order")
        with self.home.lock:
            order = self.home.orders[order_id]
            if order["state"] != "SUBMITTED":
                raise RuntimeError(f"{order_id} would be traded back")
            order["state"] = "CANCELED"
            self.home.save()
        self._leave()
        return None if self.says_nothing else True


class HangingBroker(HomemadeBroker):
    """Places orders, and says nothing of it while there is a file of that name."""

    def __init__(self, path: str, hangs: str) -> None:
        super().__init__(path)
        self.hangs = Path(hangs)

    def _leave(self) -> None:
        while self.hangs.exists():
            time.sleep(0.01)
        super()._leave()
