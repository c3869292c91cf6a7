"""The journal as static files that others can check without us: https://c2sp.org/tlog-tiles.

Pairs of path and content; writing them is the business of whoever asked.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

from ordergate.application.audit.reading import Progress
from ordergate.application.audit.verify import check_line
from ordergate.application.nodes import load_tree
from ordergate.application.ports.journal import JournalReader
from ordergate.application.recovery import check_head
from ordergate.domain.errors import AuditError
from ordergate.protocols.tlog import FormatError, Tile, encode_bundle, entry_bundles, hash_tiles

CHECKPOINT: Final = "checkpoint"

T = TypeVar("T")


async def exported(
    reader: JournalReader, progress: Progress | None = None
) -> AsyncIterator[tuple[str, bytes]]:
    """Every file of the log as its last checkpoint signs it; that one comes last. A writer may go on beside.

    Raises:
        AuditError: there is nothing yet, or something is missing or not as it was hashed.
    """
    head = await reader.head()
    if not head.size:
        raise AuditError("the journal is empty: there is nothing to export yet")
    check_head(head, (await load_tree(reader, head.size)).root())
    for bundle in entry_bundles(head.size):
        yield bundle.path, await _bundle(reader, bundle)
        if progress is not None:
            progress(bundle.first + bundle.width, head.size)
    for tile in hash_tiles(head.size):
        hashes = await reader.nodes(tile.level, tile.first, tile.width)
        yield tile.path, b"".join(_all(hashes, tile))
    yield CHECKPOINT, head.checkpoint.encode()


async def _bundle(reader: JournalReader, bundle: Tile) -> bytes:
    lines = _all(await reader.lines(bundle.first, bundle.width), bundle)
    for index, line in enumerate(lines, bundle.first):
        check_line(line, index)
    try:
        return encode_bundle([line.data for line in lines])
    except FormatError as error:
        raise AuditError(f"{bundle.path} cannot be made: {error}", bundle.first) from error


def _all(found: Sequence[T], tile: Tile) -> Sequence[T]:
    if len(found) != tile.width:
        raise AuditError(f"{tile.path} has {len(found)} of {tile.width}: run ordergate audit verify")
    return found
