"""A hub as a source of the configuration, and a service in its register; without a network, in simulated time."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from tests.unit.sdk.hubs import Hub, operational, says

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.config.answers import read_answer
from ordergate.adapters.config.http import Hub as HttpHub
from ordergate.adapters.config.hub import HubSource
from ordergate.adapters.config.presence import Presence
from ordergate.application import tallying
from ordergate.application.ports.configuration import SourceError
from ordergate.bootstrap.hub import translated
from ordergate.config.operational import overlay, settings_of

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
URL = "http://hub.test:7000"
AWAY = httpx2.ConnectError("refused")
OK = httpx2.Response(200, json={})


@pytest.fixture(autouse=True)
def _counted_from_zero() -> None:
    tallying.hub.clear()


def source(hub: Hub) -> HubSource:
    return HubSource(HttpHub(URL, "execution", hub.transport), translated)


def test_what_it_says_is_a_part_of_the_configuration() -> None:
    config = operational(order_defaults__max_slippage_pips=2)
    hub = Hub(says(config, "1.0.0"))
    found = run_virtual(source(hub).fetch())
    assert found.values == overlay(settings_of(config))
    assert found.revision.startswith("1.0.0 (")


def test_a_revision_is_another_for_other_content_under_the_same_version() -> None:
    one, other = (
        read_answer(httpx2.Response(200, json={"config": {"a": n}, "version": 1}).content, "") for n in (1, 2)
    )
    assert one.revision != other.revision


@pytest.mark.parametrize(
    ("answers", "named", "counted"),
    [
        ((AWAY,), "refused", {("config", "away"): 1}),
        ((httpx2.Response(404),), "404", {("config", "missing"): 1}),
        ((httpx2.Response(200, text="<p>"),), "is not JSON", {("config", "unreadable"): 1}),
        (
            (says(operational(idempotency__enabled="no"), 3),),
            "version 3: operational.idempotency.enabled: 'no' is neither true nor false",
            {("config", "ok"): 1, ("config", "refused"): 1},
        ),
    ],
)
def test_what_cannot_be_used_is_said_with_its_place_and_key(answers: Any, named: str, counted: Any) -> None:
    with pytest.raises(SourceError) as refused:
        run_virtual(source(Hub(*answers)).fetch())
    assert named in str(refused.value)
    assert URL in str(refused.value)
    assert tallying.hub == counted


def test_what_the_hub_has_superseded_itself_is_not_taken() -> None:
    hub = Hub(says({}, 5), says({}, 4), says({}, 6))

    async def main() -> None:
        one = source(hub)
        await one.fetch()
        with pytest.raises(SourceError, match="version 4 is older than 5"):
            await one.fetch()
        assert (await one.fetch()).revision.startswith("6 (")

    run_virtual(main())


def test_what_was_refused_supersedes_nothing() -> None:
    hub = Hub(says({"wrong": 1}, 9), says({}, 5))

    async def main() -> None:
        one = source(hub)
        with pytest.raises(SourceError):
            await one.fetch()
        assert (await one.fetch()).revision.startswith("5 (")

    run_virtual(main())


# -- The register ------------------------------------------------------------------------------------------------------

REGISTER, BEAT = "/api/discovery/register", "/api/discovery/heartbeat"


def present(hub: Hub, seconds: float, *, end: bool = True) -> list[tuple[str, str]]:
    async def main() -> None:
        clock = VirtualClock(START)
        presence = Presence(
            HttpHub(URL, "execution", hub.transport), clock, "http://127.0.0.1:8012", "1.2", "n-1"
        )
        running = asyncio.get_running_loop().create_task(presence.run())
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if end:
            await presence.end()

    run_virtual(main())
    return [(method, path) for method, path, _body in hub.asked]


def test_a_service_is_registered_gives_signs_of_life_and_is_taken_out() -> None:
    hub = Hub(OK)
    assert present(hub, 61) == [
        ("POST", REGISTER), ("POST", BEAT), ("POST", BEAT), ("DELETE", "/api/discovery/execution"),
    ]  # fmt: skip
    millis = int(START.timestamp() * 1_000)
    assert hub.asked[0][2] == {
        "name": "execution", "host": "127.0.0.1", "port": 8012, "protocol": "http", "health_endpoint": "/health",
        "version": "1.2", "metadata": {"type": "execution", "instance_id": "n-1", "start_time": millis},
    }  # fmt: skip
    assert hub.asked[1][2] == {
        "service_name": "execution", "status": "healthy", "timestamp": millis + 30_000, "metrics": {},
    }  # fmt: skip


def test_a_hub_that_has_forgotten_it_is_told_again_at_once() -> None:
    hub = Hub(OK, httpx2.Response(404), OK)
    assert present(hub, 61, end=False) == [
        ("POST", REGISTER),
        ("POST", BEAT),
        ("POST", REGISTER),
        ("POST", BEAT),
    ]


def test_one_without_a_register_or_away_is_tried_every_thirty_seconds_and_not_told_goodbye() -> None:
    for answer, outcome in (
        (httpx2.Response(404), "missing"),
        (AWAY, "away"),
        (httpx2.Response(500), "status"),
    ):
        tallying.hub.clear()
        assert present(Hub(answer), 61) == [("POST", REGISTER)] * 3
        assert tallying.hub == {("register", outcome): 3}


def test_one_that_comes_back_without_having_forgotten_is_not_told_anew() -> None:
    hub = Hub(OK, AWAY, OK)
    assert present(hub, 61, end=False) == [("POST", REGISTER), ("POST", BEAT), ("POST", BEAT)]


def test_one_that_is_slow_at_the_end_is_not_waited_for() -> None:
    async def slow(request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":
            await asyncio.sleep(25)
        return OK

    async def main() -> float:
        transport = httpx2.MockTransport(slow)
        presence = Presence(
            HttpHub(URL, "execution", transport), VirtualClock(START), "http://[::1]:8012", "1.2", "n-1"
        )
        running = asyncio.get_running_loop().create_task(presence.run())
        await asyncio.sleep(1)
        running.cancel()
        await presence.end()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 3
