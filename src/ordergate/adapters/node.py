"""What a node says of itself to the others."""

import os
import secrets
import socket
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from ordergate import __version__


class Node(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A running process.

    Attributes:
        name: no other run of any process has it.
        address: where it can be reached; None where it cannot.
        since: when it came up, by its own clock; None of a version that did not say so.
    """

    name: str
    host: str
    pid: int
    version: str
    address: str | None = None
    since: datetime | None = None

    def encoded(self) -> str:
        """As it stands beside its leases."""
        return msgspec.json.encode(self).decode()


def this_node(address: str | None) -> Node:
    """This process, under a new name."""
    host, pid = socket.gethostname(), os.getpid()
    name = f"{host.partition('.')[0]}-{pid}-{secrets.token_hex(3)}"
    now = datetime.now(UTC)
    return Node(name=name, host=host, pid=pid, version=__version__, address=address, since=now)


def read_node(detail: str) -> Node | None:
    """What a node has said; None where it cannot be read, as a newer version's may be."""
    try:
        return msgspec.json.decode(detail, type=Node)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
