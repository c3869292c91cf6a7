"""`ordergate nodes`: who is there, and who owns what."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from ordergate import __version__
from ordergate.adapters.node import read_node, this_node
from ordergate.application.ports.leases import LEASE_S, SEND_S, Held
from ordergate.cli.app import app
from ordergate.cli.nodes import nodes_of
from tests.services.commands import CliRunner
from tests.services.postgres import name_of
from tests.services.server import ROOT, finish, serving

ORDER = {
    "idempotency_key": "k-1",
    "fund_id": "paper-momentum",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "10",
    "order_type": "limit",
    "limit_price": "170",
    "tif": "gtc",
}
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


@pytest.fixture
def environment(tmp_path):
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_STATE_HOME": str(tmp_path)}


@pytest.fixture
def ask(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(url, *arguments, ok=True):
        done = CliRunner().invoke(app, ["nodes", "--db", url, *arguments])
        assert (done.exit_code == 0) == ok, done.output
        return json.loads(done.stdout) if "--json" in arguments else done.output

    return run


def serve(url, environment):
    process = subprocess.Popen(
        [sys.executable, "-m", "ordergate", "serve", "--port", "0", "--db", url],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    line = process.stdout.readline()
    assert line.startswith("ordergate serves"), (line, finish(process))
    return process, line.split()[2]


def lease(name, node, said=None, age=0, epoch=1):
    return Held(
        name=name,
        epoch=epoch,
        node=node,
        detail="" if said is None else said.encoded(),
        renewed_at=NOW - timedelta(seconds=age),
    )


def test_a_node_says_what_it_is_and_can_be_read_again():
    node = this_node("http://127.0.0.1:8012")
    assert (node.pid, node.version, read_node(node.encoded())) == (os.getpid(), __version__, node)


def test_nodes_are_told_from_their_leases():
    one, other = this_node("http://a"), this_node(None)
    found = nodes_of(
        [
            lease("broker:paper", one.name, one, epoch=4),
            lease("broker:sim", None, other, age=50, epoch=2),
            lease("node:" + one.name, one.name, one),
            lease("node:" + other.name, None, other, age=50),
            lease("outlet:nats", "of an older version"),
        ]
    )
    assert [(node["node"], node["state"], node["address"]) for node in found] == [
        *sorted([("of an older version", "alive", None), (one.name, "alive", "http://a")]),
        (other.name, "gone", None),
    ]
    owns = {node["node"]: node["owns"] for node in found}
    assert owns[one.name] == [{"lease": "broker:paper", "epoch": 4}]
    assert owns["of an older version"] == [{"lease": "outlet:nats", "epoch": 1}]
    assert owns[other.name] == []


@pytest.mark.slow
def test_two_nodes_one_is_killed_and_the_other_takes_over(ready, postgres, environment, ask):
    first, first_url = serve(ready, environment)
    try:
        second, second_url = serve(ready, environment)
        try:
            found = {node["address"]: node for node in ask(ready, "--json")["nodes"]}
            assert [lease["lease"] for lease in found[first_url]["owns"]] == [
                "broker:paper",
                "risk",
                "workers",
            ]
            assert found[second_url]["owns"] == []
            assert {node["state"] for node in found.values()} == {"alive"}
            assert found[first_url]["pid"] == first.pid
            assert found[first_url]["since"] <= found[first_url]["seen"]
            first.send_signal(signal.SIGKILL)
            time.sleep(LEASE_S + SEND_S + 2)
            found = {node["address"]: node for node in ask(ready, "--json")["nodes"]}
            assert found[first_url]["state"] == "gone"
            assert found[second_url]["owns"] == [
                {"lease": "broker:paper", "epoch": 2},
                {"lease": "risk", "epoch": 2},
                {"lease": "workers", "epoch": 2},
            ]
            assert "broker:paper (epoch 2)" in ask(ready)
        finally:
            second.send_signal(signal.SIGTERM)
            second.wait(60)
            finish(second)
    finally:
        finish(first)
    after = ask(ready, "--json")
    assert [(node["address"], node["state"]) for node in after["nodes"]] == [
        (first_url, "gone")
    ]  # the other said goodbye
    assert after["leases"][0]["node"] is None
    assert "nobody has broker:paper now" in ask(ready)
    postgres.sql("UPDATE leases SET renewed_at = renewed_at - interval '25 hours'", name_of(ready))
    third, third_url = serve(ready, environment)
    try:
        found = ask(ready, "--json")
        assert [node["address"] for node in found["nodes"]] == [third_url]
        assert [lease["lease"] for lease in found["leases"]] == ["broker:paper", "risk", "workers"]
        for held, before in zip(found["leases"], after["leases"], strict=True):
            assert held == {**before, "node": found["nodes"][0]["node"], "epoch": 3, "seen": held["seen"]}
    finally:
        finish(third)


@pytest.mark.slow
def test_a_command_waits_for_the_answer_of_a_broker_that_a_node_has(ready, environment, tmp_path):
    node, _ = serve(ready, environment)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ordergate", "orders", "submit", "-", "--json", "--db", ready],
            input=json.dumps(ORDER), env=environment, cwd=tmp_path, check=True, capture_output=True, text=True,
        )  # fmt: skip
    finally:
        finish(node)
    found = json.loads(done.stdout)
    assert (found["state"], found["pending"], found["broker_order_id"]) == ("SUBMITTED", [], "P1")


@pytest.mark.slow
def test_a_file_has_one_process_or_none(tmp_path, ask):
    path = tmp_path / "orders.db"
    assert "there is no database at" in ask(f"sqlite:///{path}", ok=False)
    with serving(path) as served:
        assert f"process {served.process.pid} serves it at {served.url}" in ask(f"sqlite:///{path}")
        (node,) = ask(f"sqlite:///{path}", "--json")["nodes"]
        assert (node["pid"], node["address"]) == (served.process.pid, served.url)
        assert served.end() == 0
    assert "nobody has it" in ask(f"sqlite:///{path}")
    assert ask(f"sqlite:///{path}", "--json") == {"nodes": [], "leases": []}


def test_a_server_without_a_journal(database, ask):
    assert "migrate up" in ask(database, ok=False)
