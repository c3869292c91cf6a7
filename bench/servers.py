"""Servers as processes of their own: started, watched and ended by their process id."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

ROOT: Final = Path(__file__).parents[1]
"""Where `python -m bench` is found."""
_PATIENCE_S: Final = 20.0
_PAUSE_S: Final = 0.02
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Server(Struct):
    """A server that listens."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """Processor time that it has used so far, all threads."""
        said = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(said[11]) + int(said[12])) / _TICKS


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(module: str, *arguments: str, port: int) -> Iterator[Server]:
    """`python -m MODULE ARGUMENTS`, once it listens on `port`; ended at the end.

    Raises:
        RuntimeError: it ended by itself, or did not listen in time.
    """
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _wait_for(process, port)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode} before it listened")
        try:
            with socket.create_connection(("127.0.0.1", port), _PATIENCE_S):
                return
        except ConnectionRefusedError:
            time.sleep(_PAUSE_S)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")
