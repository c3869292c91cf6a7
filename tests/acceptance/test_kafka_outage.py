"""A minute without brokers, and a gate that dies, under load: orders do not notice, and the archive is whole afterwards."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.services.archive import TOPIC, archived, archiving, in_toml, indices, quote, trade, verified
from tests.services.kafka import Kafka, NoKafka
from tests.services.objects import keeping
from tests.services.server import finish, start

from ordergate.bootstrap import Gate, open_gate

pytestmark = pytest.mark.slow(minutes=2)
OUTAGE_S = 60.0
BESIDE_S = 20.0
_EVERY_S = 0.02


@pytest.fixture
def lasting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kafka]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ORDERGATE_DB", raising=False)
    with keeping() as objects:
        try:
            broker = Kafka(tmp_path / "kafka", "s3://tansu/", {**os.environ, **objects.environment})
        except NoKafka as missing:
            pytest.skip(str(missing))
        try:
            yield broker
        finally:
            broker.kill()


async def load(gate: Gate, first: int, seconds: float) -> tuple[list[float], int]:
    """Orders for so long, at an even pace; how long each took, and the next number."""
    until, took = time.monotonic() + seconds, []
    while time.monotonic() < until:
        took += await trade(gate, first, 1)
        first += 1
        await asyncio.sleep(_EVERY_S)
    return took, first


def p99(took: list[float]) -> float:
    return sorted(took)[len(took) * 99 // 100]


def test_a_minute_without_brokers_under_load(lasting: Kafka, tmp_path: Path) -> None:
    config, database = archiving(lasting.server), tmp_path / "orders.db"

    async def main() -> None:
        async with open_gate(config, f"sqlite:///{database}") as gate:
            await quote(gate)
            _warm, number = await load(gate, 0, 5)
            there, number = await load(gate, number, BESIDE_S)
            lasting.kill()
            away, number = await load(gate, number, OUTAGE_S)
            await asyncio.to_thread(lasting.start)
            back, number = await load(gate, number, BESIDE_S)
            size = await archived(gate, 120)
        print(f"p99 there {p99(there):.4f} away {p99(away):.4f} back {p99(back):.4f}, {number} orders")
        assert p99(away) <= max(p99(there), p99(back)) * 1.5
        found = await verified(config, database)
        assert found.wrong == 0, found
        assert set(indices(lasting.read(TOPIC))) >= set(range(size))

    asyncio.run(main())


def test_a_gate_that_is_killed_under_load(lasting: Kafka, tmp_path: Path) -> None:
    database, file = tmp_path / "orders.db", tmp_path / "ordergate.toml"
    file.write_text(in_toml(lasting.server))
    order = {"symbol": "AAPL", "side": "buy", "quantity": "1", "order_type": "limit", "limit_price": "1.00"}
    order |= {"fund_id": "paper-momentum", "tif": "gtc"}
    for turn in range(4):
        served = start(database, "--config", str(file))
        done, taken = threading.Event(), threading.Semaphore(0)

        def give(
            who: int,
            turn: int = turn,
            url: str = served.url,
            done: threading.Event = done,
            taken: threading.Semaphore = taken,
        ) -> None:
            number = 0
            with httpx2.Client(base_url=url, timeout=20, trust_env=False) as client:
                try:
                    while not done.is_set():
                        number += 1
                        client.post("/v1/orders", json=order | {"idempotency_key": f"{turn}-{who}-{number}"})
                        taken.release()
                except httpx2.HTTPError:
                    pass  # it died

        threads = [threading.Thread(target=give, args=(who,)) for who in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(30 + 7 * turn):
            assert taken.acquire(timeout=30)
        if turn == 2:
            lasting.kill()
            for _ in range(30):
                assert taken.acquire(timeout=30)
            lasting.start()
        served.process.send_signal(signal.SIGKILL)
        done.set()
        for thread in threads:
            thread.join()
        finish(served.process)

    async def main() -> None:
        config = archiving(lasting.server)
        async with open_gate(config, f"sqlite:///{database}") as gate:
            size = await archived(gate, 120)
        found = await verified(config, database)
        assert found.wrong == 0, found
        assert found.logs[config.audit.origin].archived >= size > 100

    asyncio.run(main())
