"""kill -9 between sending an order and its answer, for each kind of broker outside: the order is there once."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.services.acme import Acme, installed
from tests.services.connector import Connector
from tests.services.nats import Nats, NoNats
from tests.services.server import ROOT, Served, serving_in

ORDER = {
    "idempotency_key": "k1",
    "fund_id": "paper-momentum",
    "symbol": "ACME",
    "side": "buy",
    "quantity": "10",
    "order_type": "limit",
    "limit_price": "50.05",
    "tif": "gtc",
    "actor": "me",
}


@pytest.fixture
def venue() -> Iterator[Acme]:
    made = Acme()
    made.acme.set_market(Decimal("49.99"), Decimal("50.01"), Decimal(1_000))
    yield made
    made.end()


def wait_for(what: Callable[[], object], within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def configured(folder: Path, broker: str) -> tuple[str, str]:
    (folder / "own.toml").write_text(
        f'[funds.paper-momentum]\nbroker = "mine"\n[brokers.mine]\n{broker}\n[database]\nurl = "sqlite:///orders.db"\n'
    )
    return "--config", "own.toml"


def order_and_kill(served: Served, there: Callable[[], object]) -> None:
    """Sends an order, and kills the process when the venue has it and nobody has heard its answer."""

    def post() -> None:
        with suppress(httpx2.HTTPError), served.client() as client:
            client.post("/v1/orders", content=json.dumps(ORDER))

    asking = threading.Thread(target=post)
    asking.start()
    wait_for(there)
    served.end(signal.SIGKILL)
    asking.join(20)


def the_order(client: httpx2.Client) -> dict[str, Any]:
    (order,) = client.get("/v1/orders").json()["items"]
    return order


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["drop", "hold"])
def test_a_broker_of_another_distribution(venue: Acme, fault: str, tmp_path: Path, monkeypatch) -> None:
    """The venue has filled it, and the answer, or the fill, was not told: it is found, and booked once."""
    monkeypatch.setenv("ACME_KEY", "letmein")
    arguments = configured(tmp_path, f'adapter = "acme"\nport = {venue.port}\napi_key_env = "ACME_KEY"')
    paths = installed(tmp_path / "installed")
    venue.acme.fault = fault
    with serving_in(tmp_path, tmp_path / "orders.db", *arguments, paths=paths) as served:
        order_and_kill(served, lambda: venue.acme.known)
    venue.acme.fault = None
    with (
        serving_in(tmp_path, tmp_path / "orders.db", *arguments, paths=paths) as served,
        served.client() as client,
    ):
        wait_for(lambda: the_order(client)["state"] == "CLOSED")
        again = client.post("/v1/orders", content=json.dumps(ORDER)).json()
        order = the_order(client)
        assert (again["order_id"], order["filled_quantity"]) == (order["order_id"], "10")
    assert len(venue.acme.orders) == 1
    assert [request["do"] for request in venue.acme.requests].count("order") == 1


@pytest.mark.slow
def test_a_class_of_ones_own(tmp_path: Path) -> None:
    """It can be asked by its own name of the order alone, which nobody heard: it is left to a person, and never sent again."""
    home, hangs = tmp_path / "home.json", tmp_path / "hangs"
    arguments = configured(
        tmp_path,
        'adapter = "sync"\nclass = "tests.conformance.homemade:HangingBroker"\ngrace_ms = 300\npoll_ms = 50\n'
        f'options = {{ path = "{home}", hangs = "{hangs}" }}',
    )
    hangs.touch()

    def orders() -> dict[str, Any]:
        return json.loads(home.read_text()) if home.exists() else {}

    with serving_in(tmp_path, tmp_path / "orders.db", *arguments, paths=(ROOT,)) as served:
        order_and_kill(served, orders)
    hangs.unlink()
    with (
        serving_in(tmp_path, tmp_path / "orders.db", *arguments, paths=(ROOT,)) as served,
        served.client() as client,
    ):

        def unresolved() -> list[Any]:
            return [
                one for one in client.get("/v1/recon/breaks").json()["items"] if one["kind"] == "unresolved"
            ]

        wait_for(unresolved)
        assert the_order(client)["state"] == "SUBMITTED"
        client.post("/v1/orders", content=json.dumps(ORDER))
        assert len(orders()) == 1


@pytest.mark.slow
def test_a_connector_behind_nats(tmp_path: Path) -> None:
    """It has filled the order, and its answer was not told: it is found, and booked once."""
    try:
        server = Nats(tmp_path / "nats")
    except NoNats as missing:
        pytest.skip(str(missing))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(job: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(job, loop).result(20)

    connector = Connector("mine")
    try:
        call(connector.start(server.url))
        call(connector.set_market(Decimal("49.99"), Decimal("50.01"), Decimal(1_000)))
        connector.silent = {"submit"}
        arguments = configured(
            tmp_path,
            'adapter = "bus"\norder_types = ["limit"]\ndeduplication = "forever"\nproves_absence = true\n'
            f'lists = true\n[nats]\nservers = ["{server.url}"]',
        )
        with serving_in(tmp_path, tmp_path / "orders.db", *arguments) as served:
            order_and_kill(served, lambda: connector.known)
        connector.silent = set()
        with serving_in(tmp_path, tmp_path / "orders.db", *arguments) as served, served.client() as client:
            wait_for(lambda: the_order(client)["state"] == "CLOSED")
            assert the_order(client)["filled_quantity"] == "10"
        assert len(connector.orders) == 1
    finally:
        call(connector.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        server.kill()
