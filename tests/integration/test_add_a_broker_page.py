"""The commands of docs/howto/add-a-broker.md: the example is installed, tested, and traded through as a plugin."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.server import ROOT

PAGE = (ROOT / "docs" / "howto" / "add-a-broker.md").read_text()
INSTALL, TRADE = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)
PIP = "pip install ./my-broker"
FLAGS = "--quiet --no-deps --no-build-isolation --no-index --disable-pip-version-check --target installed"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.slow
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    shutil.copytree(
        ROOT / "examples" / "acme-broker",
        tmp_path / "examples" / "acme-broker",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'src'}:{tmp_path / 'installed'}",
        "COLUMNS": "160",
    }
    for name in ("ORDERGATE_DB", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PIP_CONSTRAINT"):
        environment.pop(name, None)

    def run(script: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"set -eu\n{script}"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    assert PIP in INSTALL
    installing = INSTALL.replace(PIP, f"python -m {PIP} {FLAGS}").replace(
        "my-broker/tests", "-p no:cacheprovider -p no:xdist my-broker/tests"
    )
    assert re.search(r"\d\d passed", run(installing))

    port = free_port()
    venue, rest = TRADE.split("\n", 1)
    assert venue == "python -m acme_broker.venue 7500 > venue.log &"
    process = subprocess.Popen(
        [sys.executable, "-m", "acme_broker.venue", str(port)],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == f"the Acme venue listens on port {port}\n"
        said = run(rest.replace("7500", str(port)))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
    for expected in (
        r"acme +the Acme venue +acme-broker 0.1.0 +installed +acme",
        r"operations +spot_trade, transfer",
        r"login +ok +taken",
        r"permissions +ok +may trade \(read, trade\)",
        r"ACME.* 10 .*50.01",
    ):
        assert re.search(expected, said), said
