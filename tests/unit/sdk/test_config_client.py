"""The client of a hub: the users' own example, and a hub that is away, slow, or talks rubbish."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.config import http
from ordergate.adapters.nats import NatsError, connection
from ordergate.config import ConfigError
from ordergate.config.operational import DEFAULTS
from ordergate.sdk.config import ConfigClient
from ordergate.sdk.config.client import HUB_VARIABLE
from tests.unit.sdk.hubs import Hub, operational, says
from tests.unit.sdk.test_signals import SEEDS

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
AWAY = httpx2.ConnectError("refused")
URL = "http://hub.test:7000"
SLIPPAGE = "operational.order_defaults.max_slippage_pips"


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HUB_VARIABLE, raising=False)


def client(hub: Hub, **more: Any) -> ConfigClient:
    return ConfigClient("execution", URL, clock=VirtualClock(START), transport=hub.transport, **more)


def slips(pips: Any, version: Any = None, **more: Any) -> httpx2.Response:
    return says(operational(order_defaults__max_slippage_pips=pips), version, **more)


def run(hub: Hub, test: Any, **more: Any) -> Any:
    async def main() -> Any:
        made = client(hub, **more)
        await made.init_async()
        try:
            return await test(made)
        finally:
            await made.close()

    return run_virtual(main())


# -- Without a hub -----------------------------------------------------------------------------------------------------


def test_example_1_runs_as_written_without_a_hub(capsys: pytest.CaptureFixture[str]) -> None:
    found = sorted(SEEDS.glob("001*.txt"))
    if not found:
        pytest.skip("the users' document is not here")
    block = re.search(r"### Example 1:.*?```python\n(.*?)```", found[0].read_text("utf-8"), re.DOTALL)
    assert block is not None
    code = block[1].replace("from shared.components.config import", "from ordergate.sdk.config import")
    assert code != block[1]
    names: dict[str, Any] = {}
    exec("async def main():\n" + "\n".join(f"    {line}" for line in code.splitlines()), names)
    run_virtual(asyncio.wait_for(names["main"](), 0.001))  # in simulated time: nothing is waited for
    assert capsys.readouterr().out == "Order type: market, Max slippage: 3 pips\n"


def test_without_a_hub_the_safe_ones_lie_on_the_defaults() -> None:
    async def main() -> None:
        made = ConfigClient("execution", safe_defaults=operational(idempotency__check_window_hours=48))
        assert made.get_value("operational.idempotency") == {
            "enabled": True, "check_window_hours": 48, "dedupe_by": "signal_id",
        }  # fmt: skip
        await made.init_async()
        assert (await made.get_config())["operational"]["order_defaults"]["max_slippage_pips"] == 3
        await made.shutdown()
        assert not made.counts

    run_virtual(main())


def test_the_environment_names_a_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(slips(2, 1))
    monkeypatch.setenv(HUB_VARIABLE, f"{URL}/")

    async def main() -> Any:
        return await ConfigClient(
            "execution", clock=VirtualClock(START), transport=hub.transport
        ).get_config()

    assert run_virtual(main())["operational"]["order_defaults"]["max_slippage_pips"] == 2
    assert hub.asked == [("GET", "/api/v1/config/execution", None)]


# -- A hub -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config", [operational(order_defaults__max_slippage_pips=2.5), '{"operational": {"order_defaults": {"max_slippage_pips": 2.5}}}']
)  # fmt: skip
def test_it_may_say_the_configuration_as_an_object_or_as_text(config: Any) -> None:
    async def test(made: ConfigClient) -> None:
        found = await made.get_config()
        assert found["operational"]["order_defaults"] == {
            "default_order_type": "market", "enable_limit_orders": True, "enable_stop_orders": True,
            "max_slippage_pips": 2.5,
        }  # fmt: skip
        assert type(made.get_value(SLIPPAGE)) is float

    run(Hub(says(config, "1.0.0")), test)


def test_an_answer_counts_for_its_time_and_then_the_hub_is_asked_again() -> None:
    hub = Hub(slips(2, 1), slips(4, 2))

    async def test(made: ConfigClient) -> None:
        for _ in range(5):
            await made.get_config()
        await asyncio.sleep(299)
        assert (await made.get_config())["operational"]["order_defaults"]["max_slippage_pips"] == 2
        assert len(hub.asked) == 1
        await asyncio.sleep(1)
        assert (await made.get_config())["operational"]["order_defaults"]["max_slippage_pips"] == 4
        assert len(hub.asked) == 2
        await made.get_config(force_refresh=True)
        assert len(hub.asked) == 3

    run(hub, test)


def test_many_who_ask_at_once_ask_the_hub_once() -> None:
    hub = Hub(slips(2, 1))

    async def main() -> None:
        made = client(hub)
        await asyncio.gather(*(made.get_config() for _ in range(20)))
        assert len(hub.asked) == 1

    run_virtual(main())


def test_what_is_given_is_a_copy() -> None:
    async def test(made: ConfigClient) -> None:
        (await made.get_config())["operational"]["order_defaults"].clear()
        made.get_value("operational").clear()
        assert made.get_value(SLIPPAGE) == 2
        assert DEFAULTS["operational"]["order_defaults"]["max_slippage_pips"] == 3

    run(Hub(slips(2, 1)), test)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("operational.idempotency.enabled", True),
        ("operational.idempotency.none", "x"),
        ("operational.idempotency.enabled.more", "x"),
        ("none", "x"),
        ("", "x"),
        ("operational..enabled", "x"),
    ],
)
def test_a_value_by_its_path(path: str, value: Any) -> None:
    assert ConfigClient("execution").get_value(path, "x") == value


# -- A hub that fails --------------------------------------------------------------------------------------------------


def test_it_is_asked_three_times_with_pauses_of_one_and_two_seconds() -> None:
    hub = Hub(AWAY, httpx2.Response(500), slips(2, 1))

    async def test(made: ConfigClient) -> float:
        assert made.get_value(SLIPPAGE) == 2
        return asyncio.get_running_loop().time()

    assert run(hub, test) == 3
    assert len(hub.asked) == 3


def test_one_that_stays_away_leaves_what_is_safe_and_is_not_asked_at_each_call() -> None:
    hub = Hub(AWAY)

    async def test(made: ConfigClient) -> None:
        assert (asyncio.get_running_loop().time(), len(hub.asked)) == (3, 3)
        for _ in range(10):
            assert (await made.get_config())["operational"]["order_defaults"]["max_slippage_pips"] == 1
        assert len(hub.asked) == 3
        await asyncio.sleep(30)
        await made.get_config()
        assert (len(hub.asked), made.counts) == (6, {"away": 2})

    run(hub, test, safe_defaults=operational(order_defaults__max_slippage_pips=1))


def test_retries_are_as_many_and_as_far_apart_as_is_said() -> None:
    hub = Hub(AWAY)

    async def test(_made: ConfigClient) -> tuple[float, int]:
        return asyncio.get_running_loop().time(), len(hub.asked)

    assert run(hub, test, max_retries=4, retry_delay_seconds=0.5) == (3.5, 4)
    hub.asked.clear()
    assert run(hub, test, max_retries=1) == (0, 1)


async def too_slow(_request: httpx2.Request) -> httpx2.Response:
    await asyncio.sleep(25)
    return slips(9, 9)


RUBBISH = {
    "html": (httpx2.Response(200, html="<p>Please sign in"), "unreadable"),
    "truncated": (httpx2.Response(200, text='{"config": {"oper'), "unreadable"),
    "no object": (httpx2.Response(200, json=[1]), "unreadable"),
    "no config": (httpx2.Response(200, json={"version": 9}), "unreadable"),
    "config of another kind": (says([1], 9), "unreadable"),
    "config as text that is none": (says("{", 9), "unreadable"),
    "a number that is none": (httpx2.Response(200, text='{"config": {"operational": NaN}}'), "unreadable"),
    "deep": (httpx2.Response(200, text='{"config": ' + "[" * 100_000), "unreadable"),
    "no version": (slips(9, [9]), "unreadable"),
    "404": (httpx2.Response(404), "missing"),
    "403": (httpx2.Response(403), "status"),
    "redirect": (httpx2.Response(302, headers={"Location": "http://elsewhere.test/"}), "status"),
    "500": (httpx2.Response(500), "status"),
    "huge": (httpx2.Response(200, content=b'{"config": "' + b"x" * 2_000_000), "large"),
    "wrong type": (slips("9", 9), "refused"),
    "wrong range": (slips(-9, 9), "refused"),
    "unknown key": (says({"operational": {"order_default": {}}}, 9), "refused"),
    "unknown section": (says({"operations": {}}, 9), "refused"),
    "older": (slips(9, 4), "older"),
    "older by its time": (slips(9, 5, updated_at=1), "older"),
}  # fmt: skip


@pytest.mark.parametrize("name", RUBBISH)
def test_what_cannot_be_used_leaves_the_last_configuration_however_old(name: str) -> None:
    answer, outcome = RUBBISH[name]
    hub = Hub(slips(2, 5, updated_at=2), answer)

    async def test(made: ConfigClient) -> None:
        await asyncio.sleep(86_400)
        assert (await made.get_config())["operational"]["order_defaults"]["max_slippage_pips"] == 2
        assert made.get_value(SLIPPAGE) == 2
        assert made.counts == {"ok": 1, outcome: 1}

    run(hub, test, safe_defaults=operational(order_defaults__max_slippage_pips=1))


def test_one_that_is_slow_is_given_up_after_ten_seconds_each_time() -> None:
    async def main() -> tuple[float, Any]:
        made = ConfigClient(
            "execution", URL, clock=VirtualClock(START), transport=httpx2.MockTransport(too_slow)
        )
        await made.init_async()
        assert made.counts == {"slow": 1}
        return asyncio.get_running_loop().time(), made.get_value(SLIPPAGE)

    assert run_virtual(main()) == (3 * http.ANSWER_S + 3, 3)


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    parts = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal parts
        while parts < 1_000:
            parts += 1
            yield b"x" * 65_536

    async def test(made: ConfigClient) -> None:
        assert made.counts == {"large": 1}

    run(Hub(httpx2.Response(200, content=endless())), test)
    assert parts == 17


def test_it_is_said_what_is_wrong_and_what_stays() -> None:
    async def test(made: ConfigClient) -> None:
        await made.get_config(force_refresh=True)

    with capture_logs() as heard:
        run(Hub(slips(2, 5), slips("9", 6)), test)
    said = str(heard)
    assert f"{SLIPPAGE}: '9' is no number" in said
    assert "version 6: " in said
    assert "version 5" in said


# -- Versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        (1, 2, True), (2, 1, False), (2, 2, True), ("1.9.0", "1.10.0", True), ("1.10.0", "1.9.0", False),
        ("1.0", "1.0.0", True), ("v2", "v1", False), ("2", 1, False), ("b", "a", True), (None, 1, True), (5, None, True),
    ],
)  # fmt: skip
def test_an_older_version_is_not_taken(before: Any, after: Any, taken: bool) -> None:
    async def test(made: ConfigClient) -> None:
        found = await made.get_config(force_refresh=True)
        assert found["operational"]["order_defaults"]["max_slippage_pips"] == (4 if taken else 2)

    run(Hub(slips(2, before), slips(4, after)), test)


# -- Updates and callbacks ---------------------------------------------------------------------------------------------


def test_changes_are_told_to_all_callbacks_and_one_that_fails_stops_nobody() -> None:
    heard: list[Any] = []

    async def later(config: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        heard.append(("later", config["operational"]["order_defaults"].pop("max_slippage_pips")))

    def fails(_config: dict[str, Any]) -> None:
        raise ValueError("no")

    async def test(made: ConfigClient) -> None:
        async def asks(_config: dict[str, Any]) -> None:
            heard.append(
                ("asks", (await made.get_config())["operational"]["order_defaults"]["max_slippage_pips"])
            )

        for callback in (fails, later, asks, lambda c: heard.append(("at once", len(c["operational"])))):
            made.on_config_update(callback)
        await made.get_config(force_refresh=True)
        assert heard == [("later", 4), ("asks", 4), ("at once", 4)]
        await made.get_config(force_refresh=True)
        assert len(heard) == 3  # nothing has changed
        assert made.counts == {"ok": 3, "callback": 1}

    run(Hub(slips(2, 1), slips(4, 2)), test)


# -- Arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"service_name": ""}, "service_name: write a name"),
        ({"service_name": "a/b"}, "service_name: write a name"),
        ({"service_name": None}, "service_name: write a name"),
        ({"central_hub_url": "hub:7000"}, "central_hub_url: is no URL"),
        ({"central_hub_url": "ftp://hub"}, "central_hub_url: is no URL"),
        ({"central_hub_url": "http://:7000"}, "central_hub_url: is no URL"),
        ({"central_hub_url": "http://me:secret@hub"}, "central_hub_url: holds a user"),
        ({"cache_ttl_seconds": -1}, "cache_ttl_seconds: -1"),
        ({"cache_ttl_seconds": "5"}, "cache_ttl_seconds: '5'"),
        ({"max_retries": 0}, "max_retries: 0"),
        ({"max_retries": True}, "max_retries: True"),
        ({"retry_delay_seconds": float("nan")}, "retry_delay_seconds: nan"),
        ({"enable_nats_updates": True}, "nats_url: is missing"),
        ({"enable_nats_updates": True, "nats_url": "nats://u:secret,x@h:1"}, "nats_url: is no URL of a server"),
        ({"enable_nats_updates": True, "nats_url": "nats://u:secret/x@h:1"}, "nats_url: is no URL of a server"),
        ({"enable_nats_updates": True, "nats_url": "http://u:secret@h:1"}, "nats_url: is no URL of a server"),
        ({"safe_defaults": [1]}, "safe_defaults: expected a mapping, got list"),
        ({"safe_defaults": {"operational": {"orders": {}}}}, "safe_defaults: operational.orders: "),
        ({"safe_defaults": operational(idempotency__enabled="yes")}, "safe_defaults: operational.idempotency.enabled: "),
    ],
)  # fmt: skip
def test_an_argument_that_cannot_be_used_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        ConfigClient(**{"service_name": "execution", **given})
    assert str(refused.value).startswith(named)
    assert "secret" not in str(refused.value)


def test_updates_need_the_library_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "find_spec", lambda _name: None)
    with pytest.raises(NatsError, match=r"pip install 'ordergate\[nats\]'"):
        ConfigClient("execution", enable_nats_updates=True, nats_url="nats://127.0.0.1:4222")


def test_another_service_has_settings_of_its_own_that_nobody_checks() -> None:
    hub = Hub(says({"operational": {"batch_size": 5}}, 1))

    async def main() -> None:
        made = ConfigClient(
            "downloader", URL, safe_defaults={"operational": {"gap_hours": 1}}, clock=VirtualClock(START),
            transport=hub.transport,
        )  # fmt: skip
        assert await made.get_config() == {"operational": {"batch_size": 5, "gap_hours": 1}}
        assert hub.asked == [("GET", "/api/v1/config/downloader", None)]

    run_virtual(main())
