"""`ordergate brokers` against an agent and a terminal in processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ordergate.testing.metatrader5 import TerminalProcess
from tests.services.mt5_through_agent import KEY, MODULE

pytestmark = pytest.mark.slow
AGENT = f"""
module = "{MODULE}"
login = 5000001
server = "Ordergate-Demo"
port = 0
key_env = "AGENT_KEY"
"""
CONFIG = """
[funds.paper-momentum]
broker = "mt5"
[brokers.mt5]
adapter = "mt5"
login = 5000001
agent = "127.0.0.1:{port}"
agent_key_env = "{key}"
symbols = {{ EURUSD = "EURUSD" }}
"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an agent beside a terminal."""
    folder = tmp_path_factory.mktemp("agent")
    (folder / "agent.toml").write_text(AGENT)
    with TerminalProcess(folder / "account.json") as terminal:
        terminal.control.quote("EURUSD", "1.1", "1.10002")
        environment = {**os.environ, **terminal.environment, "AGENT_KEY": KEY}
        program = [sys.executable, "-m", "ordergate.adapters.brokers.mt5.agent", "agent.toml"]
        process = subprocess.Popen(program, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            yield int(said.partition(",")[0].rpartition(":")[2])
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def ordergate(folder: Path, port: int, *arguments: str, key: str = KEY) -> tuple[int, Any]:
    (folder / "ordergate.toml").write_text(CONFIG.format(port=port, key="AGENT_KEY"))
    command = [
        sys.executable,
        "-m",
        "ordergate",
        "brokers",
        *arguments,
        "--config",
        "ordergate.toml",
        "--json",
    ]
    environment = {**os.environ, "AGENT_KEY": key, "ORDERGATE_DB": f"sqlite:///{folder}/o.db"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def test_a_broker_is_asked_how_it_is(agent: int, tmp_path: Path) -> None:
    code, said = ordergate(tmp_path, agent, "check", "mt5")
    assert (code, [one for one in said["findings"] if one["state"] not in ("ok", "warn")]) == (0, [])
    assert "netting, in USD" in str(said)


def test_a_key_that_is_another(agent: int, tmp_path: Path) -> None:
    code, said = ordergate(tmp_path, agent, "check", "mt5", key=KEY[::-1])
    (login,) = (one for one in said["findings"] if one["what"] == "login")
    assert (code, login["state"]) == (1, "bad")
    assert KEY[::-1] not in str(said)


def test_tables_to_be_written(agent: int, tmp_path: Path) -> None:
    code, said = ordergate(tmp_path, agent, "instruments", "mt5")
    assert code == 0
    assert 'contract_size = "100000"' in said["instruments"]["EURUSD"]
    section = said["instruments"]["EURUSD"]
    path = tmp_path / "with.toml"
    path.write_text(CONFIG.format(port=agent, key="AGENT_KEY") + section)
    from ordergate.config import load

    assert str(load(path).catalogue("EURUSD").pip_size) == "0.0001"


def test_what_it_can_do(agent: int, tmp_path: Path) -> None:
    code, said = ordergate(tmp_path, agent, "show", "mt5")
    assert code == 0
    assert said["capabilities"]["changes_quantity"] is False
