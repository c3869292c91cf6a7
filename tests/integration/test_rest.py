"""The service as a process: orders in, events out, and an end that loses nothing."""

import json
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from ordergate.adapters.journals.door import read_door
from ordergate.cli import serve
from ordergate.cli.app import app
from tests.services.commands import CliRunner
from tests.services.funds import RICH_TOML
from tests.services.server import ROOT, Events, Served, finish, serving

ORDER: dict[str, Any] = {
    "order_id": "ord-abc",
    "idempotency_key": "strat-v7-2026-05-23-AAPL-long",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "order_type": "limit",
    "limit_price": "180.50",
    "tif": "day",
    "fund_id": "paper-momentum",
    "strategy_id": "momentum_v1",
    "broker": "paper",
    "actor": "research_signal_executor",
}
QUOTE = {"bid": "180.40", "ask": "180.50", "bid_size": "1000", "ask_size": "1000"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """For tests that leave it as it was, or use names of their own."""
    with serving(tmp_path_factory.mktemp("shared") / "gate.db") as made:
        yield made


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "gate.db") as made:
        yield made


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def serves_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is not refused would go on for ever."""

    async def started(*_given: object) -> None:
        raise AssertionError("it was not refused")

    monkeypatch.setattr(serve, "_serve", started)


def test_an_order_from_its_request_to_its_position(served: Served) -> None:
    first = Events(served.url, last=-1)
    with served.client() as client:
        answer = client.post("/v1/orders", json=ORDER)
        assert answer.status_code == 202, answer.text
        assert answer.json()["order_id"] == "ord-abc"
        first.wait_for("OrderAcknowledged")
        assert client.get("/v1/orders/ord-abc").json()["state"] == "SUBMITTED"
        first.cut()
        last = first.seen[-1][0]
        assert client.put("/v1/paper/quotes/AAPL", json=QUOTE).status_code == 200  # while nobody listens
        assert client.get("/v1/orders/ord-abc").json()["state"] == "CLOSED"
        second = Events(served.url, last=last)
        second.wait_for("OrderFilled")
        client.post("/v1/orders", json=ORDER | {"order_id": "ord-2", "idempotency_key": "k-2"})
        second.wait_for("OrderFilled", 2)  # after what it had missed, what comes
        seen = [*first.seen, *second.seen]
        assert [index for index, _kind, _data in seen] == list(range(len(seen)))
        assert all(json.loads(data)["index"] == index for index, _kind, data in seen)
        (position,) = client.get("/v1/positions", params={"fund_id": "paper-momentum"}).json()["items"]
        assert (position["quantity"], position["average_price"], len(position["lots"])) == ("200", "180.5", 2)
        second.cut()


def test_two_hundred_at_once_are_one_order(shared: Served) -> None:
    body = ORDER | {"symbol": "MSFT", "order_id": None}
    with shared.client() as client, ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _n: client.post("/v1/orders", json=body), range(200)))
        assert sorted(a.status_code for a in answers) == [200] * 199 + [202]
        assert all(a.headers.get("idempotent-replayed") == "true" for a in answers if a.status_code == 200)
        assert len(client.get("/v1/orders?symbol=MSFT").json()["items"]) == 1


@pytest.fixture
def rich(tmp_path: Path) -> Iterator[Served]:
    """One whose fund has money for any number of orders."""
    config = tmp_path / "rich.toml"
    config.write_text(RICH_TOML)
    with serving(tmp_path / "gate.db", "--config", str(config)) as served:
        yield served


@pytest.mark.slow
def test_it_drains_and_ends(rich: Served) -> None:
    events = Events(rich.url)
    answered: list[str] = []
    stop = threading.Event()

    def load(sender: int) -> None:
        with rich.client() as client:
            number = 0
            while not stop.is_set():
                number += 1
                body = ORDER | {"order_id": f"ord-{sender}-{number}"}
                body["idempotency_key"] = body["order_id"]
                try:
                    answer = client.post("/v1/orders", json=body)
                except Exception:  # the door is closed
                    return
                assert answer.status_code in (202, 503), answer.text
                if answer.status_code == 202:
                    answered.append(body["order_id"])

    threads = [threading.Thread(target=load, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert rich.end(signal.SIGTERM, 30) == 0
    assert time.monotonic() - began < 30
    stop.set()
    for thread in threads:
        thread.join()
    assert events.ended.wait(30)
    events.cut()
    assert finish(rich.process) == ""
    listed = json.loads(command("orders", "list", "--json", "--db", f"sqlite:///{rich.database}").stdout)
    assert answered
    assert set(answered) <= {order["order_id"] for order in listed}
    assert command("audit", "verify", "--db", f"sqlite:///{rich.database}").exit_code == 0


def test_a_file_says_where_the_door_is(served: Served) -> None:
    path = Path(f"{served.database}.door")
    said = read_door(served.database)
    assert said is not None
    assert (said.url, said.pid) == (served.url, served.process.pid)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert served.end(signal.SIGINT, 60) == 0
    assert finish(served.process) == ""
    assert not path.exists()
    assert read_door(served.database) is None


@pytest.mark.slow
def test_it_ends_though_a_stream_is_not_read(rich: Served) -> None:
    host, port = rich.url.removeprefix("http://").split(":")
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stalled.connect((host, int(port)))
        stalled.sendall(b"GET /v1/events?after=-1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        with rich.client() as client:
            for batch in range(8):
                orders = [
                    ORDER | {"order_id": None, "idempotency_key": f"{batch}-{i}", "thesis": "x" * 1_000}
                    for i in range(400)
                ]
                answer = client.post("/v1/orders/batch", json={"orders": orders})
                assert {result["status"] for result in answer.json()["results"]} == {202}
        assert rich.end(signal.SIGTERM, 60) == 0
    assert "Traceback" not in finish(rich.process)


@pytest.mark.slow
def test_the_address_can_be_used_again_at_once(tmp_path: Path) -> None:
    with serving(tmp_path / "gate.db") as first:
        with first.client() as client:
            client.get("/health")
        port = first.url.rpartition(":")[2]
        first.end()
    with serving(tmp_path / "gate.db", "--port", port) as second:
        assert second.url == first.url


@pytest.mark.usefixtures("serves_nobody")
def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = command("serve", "--port", port, "--db", f"sqlite:///{tmp_path / 'gate.db'}")
    assert done.exit_code == 1
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr
    assert not list(tmp_path.iterdir())  # the database was not touched


@pytest.mark.usefixtures("serves_nobody")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org"])
def test_addresses_that_others_reach(host: str, tmp_path: Path) -> None:
    done = command("serve", "--host", host, "--port", "0", "--db", f"sqlite:///{tmp_path / 'gate.db'}")
    assert done.exit_code == 1
    assert re.search("authentication|127.0.0.1", done.stderr)
    assert not list(tmp_path.iterdir())


def test_a_database_that_is_served_already(shared: Served) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ordergate", "serve", "--port", "0", "--db", f"sqlite:///{shared.database}"],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=180,
    )  # fmt: skip
    assert done.returncode == 1
    assert "in use by another ordergate process" in done.stderr
    assert read_door(shared.database) is not None  # the other's
    with shared.client() as client:
        assert client.get("/ready").status_code == 200


def test_a_gate_that_fails_ends_the_service(served: Served) -> None:
    served.database.unlink()
    with served.client() as client:
        answer = client.post("/v1/orders", json=ORDER)
        assert answer.status_code == 503
        assert answer.json()["outcome"] == "unknown"
    assert served.process.wait(60) == 1
    assert "was deleted or replaced" in finish(served.process)
