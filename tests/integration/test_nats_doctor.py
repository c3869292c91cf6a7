"""What the doctor says of a NATS server, as it is really set."""

import asyncio
import json
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest
from nats.js.api import StorageType
from typer.testing import CliRunner

from ordergate.adapters.nats import NatsError
from ordergate.adapters.outlets.nats.examining import synced
from ordergate.cli.app import app
from tests.services.hooks import hook
from tests.services.nats import Nats
from tests.services.nats_reader import STREAM, connected


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def server(folder: Path, *jetstream: str, monitor: int | None = None):
    nats = Nats(folder / "nats", *jetstream, top=[f'http: "127.0.0.1:{monitor}"'] if monitor else [])
    try:
        yield nats
    finally:
        nats.kill()


def doctor(folder: Path, url: str, more: str = "", code: int = 0) -> dict[str, tuple[str, str]]:
    file = folder / "ordergate.toml"
    file.write_text(f'[nats]\nservers = ["{url}"]\ndialects = ["updates"]\n{more}\n')
    done = CliRunner().invoke(
        app, ["doctor", "--json", "--config", str(file), "--db", f"sqlite:///{folder / 'o.db'}"]
    )
    assert done.exit_code == code, done.output
    checks = json.loads(done.stdout)["checks"]
    return {one["check"]: (one["state"], one["detail"]) for one in checks if one["check"].startswith("nats")}


def make(url: str, **terms) -> None:
    async def main() -> None:
        client = await connected(url)
        await client.jetstream().add_stream(name=STREAM, subjects=["ORDER_UPDATE"], **terms)
        await client.close()

    asyncio.run(main())


def test_a_safe_one_is_well(tmp_path: Path) -> None:
    port = free_port()
    with server(tmp_path, "sync_interval: always", monitor=port) as nats:
        found = doctor(tmp_path, nats.url, f'monitor = "http://127.0.0.1:{port}"')
        assert found["nats"][0] == "ok"
        assert found["nats"][1].startswith(f"nats://127.0.0.1:{nats.port}: nats-server 2.")
        assert found["nats streams"] == ("ok", "none yet; the first message makes it")
        assert found["nats durability"][0] == "ok"
        assert "sync_interval is always" in found["nats durability"][1]
        make(nats.url, duplicate_window=600)
        found = doctor(tmp_path, nats.url)
        assert found["nats streams"] == ("ok", f"{STREAM}: on file, 1 replica, window 600 s")


def test_without_a_monitor_it_says_what_cannot_be_seen(nats: Nats, tmp_path: Path) -> None:
    state, detail = doctor(tmp_path, nats.url)["nats durability"]
    assert state == "warn"
    assert "cannot be seen from here (write nats.monitor)" in detail
    assert "sync_interval: always" in detail


def test_a_server_that_acknowledges_before_it_syncs_is_bad(tmp_path: Path) -> None:
    port = free_port()
    with server(tmp_path, monitor=port) as nats:
        found = doctor(tmp_path, nats.url, f'monitor = "http://127.0.0.1:{port}"', code=1)
        state, detail = found["nats durability"]
        assert state == "bad"
        assert "sync_interval: always" in detail


@pytest.mark.parametrize(("terms", "state", "said"), [
    ({"storage": StorageType.MEMORY}, "bad", "kept in memory"),
    ({"duplicate_window": 5}, "warn", "its duplicate window is 5 s, and a message may come again after 41 s"),
    ({"max_msgs": 100, "duplicate_window": 600}, "warn", "max_msgs is 100, and discard old"),
    ({"retention": "interest", "duplicate_window": 600}, "warn", "retention is interest"),
])  # fmt: skip
def test_streams_that_lose_messages_are_named(nats: Nats, tmp_path: Path, terms, state, said) -> None:
    make(nats.url, **terms)
    found = doctor(tmp_path, nats.url, code=1 if state == "bad" else 0)["nats streams"]
    assert found[0] == state
    assert said in found[1]


INPUTS = "[nats.inputs]\nsignals = true\ncommands = true"
BROKERS = '[brokers.paper]\n[brokers.desk]\nadapter = "bus"\nsends = "publish"\nsubjects = ["mt5.fills.*"]'


@pytest.mark.parametrize(("more", "subject"), [
    (INPUTS, "signals.approved.>"),
    (INPUTS, "mts.v1.oms.submit"),
    (INPUTS, "ordergate.v1.dead.>"),
    (BROKERS, "ordergate.v1.brokers.desk.reports"),
    (BROKERS, "mts.v1.brokers.desk.fills.raw"),
    (BROKERS, "mt5.fills.*"),
    (BROKERS, "orders.submitted.>"),
    (BROKERS, "ordergate.v1.dead.>"),
])  # fmt: skip
def test_streams_of_what_comes_in_are_looked_at(nats: Nats, tmp_path: Path, more: str, subject: str) -> None:
    async def main(**terms) -> None:
        client = await connected(nats.url)
        stream = client.jetstream()
        if terms.pop("again", False):
            await stream.delete_stream("THEIRS")
        await stream.add_stream(name="THEIRS", subjects=[subject], duplicate_window=5, **terms)
        await client.close()

    asyncio.run(main(storage=StorageType.MEMORY, max_msgs=5))
    state, detail = doctor(tmp_path, nats.url, more, code=1)["nats streams"]
    assert state == "bad"
    assert "THEIRS: it is kept in memory" in detail
    assert "THEIRS: max_msgs is 5, and discard old" in detail
    asyncio.run(main(again=True, retention="workqueue"))
    said = doctor(tmp_path, nats.url, more)["nats streams"]
    assert said == ("ok", "THEIRS: on file, 1 replica, window 5 s"), "it is others who publish there"
    assert doctor(tmp_path, nats.url)["nats streams"][1].startswith("none yet"), "it is none of ours"


@pytest.mark.slow
def test_one_that_cannot_be_reached_is_said_once(nats: Nats, tmp_path: Path) -> None:
    nats.kill()
    found = doctor(tmp_path, nats.url, code=1)
    assert "cannot be reached" in found["nats"][1]
    assert found["nats streams"] == ("bad", "not known, see nats")


def test_one_without_jetstream(tmp_path: Path) -> None:
    with server(tmp_path, "enabled: false") as nats:
        found = doctor(tmp_path, nats.url, code=1)
        assert found["nats"][0] == "bad"
        assert "without JetStream" in found["nats"][1]


def test_the_bucket_is_looked_at_too(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        client = await connected(nats.url)
        await client.jetstream().create_key_value(bucket="HELD", storage=StorageType.MEMORY)
        await client.close()

    asyncio.run(main())
    found = doctor(tmp_path, nats.url, 'positions_bucket = "HELD"', code=1)["nats streams"]
    assert found[1].startswith("KV_HELD: it is kept in memory")


def test_a_monitor_that_is_none() -> None:
    with hook() as told:
        told.answers.append(204)
        with pytest.raises(NatsError, match="cannot be asked"):
            synced(told.url)
    with pytest.raises(NatsError, match="cannot be asked"):
        synced(f"http://127.0.0.1:{free_port()}")
