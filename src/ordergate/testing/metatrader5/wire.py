"""Frames between the package, or a test, and the simulated terminal: four bytes of length and JSON."""

import socket
import struct
from typing import Any, Final

import msgspec

_LENGTH: Final = struct.Struct("<I")
_MOST: Final = 64 * 1024 * 1024


class Broken(Exception):
    """The connection ended in the middle of something."""


class Garbled(Exception):
    """What came is a frame and says nothing."""


def packed(told: Any) -> bytes:
    """A frame."""
    body = msgspec.json.encode(told)
    return _LENGTH.pack(len(body)) + body


def length(head: bytes) -> int:
    """Of the body that follows. Raises Broken."""
    (found,) = _LENGTH.unpack(head)
    if found > _MOST:
        raise Broken(f"a frame of {found} bytes, expected at most {_MOST}")
    return int(found)


def unpacked(body: bytes) -> Any:
    """What a frame says. Raises Garbled."""
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as wrong:
        raise Garbled(f"a frame that is no JSON: {wrong}") from None


def send(pipe: socket.socket, told: Any) -> None:
    """Blocks until it is written. Raises OSError."""
    pipe.sendall(packed(told))


def receive(pipe: socket.socket) -> Any:
    """Blocks, for ever, until a frame is there. Raises OSError, Broken, Garbled."""
    return unpacked(_exactly(pipe, length(_exactly(pipe, _LENGTH.size))))


def _exactly(pipe: socket.socket, count: int) -> bytes:
    read = bytearray()
    while len(read) < count:
        part = pipe.recv(count - len(read))
        if not part:
            raise Broken(f"the connection ended after {len(read)} of {count} bytes")
        read += part
    return bytes(read)
