"""A door in front of a Kafka broker that lets in who says the right password (SASL PLAIN, RFC 4616), and no one else.

The broker of the tests knows no passwords. After the right one bytes are carried as they are.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_HANDSHAKE, _VERSIONS, _AUTHENTICATE = 17, 18, 36
_WRONG = 58  # SASL_AUTHENTICATION_FAILED


class Door:
    """Listens on a free port.

    Attributes:
        password: the right one, of whatever user.
        behind: the port of the broker.
        admitted, refused: how many connections were.
    """

    def __init__(self, password: str) -> None:
        self.password, self.behind = password, 0
        self.admitted = self.refused = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _listen(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        self._open.append(client)
        with (
            suppress(OSError, struct.error),
            client,
            socket.create_connection(("127.0.0.1", self.behind)) as there,
        ):
            self._open.append(there)
            if self._admit(client, there):
                back = threading.Thread(target=_carry, args=(there, client))
                self._threads.append(back)
                back.start()
                _carry(client, there)

    def _admit(self, client: socket.socket, there: socket.socket) -> bool:
        while frame := _frame(client):
            key, version, correlation = struct.unpack_from("!hhi", frame)
            if key == _VERSIONS:
                there.sendall(_framed(frame))
                client.sendall(_framed(_frame(there)))
            elif key == _HANDSHAKE:
                client.sendall(_framed(struct.pack("!ihih", correlation, 0, 1, 5) + b"PLAIN"))
            elif key == _AUTHENTICATE and version < 2:
                said = frame.rpartition(b"\0")[2].decode()
                right = said == self.password
                code, text = (0, b"") if right else (_WRONG, b"wrong password")
                answer = struct.pack("!ihh", correlation, code, len(text)) + text + struct.pack("!i", 0)
                client.sendall(_framed(answer + (struct.pack("!q", 0) if version else b"")))
                if right:
                    self.admitted += 1
                    return True
                self.refused += 1
                return False
            else:
                return False
        return False

    def cut(self) -> None:
        """Ends every connection that there is."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.cut()
        for thread in self._threads:
            thread.join()


def _frame(source: socket.socket) -> bytes:
    head = _exactly(source, 4)
    return _exactly(source, struct.unpack("!i", head)[0]) if head else b""


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = source.recv(count - len(found))
        if not part:
            return b""
        found += part
    return found


def _framed(payload: bytes) -> bytes:
    return struct.pack("!i", len(payload)) + payload


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def sasl_door(password: str) -> Iterator[Door]:
    door = Door(password)
    try:
        yield door
    finally:
        door.close()
