"""A second opinion: RFC 9162 section 2.1 word for word, recursive and slow; and a store of nodes."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from ordergate.protocols.tlog import Node, TreeBuilder

ENTRIES = [b"entry-%d" % i for i in range(70_000)]
LEAVES = [sha256(b"\x00" + entry).digest() for entry in ENTRIES]


@cache
def mth(first: int, last: int) -> bytes:
    """MTH(D[first:last])."""
    n = last - first
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return LEAVES[first]
    k = split(n)
    return sha256(b"\x01" + mth(first, first + k) + mth(first + k, last)).digest()


def path(m: int, first: int, last: int) -> list[bytes]:
    """PATH(m, D[first:last])."""
    n = last - first
    if n == 1:
        return []
    k = split(n)
    if m < k:
        return [*path(m, first, first + k), mth(first + k, last)]
    return [*path(m - k, first + k, last), mth(first, first + k)]


def subproof(m: int, first: int, last: int, b: bool) -> list[bytes]:
    """SUBPROOF(m, D[first:last], b)."""
    n = last - first
    if m == n:
        return [] if b else [mth(first, last)]
    k = split(n)
    if m <= k:
        return [*subproof(m, first, first + k, b), mth(first + k, last)]
    return [*subproof(m - k, first + k, last, False), mth(first, first + k)]


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


class Store:
    """Rows of nodes as a journal keeps them; counts what is read."""

    def __init__(self) -> None:
        self.rows: list[list[bytes]] = [[]]
        self.read = 0

    def add(self, leaf: bytes, completed: Sequence[Node]) -> None:
        self.rows[0].append(leaf)
        for level, n, node in completed:
            if level == len(self.rows):
                self.rows.append([])
            if n != len(self.rows[level]):
                raise AssertionError(f"node {n} of level {level} out of order")
            self.rows[level].append(node)

    def cut(self, size: int) -> None:
        """Undo: only what `size` entries make complete remains."""
        self.rows = [row[: size >> 8 * level] for level, row in enumerate(self.rows)]

    def nodes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        self.read += count
        return self.rows[level][first : first + count] if level < len(self.rows) else []


def filled(size: int) -> tuple[TreeBuilder, Store]:
    """A builder and a store with the first `size` entries."""
    builder, store = TreeBuilder(), Store()
    for leaf in LEAVES[:size]:
        store.add(leaf, builder.append(leaf))
    return builder, store


def mutations(proof: Sequence[bytes]) -> list[list[bytes]]:
    """Every way to damage a proof a little: a flipped bit, a hash dropped, added, cut short or swapped."""
    stranger = sha256(b"stranger").digest()
    damaged = []
    for i, each in enumerate(proof):
        flipped = bytes([each[0] ^ 0x80]) + each[1:]
        last = each[:-1] + bytes([each[-1] ^ 0x01])
        for wrong in ([flipped], [last], [], [each, each], [stranger, each], [each[:-1]], [each + b"\x00"]):
            damaged.append([*proof[:i], *wrong, *proof[i + 1 :]])
    damaged += [[*proof, stranger], [stranger, *proof], [*proof, b""]]
    for i in range(len(proof) - 1):
        damaged.append([*proof[:i], proof[i + 1], proof[i], *proof[i + 2 :]])
    return damaged
