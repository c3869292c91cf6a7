"""The configuration in a key-value bucket of a real NATS server: what stands there, news, rubbish, and its absence."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.config import kv as module
from ordergate.adapters.config.kv import KvSource
from ordergate.adapters.nats import Connection, connection
from ordergate.application.ports.configuration import SourceError
from ordergate.application.reloading import Outcome
from ordergate.bootstrap import open_gate
from ordergate.bootstrap.reloading import Reloader, running
from ordergate.bootstrap.sources import as_kept, begun
from ordergate.config.errors import ConfigError
from tests.services.hub import RunningHub, hub
from tests.services.nats import Nats, nats

__all__ = ["hub", "nats"]
BUCKET, KEY = "ordergate-config", "oms.production"
CAPPED = b"[limits.firm]\nmax_order_qty = 70\n"


def file_of(nats: Nats, folder: Path, more: str = "") -> Path:
    path = folder / "o.toml"
    path.write_text(
        f'[nats]\nservers = ["{nats.url}"]\n[config]\nkv_bucket = "{BUCKET}"\nkv_key = "{KEY}"\n{more}\n'
        "[funds.paper-momentum]\nunlimited = true\n"
    )
    return path


def run(nats: Nats, test: Callable[[Any], Awaitable[None]], *, make: bool = True) -> None:
    """With the bucket, as an operator has it."""

    async def main() -> None:
        client = Client()
        await client.connect(nats.url, max_reconnect_attempts=-1, reconnect_time_wait=0.05)
        bucket = await client.jetstream().create_key_value(bucket=BUCKET) if make else None
        try:
            await test(bucket)
        finally:
            await client.close()

    asyncio.run(main())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


async def served_once(path: Path, place: Path) -> None:
    """A service was here, for as long as it takes to keep what the key says."""
    async with (
        begun(path, place, SystemClock()) as start,
        open_gate(start.config, "sqlite://") as gate,
        running(Reloader(gate, start), check_s=60),
    ):
        await until(lambda: place.with_name(f"{place.name}.config-kv").exists())


def source(nats: Nats) -> KvSource:
    return KvSource(Connection((nats.url,)), BUCKET, KEY)


def test_a_key_says_what_stands_there_and_news_of_it_come(nats: Nats) -> None:
    async def test(bucket: Any) -> None:
        at = source(nats)
        news: list[int] = []
        watching = asyncio.ensure_future(at.watch(lambda: news.append(1)))
        try:
            await bucket.put(KEY, CAPPED)
            found = await at.fetch()
            assert (found.revision, found.values) == ("1", {"limits": {"firm": {"max_order_qty": 70}}})
            await until(lambda: bool(news))
            news.clear()
            await bucket.put(KEY, b'{"limits": {"firm": {"max_order_qty": "60.5"}}}')
            await until(lambda: bool(news))
            assert (await at.fetch()).revision == "2"
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await at.close()

    run(nats, test)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, f"key {KEY} of bucket {BUCKET} at nats://127.0.0.1:.*: there is none"),
        (b"", "is empty"),
        (b"\xff\x00rubbish", "neither TOML nor a JSON object"),
        (b'{"limits": ', "neither TOML nor a JSON object"),
        (b"gone", None),
    ],
)
def test_a_key_that_says_nothing_is_no_empty_configuration(
    value: bytes | None, said: str | None, nats: Nats
) -> None:
    async def test(bucket: Any) -> None:
        at = source(nats)
        try:
            if value is not None:
                await bucket.put(KEY, value)
            if said is None:
                await bucket.delete(KEY)
            with pytest.raises(SourceError, match=said or "there is none"):
                await at.fetch()
        finally:
            await at.close()

    run(nats, test)


def test_a_bucket_that_is_not_there_is_an_error(nats: Nats) -> None:
    async def test(_bucket: Any) -> None:
        at = source(nats)
        with pytest.raises(SourceError, match=f"bucket {BUCKET}"):
            await at.fetch()
        await at.close()

    run(nats, test, make=False)


def test_a_server_that_is_away_for_a_while_changes_nothing_and_news_come_again(
    nats: Nats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.1)
    path, place = file_of(nats, tmp_path), tmp_path / "orders.db"

    async def test(bucket: Any) -> None:
        await bucket.put(KEY, CAPPED)
        async with (
            begun(path, place, SystemClock()) as start,
            open_gate(start.config, "sqlite://") as gate,
        ):
            reloader = Reloader(gate, start)
            assert gate.config.limits.firm.max_order_qty == 70
            async with running(reloader, check_s=0.2):
                await bucket.put(KEY, b"[limits.firm]\nmax_order_qty = 60\n")
                await until(lambda: gate.config.limits.firm.max_order_qty == 60)
                nats.kill()
                await until(lambda: reloader.standing.sources[1].error is not None)
                assert gate.config.limits.firm.max_order_qty == 60
                nats.start()
                await until(lambda: reloader.is_sound)
                await bucket.put(KEY, b"rubbish")
                await until(lambda: not reloader.is_sound)
                assert gate.config.limits.firm.max_order_qty == 60
                await bucket.put(KEY, b"[limits.firm]\nmax_order_qty = 50\n")
                await until(lambda: gate.config.limits.firm.max_order_qty == 50)

    run(nats, test)


def test_a_service_starts_with_what_the_key_said_last_unless_it_must_not(
    nats: Nats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_S", 0.3)
    path, place = file_of(nats, tmp_path), tmp_path / "orders.db"

    async def test(bucket: Any) -> None:
        with pytest.raises(ConfigError, match="there is none; and nothing that kv said earlier is kept"):
            async with begun(path, place, SystemClock()):
                pass
        with pytest.raises(ConfigError, match="it is not asked here; and nothing"):
            as_kept(path, place)
        await bucket.put(KEY, CAPPED)
        await served_once(path, place)
        nats.kill()
        async with begun(path, place, SystemClock()) as start:
            assert start.config.limits.firm.max_order_qty == 70
            (_, state) = [state for _, state in start.states.values()]
            assert state.kept
            assert "cannot be reached" in state.error
        assert as_kept(path, place).limits.firm.max_order_qty == 70
        with pytest.raises(ConfigError, match='"fail_closed" nothing starts without it'):
            async with begun(file_of(nats, tmp_path, 'mode = "fail_closed"'), place, SystemClock()):
                pass

    run(nats, test)


def test_a_service_starts_with_what_the_key_said_last_where_it_says_what_cannot_be(
    nats: Nats, tmp_path: Path
) -> None:
    path, place = file_of(nats, tmp_path), tmp_path / "orders.db"

    async def test(bucket: Any) -> None:
        await bucket.put(KEY, CAPPED)
        await served_once(path, place)
        await bucket.put(KEY, b"[limits.firm]\nmax_order_qty = -1\n")
        async with begun(path, place, SystemClock()) as start, open_gate(start.config, "sqlite://") as gate:
            assert gate.config.limits.firm.max_order_qty == 70
            reloader = Reloader(gate, start)
            done = await reloader.reload()
            assert done.outcome is Outcome.REFUSED
            assert "limits.firm.max_order_qty" in (done.reason or "")

    run(nats, test)


def test_a_key_that_says_what_cannot_be_at_a_start_leaves_what_the_hub_says_now(
    nats: Nats, hub: RunningHub, tmp_path: Path
) -> None:
    path, place = file_of(nats, tmp_path, f'[hub]\nurl = "{hub.url}"'), tmp_path / "orders.db"

    async def test(bucket: Any) -> None:
        await bucket.put(KEY, CAPPED)
        hub.say({"operational": {"order_defaults": {"max_slippage_pips": 2}}}, 1)
        await served_once(path, place)
        hub.say({"operational": {"order_defaults": {"max_slippage_pips": 1}}}, 2)
        await bucket.put(KEY, b"[limits.firm]\nmax_order_qty = -1\n")
        async with begun(path, place, SystemClock()) as start:
            assert start.config.signals.max_slippage_pips == 1
            assert start.config.limits.firm.max_order_qty == 70
            assert {name: state.kept for name, (_, state) in start.states.items()} == {
                "file": False,
                "hub": False,
                "kv": True,
            }

    run(nats, test)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('kv_bucket = "b"', "config.kv_key: is missing"),
        ('kv_key = "k"', "config.kv_bucket: is missing"),
        ('kv_bucket = "b c"\nkv_key = "k"', "config.kv_bucket: 'b c'"),
        ('kv_bucket = "b"\nkv_key = ".k"', "config.kv_key: '.k' is no key"),
        ('kv_bucket = "b"\nkv_key = "k"', "nats.servers names none"),
        ('mode = "open"', "config.mode"),
    ],
)
def test_where_the_key_is_must_be_said_whole(lines: str, said: str, tmp_path: Path) -> None:
    from ordergate.config import load

    path = tmp_path / "o.toml"
    path.write_text(f"[config]\n{lines}\n")
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert said in str(raised.value)
