"""The growing edge of a Merkle tree, also called its compact range: enough to append and to have the root."""

from collections.abc import Callable, Iterable, Iterator
from typing import Self

from ordergate.protocols.tlog.merkle import EMPTY_ROOT, Subtree, node_hash


class Frontier:
    """The right edge of a tree: the roots of its largest perfect subtrees, the largest first.

    That is one hash for every one-bit of the size, and all that is needed to append. An append is a binary
    increment: every carry merges two hashes, so it costs one merge on average.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self._size, self._peaks = size, list(peaks)
        if size < 0 or len(self._peaks) != size.bit_count():
            raise ValueError(f"{len(self._peaks)} peaks do not make a tree of size {size}")

    @classmethod
    def load(cls, size: int, subtree: Subtree) -> Self:
        """The frontier of the first `size` leaves of a stored tree."""
        return cls(size, [subtree(first, last) for first, last in _peaks(size)])

    @property
    def size(self) -> int:
        """How many leaves."""
        return self._size

    def append(self, leaf: bytes, visit: Callable[[int, int, bytes], None] | None = None) -> None:
        """Add one leaf hash; `visit(height, index, hash)` hears of every perfect subtree this completes."""
        peaks, index, height = self._peaks, self._size, 0
        while index & 1:
            leaf = node_hash(peaks.pop(), leaf)
            index >>= 1
            height += 1
            if visit:
                visit(height, index, leaf)
        peaks.append(leaf)
        self._size += 1

    def root(self) -> bytes:
        """MTH of all leaves."""
        if not self._peaks:
            return EMPTY_ROOT
        *others, root = self._peaks
        for peak in reversed(others):
            root = node_hash(peak, root)
        return root

    def copy(self) -> Self:
        """An independent frontier with the same leaves; copies at most 63 references."""
        return type(self)(self._size, self._peaks)


def _peaks(size: int) -> Iterator[tuple[int, int]]:
    first = 0
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            yield first, first + (1 << height)
            first += 1 << height
