"""A gate that follows a real hub: what it says is in force, and nothing that goes wrong with it changes that."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.config import http
from ordergate.application import tallying
from ordergate.application.reloading import Outcome
from ordergate.bootstrap import MEMORY, Gate, open_gate
from ordergate.bootstrap.reloading import Reloader, running
from ordergate.bootstrap.sources import begun
from ordergate.config import ConfigError
from ordergate.domain.market import Quote
from ordergate.domain.signals import SubmitSignal, parse_signal
from tests.integration.test_hub import published_raw, slips, until
from tests.services.hub import RunningHub
from tests.services.nats import Nats
from tests.unit.application.guards import entries

SIGNAL = {
    "symbol": "EURUSD",
    "signal_type": "buy",
    "position_size": Decimal("0.1"),
    "entry_price": Decimal("1.08"),
}


@pytest.fixture(autouse=True)
def _counted_from_zero() -> None:
    tallying.hub.clear()


def written(folder: Path, hub: RunningHub, more: str = "") -> Path:
    path = folder / "ordergate.toml"
    path.write_text(f'{more}\n[hub]\nurl = "{hub.url}"\n')
    return path


@asynccontextmanager
async def following(path: Path, check_s: float = 600) -> AsyncIterator[tuple[Gate, Reloader]]:
    place = path.with_name("orders.db")
    async with begun(path, place, SystemClock()) as start, open_gate(start.config, MEMORY) as gate:
        reloader = Reloader(gate, start, None)
        async with running(reloader, check_s):
            yield gate, reloader


async def borne(gate: Gate, name: str) -> int | None:
    """What the order of a signal bears now."""
    now = gate.clock.now()
    gate.venue("paper").set_quote(Quote("EURUSD", now, Decimal("1.0800"), Decimal("1.0801")))
    done = await gate.execute(SubmitSignal(parse_signal(SIGNAL | {"signal_id": name})))
    bears = done.order.max_slippage_pips
    return None if bears is None else int(bears)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def test_what_the_hub_says_is_in_force_and_a_failing_hub_changes_nothing(
    hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.say(slips(2), "1.0.0", updated_at=1)

    async def test() -> None:
        async with following(written(tmp_path, hub)) as (gate, reloader):
            assert await borne(gate, "s-0") == 2
            hub.say(json.dumps(slips(4)), "1.1.0")
            assert (await reloader.reload()).outcome is Outcome.APPLIED
            assert await borne(gate, "s-1") == 4
            (changed,) = await entries(gate, "ConfigurationChanged")
            assert [(one.key, one.old, one.new) for one in changed.event.changes] == [
                ("signals.max_slippage_pips", '"2"', '"4"')
            ]

            async def stands(named: str, outcome: str) -> None:
                before = tallying.hub["config", outcome]
                await reloader.reload()
                source = next(one for one in reloader.standing.sources if one.name == "hub")
                assert named in (source.error or ""), source
                assert tallying.hub["config", outcome] == before + 1
                assert not reloader.is_sound
                assert await borne(gate, f"s-{named}-{outcome}"[:60]) == 4

            for mode, named, outcome in (
                ("slow", "not answered within", "slow"), ("500", "500", "status"), ("404", "404", "missing"),
                ("html", "is not JSON", "unreadable"), ("truncated", "is not JSON", "unreadable"),
                ("cut", "", "away"), ("huge", "more than", "large"),
            ):  # fmt: skip
                hub.misbehave(mode)
                monkeypatch.setattr(http, "ANSWER_S", 0.1 if mode == "slow" else 10.0)
                await stands(named, outcome)
            key = "operational.order_defaults.max_slippage_pips: '9' is no number"
            for config, version, named, outcome in (
                (slips("9"), "1.2.0", key, "refused"),
                ({"operational": {"order_default": {}}}, "1.2.0", "operational.order_default: ", "refused"),
                (slips(9), "1.0.9", "1.0.9 is older than 1.1.0", "older"),
            ):
                hub.say(config, version)
                await stands(named, outcome)
            hub.stop()
            await stands(hub.url, "away")
            hub.start()
            hub.say(slips(5), "1.3.0")
            assert (await reloader.reload()).outcome is Outcome.APPLIED
            assert (await borne(gate, "s-end"), reloader.is_sound) == (5, True)
            assert len(await entries(gate, "ConfigurationChanged")) == 2

    run(test)


def test_one_that_has_never_said_anything_leaves_the_defaults_and_one_that_did_what_it_said(
    hub: RunningHub, tmp_path: Path
) -> None:
    path = written(tmp_path, hub, "[signals]\nmax_slippage_pips = 50\n[server]\nport = 8013")
    hub.stop()

    async def defaults() -> None:
        async with following(path) as (gate, reloader):
            assert (await borne(gate, "s-1"), gate.config.server.port) == (3, 8013)
            hub.start()
            hub.say(slips(2), 1)
            assert (await reloader.reload()).outcome is Outcome.APPLIED
            assert await borne(gate, "s-2") == 2
        hub.stop()

    async def kept() -> None:
        async with following(path) as (gate, _reloader):
            assert await borne(gate, "s-1") == 2

    run(defaults)
    run(kept)
    path.write_text(path.read_text() + '[config]\nmode = "fail_closed"\n')
    with pytest.raises(ConfigError, match="fail_closed"):
        run(kept)


def test_an_update_is_followed_at_once(hub: RunningHub, nats: Nats, tmp_path: Path) -> None:
    path = written(tmp_path, hub, f'[nats]\nservers = ["{nats.url}"]')
    hub.say(slips(2), 1)

    async def test() -> None:
        async with following(path) as (gate, _reloader):
            number = 1
            while gate.config.signals.max_slippage_pips != 4:  # until the subscription stands
                number += 1
                hub.say(slips(4), number)
                await published_raw(nats, json.dumps({"config": slips(4), "version": number}).encode())
                await asyncio.sleep(0.05)
            await until(lambda: tallying.hub["update", "ok"])
            for data in (b"<html>", json.dumps({"config": {}, "version": 1}).encode()):
                await published_raw(nats, data)
            await until(lambda: tallying.hub["update", "unreadable"] and tallying.hub["update", "older"])
            nats.kill()
            assert await borne(gate, "s-1") == 4
            nats.start()

    run(test)
