"""What may listen where a door once was: a server that answers as a test wants, and remembers what it was asked."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ordergate.adapters.journals.database import Lock
from ordergate.adapters.journals.door import DoorFile, write_door

INSTANCE = "0123456789abcdef"
CUT = None
SILENCE = b""

Reply = bytes | None


def http(status: int, document: Any, *headers: str) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def problem(status: int, code: str, detail: str = "it is so", **more: Any) -> bytes:
    return http(
        status,
        {"type": "about:blank", "title": "no", "status": status, "code": code, "detail": detail, **more},
    )


HEALTHY = http(200, {"status": "alive", "instance": INSTANCE})


class FalseDoor:
    """Answers on a free port; `CUT` closes the connection once the request was read, `SILENCE` waits."""

    def __init__(self, answer: Callable[[str], Reply]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked: list[str] = []
        self._ended = threading.Event()
        self._open: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._open.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._ended.is_set():
                connection.close()
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                while (request := self._read(lines)) is not None:
                    self.asked.append(request)
                    reply = self._answer(request)
                    if reply is CUT:
                        return
                    if reply == SILENCE:
                        self._ended.wait(20)
                        return
                    connection.sendall(reply)
            except OSError:
                return

    @staticmethod
    def _read(lines: Any) -> str | None:
        first, length = lines.readline().decode(), 0
        while (line := lines.readline().strip()) not in (b"",):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        lines.read(length)
        return " ".join(first.split()[:2]) or None

    def written(self) -> list[str]:
        """The requests that were no mere question."""
        return [request for request in self.asked if not request.startswith("GET ")]

    def close(self) -> None:
        self._ended.set()
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        for thread in self._open:
            thread.join(5)
        self._listener.close()


@contextmanager
def false_door(answer: Callable[[str], Reply]) -> Iterator[FalseDoor]:
    door = FalseDoor(answer)
    try:
        yield door
    finally:
        door.close()


@contextmanager
def in_use(database: Path, url: str | None = None, instance: str = INSTANCE) -> Iterator[None]:
    """Somebody has the database, and its file names a door."""
    lock = Lock(database)
    lock.take()
    if url is not None:
        write_door(database, DoorFile(url=url, pid=4_711, instance=instance))
    try:
        yield
    finally:
        lock.release()
