"""RSK-24: a real service that is asked for more than twice what its limit lets through, for seconds."""

import itertools
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.acceptance.test_kill_switch import entries_after
from tests.services.funds import RICH_TOML
from tests.services.server import Served, finish, start

from ordergate.domain.times import parse_time

MOST = 20
"""Orders that pass within a second."""
SECONDS = 4
RESERVE = 1_000


class Sender(threading.Thread):
    """Sends orders that rest, as fast as they are answered; every answer is kept."""

    def __init__(self, served: Served, number: int, until: float) -> None:
        super().__init__(daemon=True)
        self._served, self._number, self._until = served, number, until
        self.answers: list[dict[str, Any]] = []

    def run(self) -> None:
        with self._served.client() as client:
            for number in itertools.count():
                if time.monotonic() > self._until:
                    return
                answer = client.post("/v1/orders", json=order(f"{self._number}-{number}"))
                self.answers.append({"status": answer.status_code, **answer.json()})


def order(key: str) -> dict[str, Any]:
    return {
        "idempotency_key": key,
        "fund_id": "paper-momentum",
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "1",
        "order_type": "limit",
        "limit_price": "150.00",
        "tif": "gtc",
    }


@pytest.mark.slow
def test_no_second_has_more_than_the_limit_and_every_cancel_passes(tmp_path: Path) -> None:
    rates = (
        f"max_orders_per_s = {MOST}\nmax_messages_per_s = {3 * MOST + RESERVE}\ncancel_reserve = {RESERVE}\n"
    )
    (tmp_path / "gate.toml").write_text(f"{RICH_TOML}\n{rates}")
    served = start(tmp_path / "gate.db", "--config", str(tmp_path / "gate.toml"))
    try:
        senders = [Sender(served, number, time.monotonic() + SECONDS) for number in range(4)]
        for sender in senders:
            sender.start()
        canceled = 0
        with served.client() as client:
            while any(sender.is_alive() for sender in senders):
                canceled += cancel_all(client, senders)
            canceled += cancel_all(client, senders)
            answers = [answer for sender in senders for answer in sender.answers]
            passed = [answer for answer in answers if answer["status"] == 202]
            refused = [answer for answer in answers if answer["status"] != 202]
            assert len(answers) >= 2 * MOST * SECONDS, "the machine asked for too little"
            assert {(one["status"], one["code"]) for one in refused} == {(422, "RISK_MESSAGE_RATE")}
            assert len(passed) >= MOST * SECONDS // 2, "what the limit lets through passes"
            assert canceled == len(passed)
            time.sleep(1)
            assert client.post("/v1/orders", json=order("after")).status_code == 202
    finally:
        finish(served.process)
    times = [
        entered for entry in entries_after(served.database, -1) if (entered := let_through(entry)) is not None
    ]
    assert len(times) == len(passed) + 1
    assert all(later - first >= 1 for first, later in zip(times, times[MOST:], strict=False))


def cancel_all(client: httpx2.Client, senders: list[Sender]) -> int:
    """Cancels what has passed since, beside the storm; how many were taken."""
    count = 0
    for sender in senders:
        for answer in list(sender.answers):
            if answer["status"] == 202 and not answer.get("canceled"):
                answer["canceled"] = client.post(f"/v1/orders/{answer['order_id']}/cancel").status_code == 202
                count += answer["canceled"]
    return count


def let_through(entry: dict[str, Any]) -> float | None:
    """When an order came in that the gate did not refuse, in seconds."""
    event = entry["event"]
    if event["kind"] != "OrderEntered/1" or event["order"].get("reason_code") is not None:
        return None
    return parse_time(event["order"]["created_at"], "#").timestamp()
