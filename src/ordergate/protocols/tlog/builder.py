"""Appending to a stored log: which nodes to store, what the root is, and how to take it back."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from ordergate.protocols.tlog.frontier import Frontier
from ordergate.protocols.tlog.nodes import Nodes, subtrees
from ordergate.protocols.tlog.tiles import TILE_HEIGHT, TILE_WIDTH

_NONE: Final = ()


class Node(NamedTuple):
    """A node to store; its level is 1 or higher, since leaf hashes are stored with their entries."""

    level: int
    n: int
    hash: bytes


class TreeBuilder:
    """The growing end of a tree. Keeps one hash for every one-bit of the size and no tile in memory."""

    __slots__ = ("_frontier",)

    def __init__(self) -> None:
        self._frontier = Frontier()

    @classmethod
    def load(cls, size: int, nodes: Nodes) -> Self:
        """The builder of the first `size` entries of a stored log, from at most 255 nodes of each level.

        Raises:
            ProofError: the store does not hold that many.
        """
        builder = cls()
        builder._frontier = Frontier.load(size, subtrees(nodes))
        return builder

    @property
    def size(self) -> int:
        """How many entries."""
        return self._frontier.size

    def root(self) -> bytes:
        """Root of the tree over all entries so far."""
        return self._frontier.root()

    def append(self, leaf: bytes) -> Sequence[Node]:
        """Add a leaf hash; returns the nodes it completes, lowest level first: none, but for every 256th."""
        frontier = self._frontier
        if (frontier.size + 1) % TILE_WIDTH:
            frontier.append(leaf)
            return _NONE
        completed = list[Node]()

        def visit(height: int, index: int, node: bytes) -> None:
            if height % TILE_HEIGHT == 0:
                completed.append(Node(height // TILE_HEIGHT, index, node))

        frontier.append(leaf, visit)
        return completed

    def snapshot(self) -> Frontier:
        """What `restore` needs to come back to this size."""
        return self._frontier.copy()

    def restore(self, snapshot: Frontier) -> None:
        """Forget all that was appended since the snapshot, which may be used again."""
        self._frontier = snapshot.copy()
