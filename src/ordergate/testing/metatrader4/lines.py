"""How files and lines of the bridge are written and read; see `docs/reference/mt4-bridge.md`."""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

_END: Final = re.compile(rb',"length":(\d{1,9}),"crc32":"([0-9a-f]{8})"\}\n')


def dress(fields: Mapping[str, Any]) -> bytes:
    """One object with its length and check sum, and a line feed."""
    body = json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode()[:-1]
    return body + b',"length":%d,"crc32":"%08x"}\n' % (len(body), zlib.crc32(body))


def undress(data: bytes) -> dict[str, Any] | None:
    """The object in a file or a line, its line feed included; None where it is unreadable."""
    at = data.rfind(b',"length":')
    end = _END.fullmatch(data, at) if at >= 0 else None
    if end is None or int(end[1]) != at or int(end[2], 16) != zlib.crc32(data[:at]):
        return None
    try:
        found = json.loads(data[:at] + b"}", parse_float=_refuse)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is a fraction: they are written as strings")


def number(value: Decimal) -> str:
    """A price, a volume or an amount, as the terminal prints it: 8 decimals."""
    return f"{value:.8f}"


def command_id(ref: str) -> str:
    """The id of the command that carries the client's `ref`."""
    return base64.b32encode(hashlib.sha256(ref.encode()).digest())[:26].decode().lower()


def magic_of(ref: str) -> int:
    """What marks a ticket as opened for the client's `ref`: 31 bits, never 0."""
    return int.from_bytes(hashlib.sha256(ref.encode()).digest()[:4], "big") >> 1 or 1


def comment_of(ref: str) -> str:
    """What the tickets of the client's `ref` carry beside their magic."""
    return f"og-{command_id(ref)[:16]}"


def command_name(generation: int, sequence: int) -> str:
    """The name of a command's file."""
    return f"cmd-{generation:012d}-{sequence:010d}.json"
