"""The agent as a distribution of its own: it has this folder and nothing else, and runs without ordergate."""

import asyncio
import email
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.services.mt5_agent.desk import KEY, ROOT, Desk, command
from tests.services.mt5_agent.running import Agent

from ordergate.adapters.brokers.mt5.agent import RemoteTerminal

FOLDER = ROOT / "src" / "ordergate" / "adapters" / "brokers" / "mt5" / "agent"


def run(*program: str | Path) -> str:
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def talk(port: int) -> None:
    client = RemoteTerminal("127.0.0.1", port, KEY, 1)
    assert (await client.open()).login == 5
    assert (await client.send(command())).state == "answered"
    await client.close()


@pytest.mark.slow
def test_the_wheel_runs_alone(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "-w",
        tmp_path,
        ROOT / "contrib" / "mt5-agent",
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
        metadata = email.message_from_bytes(
            file.read(next(n for n in file.namelist() if n.endswith("METADATA")))
        )
    modules = {f"ordergate_mt5_agent/{path.name}" for path in FOLDER.glob("*.py")}
    assert names == modules | {"ordergate_mt5_agent/py.typed", "ordergate_mt5_agent/LICENSE"}
    assert metadata.get_all("Requires-Dist") == ["metatrader5>=5.0.45; sys_platform == 'win32'"]

    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    binaries = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(sys.executable, "-m", "pip", "--python", binaries / "python", "install", "-q", "--no-index", wheel)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the stand-in
    find = "import importlib.util as u; print(u.find_spec('ordergate'))"
    assert run(binaries / "python", "-c", find) == "None\n"
    for program in ([binaries / "python", "-m", "ordergate_mt5_agent"], [binaries / "ordergate-mt5-agent"]):
        for path in desk.folder.glob("journal.db*"):
            path.unlink()
        agent = Agent(desk, command=program)
        try:
            asyncio.run(talk(agent.port))
        finally:
            agent.kill()
    assert len(desk.sent()) == 2
