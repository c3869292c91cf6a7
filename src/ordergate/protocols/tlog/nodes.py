"""Roots, proofs and tiles from stored nodes, without reading the whole log.

Stored is node (level, n) = MTH(D[n * 256**level : (n + 1) * 256**level]) for all that are complete: the leaf
hashes at level 0, beside the entries, and above them one node for every 256 below. A range takes at most 255
nodes of each level, a proof at most twice that.
"""

from collections.abc import Callable, Sequence

from ordergate.protocols.tlog.errors import ProofError
from ordergate.protocols.tlog.merkle import EMPTY_ROOT, Subtree, tree_root
from ordergate.protocols.tlog.tiles import ENTRIES, TILE_HEIGHT, Tile

Nodes = Callable[[int, int, int], Sequence[bytes]]
"""`nodes(level, first, count)` are the stored nodes first to first + count - 1 of a level."""


def range_root(nodes: Nodes, first: int, last: int) -> bytes:
    """MTH(D[first:last]); the root of a tree is `range_root(nodes, 0, size)`.

    The range is a row of stored nodes with a shorter range behind them, which hangs in the tree where one
    more, incomplete node would.

    Raises:
        ProofError: the store does not hold the nodes of this range.
        ValueError: it begins within a node; no range of a proof does.
    """
    if first == last:
        return EMPTY_ROOT
    level = ((last - first).bit_length() - 1) // TILE_HEIGHT
    unit = 1 << level * TILE_HEIGHT
    if first % unit:
        raise ValueError(f"range {first} to {last} does not begin at a multiple of {unit}")
    count = (last - first) // unit
    row = list(_read(nodes, level, first // unit, count))
    rest = first + count * unit
    if rest < last:
        row.append(range_root(nodes, rest, last))
    return tree_root(row)


def subtrees(nodes: Nodes) -> Subtree:
    """What `inclusion_proof`, `consistency_proof` and `Frontier.load` read from, over stored nodes."""
    return lambda first, last: range_root(nodes, first, last)


def tile_data(nodes: Nodes, tile: Tile) -> bytes:
    """The content of a hash tile.

    Raises:
        ProofError: the store does not hold all its nodes.
        ValueError: the tile is an entry bundle, which is made of entries.
    """
    if tile.level == ENTRIES:
        raise ValueError(f"{tile.path} is made of entries, not of nodes")
    return b"".join(_read(nodes, tile.level, tile.first, tile.width))


def reads_of(ask: Callable[[Nodes], object]) -> list[tuple[int, int, int]]:
    """Each (level, first, count) that `ask` will read; a store that must be awaited fetches them, then asks.

    They can be known beforehand, since what a root or a proof takes follows from sizes and indices alone.
    """
    reads = list[tuple[int, int, int]]()

    def record(level: int, first: int, count: int) -> Sequence[bytes]:
        reads.append((level, first, count))
        return [EMPTY_ROOT] * count

    ask(record)
    return reads


def _read(nodes: Nodes, level: int, first: int, count: int) -> Sequence[bytes]:
    found = nodes(level, first, count)
    if len(found) != count:
        raise ProofError(
            f"{count} nodes of level {level} are needed from {first} on, the store has {len(found)}"
        )
    return found
