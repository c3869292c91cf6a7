"""Signals through the REST door."""

from typing import Any

import pytest

from tests.unit.api.rooms import Room, held, problem

SIGNAL: dict[str, Any] = {
    "signal_id": "sig-1",
    "symbol": "EURUSD",
    "signal_type": "BUY",
    "position_size": "0.10",
    "entry_price": 1.08125,
    "stop_loss": "1.07900",
    "confidence_score": 0.8,
    "risk_approval_status": "approved",
}


def test_a_signal_becomes_an_order_once() -> None:
    async def talk(at: Room) -> None:
        first = await at.client.post("/v1/signals", json=SIGNAL)
        order = first.json()
        assert first.status_code == 202
        assert first.headers["location"] == f"/v1/orders/{order['order_id']}"
        assert (order["signal_id"], order["entry_price"], order["quantity"]) == ("sig-1", "1.08125", "0.1")
        again = await at.client.post("/v1/signals", json=SIGNAL)
        assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
        assert again.json()["order_id"] == order["order_id"]
        told = problem(
            await at.client.post("/v1/signals", json=SIGNAL | {"position_size": "0.2"}),
            422, "idempotency_key_reused",
        )  # fmt: skip
        assert told["outcome"] == "not_sent"

    held(talk)


@pytest.mark.parametrize(
    ("changes", "code", "outcome"),
    [
        ({"risk_approval_status": "rejected"}, "signal_not_approved", "not_sent"),
        ({"signal_type": "HOLD"}, "signal_no_order", "not_sent"),
        ({"stop_loss": "1.09"}, "bad_value", "not_sent"),
        ({"symbol": "NOPE/NOPE"}, "unknown_symbol", "not_sent"),
        ({"fund_id": "fx-only", "symbol": "AAPL", "position_size": 1}, "RISK_ASSET_CLASS", "rejected"),
    ],
)
def test_a_refused_signal_stands_in_the_journal(changes: dict[str, Any], code: str, outcome: str) -> None:
    async def talk(at: Room) -> None:
        size = at.gate.runner.engine.size
        told = problem(await at.client.post("/v1/signals", json=SIGNAL | changes), 422, code)
        assert (told["outcome"], told["retry"]) == (outcome, "never")
        assert at.gate.runner.engine.size > size
        refused = [row["code"] for row in await at.gate.queries.refusals()]
        assert refused == ([] if outcome == "rejected" else [code])

    held(talk)


def test_what_is_no_signal_is_not_journalled() -> None:
    async def talk(at: Room) -> None:
        size = at.gate.runner.engine.size
        problem(await at.client.post("/v1/signals", json=SIGNAL | {"color": 1}), 422, "unknown_field")
        problem(await at.client.post("/v1/signals", json={}), 422, "missing")
        problem(await at.client.post("/v1/signals", content="{"), 400, "not_json")
        assert at.gate.runner.engine.size == size

    held(talk)
