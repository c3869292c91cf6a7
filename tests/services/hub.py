"""A hub of configuration in a process of its own, on a free port, ended by its id. The fixture `hub` is one a test."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest

PROGRAM = Path(__file__).with_name("hub_program.py")


class RunningHub:
    """A hub's process; what was put into it does not outlive it."""

    def __init__(self) -> None:
        self.port, self._process = 0, None
        self._open = build_opener(ProxyHandler({})).open
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it; again on the port that it had."""
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(self.port)], stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """It is away."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.communicate()

    def say(self, config: Any, version: Any = None, service: str = "execution", **more: Any) -> None:
        """What it says of a service from here on; in its right mind."""
        said = {"config": config, **({} if version is None else {"version": version}), **more}
        self._control({"configs": {service: said}, "mode": "fine"})

    def misbehave(self, mode: str) -> None:
        """fine, slow (25 s), a status such as 500, html, truncated, cut or huge."""
        self._control({"mode": mode})

    def forget(self) -> None:
        """Its register is empty."""
        self._control({"forget": True})

    @property
    def services(self) -> dict[str, Any]:
        """Its register."""
        return json.load(self._open(f"{self.url}/control"))["services"]

    @property
    def asked(self) -> int:
        """How often a configuration was asked for."""
        return int(json.load(self._open(f"{self.url}/control"))["asked"])

    def _control(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self._open(Request(f"{self.url}/control", data, {"Content-Type": "application/json"})).read()


@pytest.fixture
def hub() -> Iterator[RunningHub]:
    running = RunningHub()
    try:
        yield running
    finally:
        running.stop()
