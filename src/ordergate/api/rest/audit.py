"""The Merkle log under its own prefix, as https://c2sp.org/tlog-tiles has it, for any client of that format."""

from typing import Final

from ordergate.api.door import Door
from ordergate.api.problems import DoorCode, Failure, failure
from ordergate.api.rest.call import Call, Reply
from ordergate.api.shards import SHARD, only, shard_of
from ordergate.application.ports.journal import JournalReader
from ordergate.protocols.tlog import ENTRIES, FormatError, Tile, encode_bundle

_FOR_EVER: Final = ((b"cache-control", b"public, max-age=31536000, immutable"),)
_FRESH: Final = ((b"cache-control", b"no-cache"),)
_TEXT: Final = b"text/plain; charset=utf-8"
_BYTES: Final = b"application/octet-stream"


async def checkpoint(door: Door, call: Call) -> Reply:
    """GET /v1/audit/checkpoint."""
    head = await shard_of(door, only(call.query((SHARD,)))).journal.head()
    if not head.size:
        raise failure(404, DoorCode.NO_SUCH_RESOURCE, "the journal is empty")
    return Reply(200, head.checkpoint.encode(), _FRESH, _TEXT)


async def tile(door: Door, call: Call) -> Reply:
    """GET /v1/audit/tile/{path}."""
    journal = shard_of(door, only(call.query((SHARD,)))).journal
    try:
        wanted = Tile.parse(f"tile/{call.path['path']}")
    except FormatError as error:
        raise failure(404, DoorCode.NO_SUCH_RESOURCE, str(error)) from None
    if wanted.first + wanted.width > 1 << 62:
        raise _missing(wanted)
    content = await _bundle(journal, wanted) if wanted.level == ENTRIES else await _hashes(journal, wanted)
    return Reply(200, content, _FOR_EVER, _BYTES)


async def _bundle(journal: JournalReader, wanted: Tile) -> bytes:
    lines = await journal.lines(wanted.first, wanted.width)
    if len(lines) != wanted.width:
        raise _missing(wanted)
    return encode_bundle([line.data for line in lines])


async def _hashes(journal: JournalReader, wanted: Tile) -> bytes:
    hashes = await journal.nodes(wanted.level, wanted.first, wanted.width)
    if len(hashes) != wanted.width:
        raise _missing(wanted)
    return b"".join(hashes)


def _missing(wanted: Tile) -> Failure:
    return failure(404, DoorCode.NO_SUCH_RESOURCE, f"the log has no {wanted.path} yet")
