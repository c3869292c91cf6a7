"""The Merkle tree of RFC 9162 section 2.1 (the same as RFC 6962's), over SHA-256.

MTH below is the RFC's Merkle Tree Hash: of one leaf, the leaf hash; of n > 1 leaves, `node_hash(MTH(first k),
MTH(the others))` with k the largest power of two below n. Knows nothing of tiles, storage or signatures.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final

from ordergate.protocols.tlog.errors import ProofError

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

Subtree = Callable[[int, int], bytes]
"""`subtree(first, last)` is MTH(D[first:last]), for the ranges that halving a tree gives."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of an entry's bytes; the prefix keeps an entry from passing for a node."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two neighbors."""
    return sha256(b"\x01" + left + right).digest()


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """MTH of leaf hashes, or of any row of equally high subtrees of which the last may be incomplete."""
    row = list(hashes)
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=False)] + odd
    return row[0] if row else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """PATH(index, D[0:size]) of RFC 9162 section 2.1.3.1, the leaf's sibling first.

    Raises:
        ProofError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError(f"no entry {index} in a tree of size {size}")
    first, last, path = 0, size, list[bytes]()
    while last - first > 1:
        middle = _middle(first, last)
        if index < middle:
            path.append(subtree(middle, last))
            last = middle
        else:
            path.append(subtree(first, middle))
            first = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """PROOF(old, D[0:new]) of RFC 9162 section 2.1.4.1.

    Raises:
        ProofError: not 0 < old <= new; every tree follows from the empty one, which needs no proof.
    """
    _check_sizes(old, new)
    first, last, path = 0, new, list[bytes]()
    while last != old:
        middle = _middle(first, last)
        if old <= middle:
            path.append(subtree(middle, last))
            last = middle
        else:
            path.append(subtree(first, middle))
            first = middle
    if first:
        path.append(subtree(first, last))
    return path[::-1]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that leaf hash `leaf` is number `index` of the tree (size, root); RFC 9162 section 2.1.3.2.

    Raises:
        ProofError: it is not, or the proof does not show it.
    """
    if not 0 <= index < size:
        raise ProofError(f"no entry {index} in a tree of size {size}")
    _check_hashes(leaf, root, *proof)
    computed = leaf
    for sibling, is_left in _climb(index, size - 1, proof):
        computed = node_hash(sibling, computed) if is_left else node_hash(computed, sibling)
    if computed != root:
        raise ProofError(f"the proof leads to root {computed.hex()}, not to {root.hex()}")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree (new, new_root) begins with the tree (old, old_root); RFC 9162 section 2.1.4.2.

    Raises:
        ProofError: it does not, the proof does not show it, or `old` is 0: a proof from the empty tree says
            nothing, so whoever asks for one has made a mistake.
    """
    _check_sizes(old, new)
    if old == new:
        if proof or old_root != new_root:
            raise ProofError(f"trees of one size {old} are the same: equal roots and no proof")
        return
    _check_hashes(old_root, new_root, *proof)
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    # A power of two is itself a node of the new tree, so the proof leaves it out.
    path = [old_root, *proof] if node == 0 else proof
    if not path:
        raise ProofError("the proof is too short")
    old_computed = new_computed = path[0]
    for sibling, is_left in _climb(node, last, path[1:]):
        if is_left:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
        else:
            new_computed = node_hash(new_computed, sibling)
    if old_computed != old_root:
        raise ProofError(f"the proof leads to old root {old_computed.hex()}, not to {old_root.hex()}")
    if new_computed != new_root:
        raise ProofError(f"the proof leads to new root {new_computed.hex()}, not to {new_root.hex()}")


def _climb(node: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """From `node` up to the root: each sibling and whether it stands to the left; fn and sn of RFC 9162."""
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        is_left = bool(node & 1) or node == last
        if is_left:
            # The last node of a row without a right sibling rises as it is.
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        yield sibling, is_left
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")


def _middle(first: int, last: int) -> int:
    return first + (1 << (last - first - 1).bit_length() - 1)


def _check_sizes(old: int, new: int) -> None:
    if not 0 < old <= new:
        raise ProofError(f"no proof leads from size {old} to size {new}: it takes 0 < old <= new")


def _check_hashes(*hashes: bytes) -> None:
    # Hashes of other lengths could move bytes between the two sides of a node.
    for each in hashes:
        if len(each) != HASH_SIZE:
            raise ProofError(f"a hash has {HASH_SIZE} bytes, not {len(each)}")
