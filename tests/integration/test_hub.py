"""A real hub over HTTP, a real server of NATS: the client of operational settings, and a service in the register."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ordergate.adapters.config import http
from ordergate.adapters.nats import Connection
from ordergate.sdk.config import ConfigClient
from tests.services.hub import RunningHub
from tests.services.nats import Nats
from tests.services.server import serving
from tests.unit.sdk.hubs import operational

SLIPPAGE = "operational.order_defaults.max_slippage_pips"


def slips(pips: Any) -> dict[str, Any]:
    return operational(order_defaults__max_slippage_pips=pips)


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


NOT_TAKEN = ("unreadable", "refused", "older")


async def published(nats: Nats, **message: Any) -> None:
    await published_raw(nats, json.dumps(message).encode())


async def published_raw(nats: Nats, data: bytes) -> None:
    connection = Connection((nats.url,))
    client = await connection.client()
    await client.publish("config.update.execution", data)
    await client.flush()
    await connection.close()


def test_each_way_to_fail_leaves_the_settings_and_is_counted(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        made = ConfigClient("execution", hub.url, max_retries=1)
        hub.say(slips(2), "1.0.0", updated_at=1)
        await made.init_async()
        expected = {"ok": 1}
        for mode, outcome in (
            ("slow", "slow"), ("500", "status"), ("404", "missing"), ("html", "unreadable"),
            ("truncated", "unreadable"), ("cut", "away"), ("huge", "large"),
        ):  # fmt: skip
            hub.misbehave(mode)
            monkeypatch.setattr(http, "ANSWER_S", 0.1 if mode == "slow" else 10.0)
            assert (await made.get_config(force_refresh=True))["operational"]["order_defaults"][
                "max_slippage_pips"
            ] == 2
            expected[outcome] = expected.get(outcome, 0) + 1
            assert made.counts == expected, mode
        hub.say(json.dumps(slips(3)), "1.1.0")
        await made.get_config(force_refresh=True)
        assert made.get_value(SLIPPAGE) == 3
        hub.stop()
        await made.get_config(force_refresh=True)
        assert (made.get_value(SLIPPAGE), made.counts["away"]) == (3, 2)
        hub.start()  # it has forgotten everything
        await made.get_config(force_refresh=True)
        assert (made.get_value(SLIPPAGE), made.counts["missing"]) == (3, 2)
        hub.say(slips(4), "1.2.0")
        await made.get_config(force_refresh=True)
        assert made.get_value(SLIPPAGE) == 4
        await made.close()

    asyncio.run(main())


def test_a_hub_that_is_away_at_the_start_is_used_once_it_is_there(hub: RunningHub) -> None:
    async def main() -> None:
        hub.stop()
        made = ConfigClient("execution", hub.url, retry_delay_seconds=0.01, safe_defaults=slips(1))
        await made.init_async()
        assert made.get_value(SLIPPAGE) == 1
        hub.start()
        hub.say(slips(2), 1)
        await made.get_config(force_refresh=True)
        assert made.get_value(SLIPPAGE) == 2

    asyncio.run(main())


def test_updates_come_over_nats_and_what_is_none_changes_nothing(hub: RunningHub, nats: Nats) -> None:
    heard: list[Any] = []

    async def main() -> None:
        hub.say(slips(2), 1)
        made = ConfigClient("execution", hub.url, enable_nats_updates=True, nats_url=nats.url)
        made.on_config_update(
            lambda config: heard.append(config["operational"]["order_defaults"]["max_slippage_pips"])
        )
        await made.init_async()
        heard.clear()

        async def subscribed() -> None:
            """A first update comes through: core NATS gives nobody what was published before he subscribed."""
            number = 2
            while not heard:
                await published(nats, config=slips(number), version=number)
                await asyncio.sleep(0.02)
                number += 1

        await asyncio.wait_for(subscribed(), 30)
        await published(nats, config=json.dumps(slips(50)), version="1000")
        await until(lambda: heard[-1] == 50)
        refused = (
            b"", b"\xff", b"<html>", b'{"config": {"oper', b"[]", b'{"version": 2000}',
            json.dumps({"config": slips("51"), "version": 2000}).encode(),
            json.dumps({"config": {"operational": {"more": {}}}, "version": 2000}).encode(),
            json.dumps({"config": slips(51), "version": 999}).encode(),
        )  # fmt: skip
        for data in refused:
            await published_raw(nats, data)
        await until(lambda: sum(made.counts[name] for name in NOT_TAKEN) >= len(refused))
        assert (heard[-1], made.get_value(SLIPPAGE)) == (50, 50)
        assert [made.counts[name] for name in NOT_TAKEN] == [6, 2, 1]
        nats.kill()
        assert (await made.get_config())["operational"]["order_defaults"]["max_slippage_pips"] == 50
        nats.start()
        number = 3_000
        while made.get_value(SLIPPAGE) != 60:
            await published(nats, config=slips(60), version=number)
            await asyncio.sleep(0.05)
            number += 1
        await made.close()
        await made.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_server_of_nats_that_is_away_holds_nothing_up(nats: Nats) -> None:
    async def main() -> None:
        nats.kill()
        made = ConfigClient("execution", enable_nats_updates=True, nats_url=nats.url)
        await asyncio.wait_for(made.init_async(), 2)
        assert made.get_value(SLIPPAGE) == 3
        await asyncio.wait_for(made.close(), 30)

    asyncio.run(main())


@pytest.mark.slow
def test_a_service_is_in_the_register_while_it_serves(hub: RunningHub, tmp_path: Path) -> None:
    hub.say(slips(2), 1)
    file = tmp_path / "ordergate.toml"
    file.write_text(f'[hub]\nurl = "{hub.url}"\n')
    with serving(tmp_path / "orders.db", "--config", str(file)) as served, served.client() as client:
        asyncio.run(until(lambda: "execution" in hub.services))
        (service,) = hub.services.values()
        assert served.url == f"http://{service['host']}:{service['port']}"
        assert service["metadata"]["instance_id"].endswith(f"-{served.process.pid}")
        assert client.get(service["health_endpoint"]).status_code == 200
        assert 'ordergate_hub_total{outcome="ok",what="register"} 1.0' in client.get("/metrics").text
        assert served.end(signal.SIGTERM) == 0
    assert hub.services == {}


@pytest.mark.slow
def test_a_hub_that_stands_still_delays_no_end(hub: RunningHub, tmp_path: Path) -> None:
    file = tmp_path / "ordergate.toml"
    file.write_text(f'[hub]\nurl = "{hub.url}"\n')
    hub.say(slips(2), 1)
    with serving(tmp_path / "orders.db", "--config", str(file)) as served, served.client() as client:
        asyncio.run(until(lambda: "execution" in hub.services))
        hub.misbehave("slow")
        os.kill(served.process.pid, signal.SIGHUP)  # it asks the hub
        assert client.get("/ready").status_code == 200
        assert served.end(signal.SIGTERM, within_s=8) == 0
