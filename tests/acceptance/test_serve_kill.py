"""The service is killed at random moments under load from many clients: no answered order is lost, none is doubled."""

import contextlib
import itertools
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.acceptance.crash import auditor
from tests.acceptance.test_crash import verified
from tests.services.funds import RICH_TOML
from tests.services.server import Served, finish, start

CLIENTS = 8
QUOTES = {"AAPL": ("180.40", "180.50"), "BTC/USDT": ("67000.00", "67001.00")}


class Client(threading.Thread):
    """Sends orders until its server dies; what had no answer by then is sent again, first thing, by the next."""

    def __init__(self, served: Served, run: int, number: int, unanswered: list[dict[str, Any]]) -> None:
        super().__init__(daemon=True)
        self._served, self._run, self._number = served, run, number
        self._first = unanswered
        self.unanswered: list[dict[str, Any]] = []
        self.answered: list[tuple[str, str, int]] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        with self._served.client() as client:
            bodies = itertools.chain(self._first, map(self._order, itertools.count()))
            for place, body in enumerate(bodies):
                try:
                    answer = client.post("/v1/orders", json=body)
                except httpx2.HTTPError:
                    self.unanswered = [body, *self._first[place + 1 :]]
                    return
                if answer.status_code not in (200, 202):
                    self.wrong.append(answer.text)
                    return
                self.answered.append((body["idempotency_key"], answer.json()["order_id"], answer.status_code))
                if body["order_type"] == "limit" and self._number % 2:
                    self._cancel(client, answer.json()["order_id"])

    def _cancel(self, client: httpx2.Client, order_id: str) -> None:
        with contextlib.suppress(httpx2.HTTPError):  # the next order finds out
            client.post(f"/v1/orders/{order_id}/cancel")

    def _order(self, number: int) -> dict[str, Any]:
        resting = number % 3 == 0
        order = {
            "idempotency_key": f"{self._run}-{self._number}-{number}",
            "fund_id": "paper-momentum",
            "symbol": "AAPL" if number % 2 else "BTC/USDT",
            "side": "buy" if number % 5 else "sell",
            "quantity": "10" if number % 2 else "0.01",
            "order_type": "limit" if resting else "market",
            "tif": "gtc",
        }
        if resting:
            order["limit_price"] = "100.00" if order["side"] == "buy" else "99999.00"
        return order


def load_and_kill(
    folder: Path, run: int, moment: random.Random, unanswered: list[dict[str, Any]]
) -> list[Client]:
    (folder / "rich.toml").write_text(RICH_TOML)
    served = start(folder / "gate.db", "--config", str(folder / "rich.toml"))
    try:
        with served.client() as client:
            for symbol, (bid, ask) in QUOTES.items():
                assert (
                    client.put(f"/v1/paper/quotes/{symbol}", json={"bid": bid, "ask": ask}).status_code == 200
                )
        shares: list[list[dict[str, Any]]] = [unanswered[i::CLIENTS] for i in range(CLIENTS)]
        clients = [Client(served, run, number, shares[number]) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        enough = moment.randint(20, 300)
        while sum(len(client.answered) for client in clients) < enough and any(c.is_alive() for c in clients):
            time.sleep(0.002)
        time.sleep(moment.uniform(0, 0.01))
        assert served.process.poll() is None, finish(served.process)
        served.end(signal.SIGKILL)
        for client in clients:
            client.join()
        return clients
    finally:
        finish(served.process)


@pytest.mark.slow
def test_killing_the_service_under_load(tmp_path: Path) -> None:
    moment, unanswered, made = random.Random(7), [], {}
    firsts = repeats = 0
    for run in range(10):
        clients = load_and_kill(tmp_path, run, moment, unanswered)
        assert [w for client in clients for w in client.wrong] == []
        unanswered = [body for client in clients for body in client.unanswered]
        for key, order_id, status in (one for client in clients for one in client.answered):
            assert made.setdefault(key, order_id) == order_id
            firsts, repeats = firsts + (status == 202), repeats + (status == 200)
        (tmp_path / "answers").write_text("".join(f"{key} {order_id}\n" for key, order_id in made.items()))
        auditor.recover(tmp_path / "gate.db")
        assert auditor.differences(tmp_path / "gate.db", tmp_path / "answers") == []
    assert firsts > 500
    assert repeats > 5, "no kill came between an order's commit and its answer: this proves little"
    verified(tmp_path)
