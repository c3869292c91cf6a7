"""The connection between agent and client: both prove that they know the key, then each frame carries a MAC.

A frame is its length (4 bytes, big endian), HMAC-SHA256 (32 bytes) and JSON. The MAC is over the direction, the number
of the frame in that direction and the JSON, under a key of this connection alone: what was cut, altered, left out,
repeated or played back from another connection ends the connection. Nothing is encrypted: that is what TLS is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
import struct
from typing import Any, Final

VERSION: Final = 1
MOST_BYTES: Final = 16 * 1024 * 1024
LEAST_KEY: Final = 32
_ENDS_S: Final = 2
_MOST_IN_MEETING: Final = 1_024
_NAME: Final = "ordergate-mt5-agent"
_LENGTH: Final = struct.Struct(">I")
_NUMBER: Final = struct.Struct(">Q")
_MAC_BYTES: Final = 32
_HASH: Final = "sha256"
_CLIENT, _AGENT, _SESSION = b"client", b"agent", b"session"


class Garbled(Exception):
    """What came is not what the other side would say."""


class WrongKey(Exception):
    """The other side does not know the key, or says that we do not."""


class Connection:
    """After the meeting: numbered frames under MACs. One task hears; any may say."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        key: bytes,
        mine: bytes,
        theirs: bytes,
    ) -> None:
        self._reader, self._writer, self._key = reader, writer, key
        self._mine, self._theirs = mine, theirs
        self._said, self._heard = 0, 0

    async def say(self, message: dict[str, Any]) -> None:
        """Raises OSError, and ValueError: it is too large, and nothing was sent."""
        body = json.dumps(message).encode()
        if len(body) > MOST_BYTES:
            raise ValueError(f"a frame of {len(body)} bytes: at most {MOST_BYTES} can be sent")
        self._said += 1
        self._writer.write(_LENGTH.pack(len(body)) + self._mac(self._mine, self._said, body) + body)
        await self._writer.drain()

    async def hear(self) -> dict[str, Any]:
        """Raises EOFError, OSError, and Garbled."""
        (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
        if length > MOST_BYTES:
            raise Garbled(f"a frame of {length} bytes: at most {MOST_BYTES} are taken")
        mac = await self._reader.readexactly(_MAC_BYTES)
        body = await self._reader.readexactly(length)
        self._heard += 1
        if not hmac.compare_digest(mac, self._mac(self._theirs, self._heard, body)):
            raise Garbled(f"frame {self._heard} is not what the other side said")
        return _object(body)

    async def close(self) -> None:
        """Ends it, whatever state it is in."""
        self._writer.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_ENDS_S):
                await self._writer.wait_closed()
        self._writer.transport.abort()

    def cut(self) -> None:
        """Ends it without waiting; whoever hears or says will notice."""
        self._writer.close()

    def _mac(self, side: bytes, number: int, body: bytes) -> bytes:
        return hmac.digest(self._key, side + _NUMBER.pack(number) + body, _HASH)


def checked_key(key: str) -> bytes:
    """The key as bytes. Raises ValueError: it is short."""
    if len(key) < LEAST_KEY:
        raise ValueError(f"the key has {len(key)} characters: at least {LEAST_KEY} random ones are needed")
    return key.encode()


async def call_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: bytes, epoch: int
) -> Connection:
    """The client's part of the meeting. Raises WrongKey, Garbled, EOFError, OSError."""
    greeting = await _met(reader)
    if greeting.get(_NAME) != VERSION:
        raise Garbled(f"an agent of version {greeting.get(_NAME)!r}: this one speaks {VERSION}")
    nonce = secrets.token_hex(32)
    facts = _facts(greeting.get("nonce"), nonce, epoch)
    await _meet(writer, {"nonce": nonce, "epoch": epoch, "proof": _proof(key, _CLIENT, facts)})
    answer = await _met(reader)
    if "refused" in answer:
        raise WrongKey(f"the agent says: {answer['refused']}")
    if not _proven(answer.get("proof"), key, _AGENT, facts):
        raise WrongKey("the agent does not know the key")
    return Connection(reader, writer, hmac.digest(key, _SESSION + facts, _HASH), _CLIENT, _AGENT)


async def answer_call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: bytes
) -> tuple[Connection, int]:
    """The agent's part: the connection, and the client's epoch. Raises WrongKey, Garbled, EOFError, OSError."""
    nonce = secrets.token_hex(32)
    await _meet(writer, {_NAME: VERSION, "nonce": nonce})
    said = await _met(reader)
    epoch = said.get("epoch")
    if not isinstance(epoch, int) or isinstance(epoch, bool) or not 0 <= epoch < 1 << 63:
        raise Garbled(f"an epoch of {epoch!r}")
    facts = _facts(nonce, said.get("nonce"), epoch)
    if not _proven(said.get("proof"), key, _CLIENT, facts):
        await _meet(writer, {"refused": "the key is another one"})
        raise WrongKey("the client does not know the key")
    await _meet(writer, {"proof": _proof(key, _AGENT, facts)})
    return Connection(reader, writer, hmac.digest(key, _SESSION + facts, _HASH), _AGENT, _CLIENT), epoch


def _facts(agents: Any, clients: Any, epoch: int) -> bytes:
    for nonce in (agents, clients):
        if not isinstance(nonce, str) or len(nonce) != 64 or not nonce.isascii():
            raise Garbled("a nonce that is not 64 characters of ASCII")
    return f" {VERSION} {agents} {clients} {epoch}".encode()


def _proof(key: bytes, side: bytes, facts: bytes) -> str:
    return hmac.digest(key, side + facts, _HASH).hex()


def _proven(proof: Any, key: bytes, side: bytes, facts: bytes) -> bool:
    if not isinstance(proof, str) or not proof.isascii():
        return False
    return hmac.compare_digest(proof, _proof(key, side, facts))


async def _meet(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    writer.write(_LENGTH.pack(len(body)) + body)
    await writer.drain()


async def _met(reader: asyncio.StreamReader) -> dict[str, Any]:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > _MOST_IN_MEETING:
        raise Garbled(f"a greeting of {length} bytes: at most {_MOST_IN_MEETING} are taken")
    return _object(await reader.readexactly(length))


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"a frame that is no JSON: {error}") from error
    if not isinstance(said, dict):
        raise Garbled("a frame that is no object")
    return said
