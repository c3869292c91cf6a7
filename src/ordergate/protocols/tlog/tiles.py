"""Names and contents of the files of a log: https://c2sp.org/tlog-tiles.

A tile is a run of up to 256 nodes of one level; an entry bundle is the run of entries below a level 0 tile.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from ordergate.protocols.tlog.errors import FormatError

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
ENTRIES: Final = -1
"""Stands for a level: tiles of this one are entry bundles."""
MAX_LEVEL: Final = 63
MAX_ENTRY_SIZE: Final = 65_535
"""Bytes: the length prefix has 16 bits. What is larger is logged by its hash."""

_PATH: Final = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6})([0-9]{3})(?:\.p/([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Nodes `256 * index` to `256 * index + width - 1` of a level, or (level `ENTRIES`) those entries.

    Raises:
        FormatError: there can be no such tile; an empty one must not exist.
    """

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not (ENTRIES <= self.level <= MAX_LEVEL and self.index >= 0 and 0 < self.width <= TILE_WIDTH):
            raise FormatError(f"no tile has level {self.level}, index {self.index} and width {self.width}")

    @classmethod
    def parse(cls, path: str) -> Self:
        """The tile at a path relative to the log's prefix, such as `tile/0/x001/234.p/7`.

        Raises:
            FormatError: not the path of a tile, or not the one way to write it.
        """
        if match := _PATH.fullmatch(path):
            level, high, low, width = match.groups()
            index = int(high.replace("x", "").replace("/", "") + low)
            tile = cls(ENTRIES if level == "entries" else int(level), index, int(width or TILE_WIDTH))
            if tile.path == path:
                return tile
        raise FormatError(f"{path[:128]!r} is not the path of a tile, such as tile/0/x001/234.p/7")

    @property
    def path(self) -> str:
        """Where the tile is served; three digits a folder, so that a file never needs a folder's name."""
        level = "entries" if self.level == ENTRIES else self.level
        *high, low = (group.zfill(3) for group in f"{self.index:,}".split(","))
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{''.join(f'x{group}/' for group in high)}{low}{partial}"

    @property
    def first(self) -> int:
        """Number of the first node (or entry) within the level."""
        return self.index * TILE_WIDTH


def hash_tiles(size: int, since: int = 0) -> Iterator[Tile]:
    """The tiles of a tree of `size` leaves that a tree of `since` leaves does not have; level by level.

    Of each level these are the full tiles and, unless empty, the partial one at its right edge.
    """
    level = 0
    while size > 0:
        yield from _row(level, size, since)
        level, size, since = level + 1, size >> TILE_HEIGHT, since >> TILE_HEIGHT


def entry_bundles(size: int, since: int = 0) -> Iterator[Tile]:
    """The entry bundles of a log of `size` entries that a log of `since` entries does not have."""
    return _row(ENTRIES, size, since)


def _row(level: int, count: int, since: int) -> Iterator[Tile]:
    if since < count:
        for first in range(since - since % TILE_WIDTH, count, TILE_WIDTH):
            yield Tile(level, first // TILE_WIDTH, min(TILE_WIDTH, count - first))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The content of an entry bundle: each entry behind its length as big-endian uint16.

    Raises:
        FormatError: an entry is longer than 65,535 bytes, or there are not 1 to 256 of them.
    """
    if not 0 < len(entries) <= TILE_WIDTH:
        raise FormatError(f"a bundle has 1 to {TILE_WIDTH} entries, not {len(entries)}")
    for entry in entries:
        if len(entry) > MAX_ENTRY_SIZE:
            raise FormatError(f"an entry has at most {MAX_ENTRY_SIZE} bytes, not {len(entry)}")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(bundle: bytes, width: int = TILE_WIDTH) -> list[bytes]:
    """The entries of a bundle that its path says has `width` of them.

    Raises:
        FormatError: an entry is cut off, or there are fewer or more bytes than the entries take.
    """
    entries, at = list[bytes](), 0
    while at < len(bundle):
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        if at > len(bundle):
            raise FormatError(f"entry {len(entries)} of a bundle is cut off")
        entries.append(bundle[start:at])
    if len(entries) != width:
        raise FormatError(f"a bundle of {width} entries has {len(entries)}")
    return entries
