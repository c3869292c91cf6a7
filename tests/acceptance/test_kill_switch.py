"""The kill switch at a real service under load: it stops at once, cancels what works, and outlives kill -9."""

import contextlib
import itertools
import json
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.services.funds import RICH_TOML
from tests.services.server import Served, finish, start

CLIENTS = 6
HALT = {"level": "fund", "name": "paper-momentum", "reason": "drill"}
ALICE, BOB = {"X-Ordergate-Principal": "alice"}, {"X-Ordergate-Principal": "bob"}
_AFTER = "SELECT idx, entry FROM journal WHERE idx > ? ORDER BY idx"


class Client(threading.Thread):
    """Sends resting and marketable orders until it is told to stop; counts answers by status."""

    def __init__(self, served: Served, number: int) -> None:
        super().__init__(daemon=True)
        self._served, self._number = served, number
        self.stop = threading.Event()
        self.answers: list[tuple[float, int, str]] = []

    def run(self) -> None:
        with self._served.client() as client:
            for number in itertools.count():
                if self.stop.is_set():
                    return
                try:
                    answer = client.post("/v1/orders", json=_order(f"{self._number}-{number}"))
                except httpx2.HTTPError:
                    return
                body = answer.json()
                self.answers.append((time.monotonic(), answer.status_code, body.get("code", "")))


def _order(key: str) -> dict[str, Any]:
    resting = key.endswith(("0", "3", "6"))
    return {
        "idempotency_key": key,
        "fund_id": "paper-momentum",
        "symbol": "AAPL",
        "side": "buy" if int(key[-1]) % 2 else "sell",
        "quantity": "10",
        "tif": "gtc",
        **({"order_type": "limit", "limit_price": "150.00" if int(key[-1]) % 2 else "220.00"} if resting
           else {"order_type": "market"}),
    }  # fmt: skip


def serve(folder: Path) -> Served:
    (folder / "rich.toml").write_text(RICH_TOML)
    served = start(folder / "gate.db", "--config", str(folder / "rich.toml"))
    with served.client() as client:
        quote = {"bid": "180.40", "ask": "180.50"}
        assert client.put("/v1/paper/quotes/AAPL", json=quote).status_code == 200
    return served


def load(served: Served, until: int) -> list[Client]:
    clients = [Client(served, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    deadline = time.monotonic() + 30
    while sum(len(client.answers) for client in clients) < until:
        assert time.monotonic() < deadline, finish(served.process)
        time.sleep(0.005)
    return clients


def end(clients: list[Client]) -> None:
    for client in clients:
        client.stop.set()
    for client in clients:
        client.join(20)


def working(client: httpx2.Client) -> list[str]:
    orders = []
    for state in ("ACCEPTED", "SUBMITTED", "PARTIALLY_FILLED"):
        orders += client.get("/v1/orders", params={"state": state, "limit": 500}).json()["items"]
    return [order["order_id"] for order in orders]


def all_canceled(client: httpx2.Client, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while left := working(client):
        assert time.monotonic() < deadline, f"still working: {left[:5]} of {len(left)}"
        time.sleep(0.05)


def entries_after(database: Path, index: int) -> list[dict[str, Any]]:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return [json.loads(entry) for _idx, entry in connection.execute(_AFTER, (index,))]


def halted_at(database: Path) -> int:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT max(idx) FROM journal WHERE kind = 'TradingHalted/1'").fetchone()[0]


def sent_after(database: Path, index: int) -> list[dict[str, Any]]:
    """Submits and replaces that were let go behind an entry."""
    found = []
    for entry in entries_after(database, index):
        event = entry["event"]
        if event["kind"] == "OrderSent/1" or "SUBMITTED" in event.get("path", ()):
            found.append(entry)
        if event["kind"] == "RequestOpened/1" and event["request"]["kind"] != "cancel":
            found.append(entry)
    return found


@pytest.mark.slow
def test_a_drill_under_load(tmp_path: Path) -> None:
    served = serve(tmp_path)
    try:
        clients = load(served, 150)
        with served.client() as client:
            answer = client.post("/v1/kill-switch", json=HALT, headers=ALICE)
            assert answer.status_code == 200, answer.text
            halted = answer.json()["halt"]
            assert (halted["by"], halted["mode"], halted["reason"]) == ("alice", "halt", "drill")
            time.sleep(0.5)
            all_canceled(client)
            end(clients)
            index = halted_at(served.database)
            assert sent_after(served.database, index) == []
            entered = [
                e for e in entries_after(served.database, index) if e["event"]["kind"] == "OrderEntered/1"
            ]
            assert entered, "the load went on"
            assert {e["event"]["order"]["reason_code"] for e in entered} == {"RISK_HALTED"}
            last = [answer for one in clients for answer in one.answers][-1]
            assert last[1:] == (422, "RISK_HALTED")

            again = client.post("/v1/kill-switch/release", json=HALT | {"reason": "over"}, headers=ALICE)
            assert (again.status_code, again.json()["code"]) == (409, "same_principal")
            freed = client.post("/v1/kill-switch/release", json=HALT | {"reason": "over"}, headers=BOB)
            assert freed.status_code == 200, freed.text
            assert client.post("/v1/orders", json=_order("after-1")).status_code == 202
    finally:
        finish(served.process)


@pytest.mark.slow
def test_a_halt_outlives_kill_9(tmp_path: Path) -> None:
    served = serve(tmp_path)
    try:
        clients = load(served, 100)
        with served.client() as client:
            assert client.post("/v1/kill-switch", json=HALT, headers=ALICE).status_code == 200
        served.end(signal.SIGKILL)
        end(clients)
    finally:
        finish(served.process)
    index = halted_at(tmp_path / "gate.db")
    served = serve(tmp_path)
    try:
        with served.client() as client:
            holds = client.get("/v1/kill-switch").json()["items"]
            assert [(h["level"], h["name"], h["by"]) for h in holds] == [("fund", "paper-momentum", "alice")]
            refused = client.post("/v1/orders", json=_order("after-1"))
            assert (refused.status_code, refused.json()["code"]) == (422, "RISK_HALTED")
            all_canceled(client)
            assert sent_after(served.database, index) == []
    finally:
        finish(served.process)


def throw(client: httpx2.Client) -> None:
    with contextlib.suppress(httpx2.HTTPError):  # killed before it answered
        client.post("/v1/kill-switch", json=HALT, headers=ALICE)


@pytest.mark.slow
def test_killed_in_the_middle_of_canceling(tmp_path: Path) -> None:
    """However many cancels were on their way: after the restart the rest follows by itself, and nothing is sent."""
    for moment in (0.0, 0.002, 0.01, 0.03):
        folder = tmp_path / str(moment)
        folder.mkdir()
        served = serve(folder)
        try:
            clients = load(served, 400)
            with served.client() as client:
                asking = threading.Thread(target=throw, args=(client,), daemon=True)
                asking.start()
                time.sleep(moment)
                served.end(signal.SIGKILL)
                asking.join(5)
            end(clients)
        finally:
            finish(served.process)
        served = serve(folder)
        try:
            with served.client() as client:
                if client.get("/v1/kill-switch").json()["items"]:
                    index = halted_at(served.database)
                    all_canceled(client)
                    assert sent_after(served.database, index) == []
        finally:
            finish(served.process)
