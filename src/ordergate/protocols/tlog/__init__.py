"""Transparency log: a journal that can prove what it holds, and that it was only ever appended to.

A log is an append-only list of entries. The *root* of a Merkle tree over them (RFC 9162 section 2.1) is one
hash that stands for all of them, and a *checkpoint* is a signed (origin, size, root): whoever keeps one holds
the log to every entry below that size. Two short lists of hashes then prove, without the rest of the log:

- *inclusion*: this entry is number i of the tree with that root (about log2 n hashes);
- *consistency*: the tree with this root begins with all entries of the tree with that older root.

So a signature alone proves little: the holder of the key can sign another history. What it cannot do is sign
one that is consistent with a checkpoint somebody else has kept. Hence checkpoints go outside, and clients
keep a `.tlog-proof` of their entries, which verifies offline against the log's public key.

The tree is stored as *tiles* of 256 hashes (https://c2sp.org/tlog-tiles). Level 0 holds the leaf hashes; node
n of level L + 1 is the root of the full tile n of level L. So

    node(L, n) = MTH(D[n * 256**L : (n + 1) * 256**L])

exists from the moment its last leaf does and never changes. A tile is 256 consecutive nodes, a partial tile
fewer; any root takes at most 255 nodes of each level, any proof twice that.

    merkle       hashing, proofs and their verification                RFC 9162
    frontier     the growing edge of a tree
    tiles        tile paths, which tiles a tree has, entry bundles     c2sp.org/tlog-tiles
    nodes        roots, proofs and tiles from stored nodes
    builder      appending: which nodes an entry completes, and undo
    keys, note   signers, verifiers and what they sign                 c2sp.org/signed-note
    checkpoint   (origin, size, root) as a signed note                 c2sp.org/tlog-checkpoint
    proof        `.tlog-proof` files                                   c2sp.org/tlog-proof

Entries are opaque bytes and hashed as they are; what they mean is the business of whoever writes the log.
"""

from ordergate.protocols.tlog.builder import Node, TreeBuilder
from ordergate.protocols.tlog.checkpoint import Checkpoint, open_checkpoint
from ordergate.protocols.tlog.errors import FormatError, ProofError, SignatureError, TlogError
from ordergate.protocols.tlog.frontier import Frontier
from ordergate.protocols.tlog.keys import Signer, Verifier
from ordergate.protocols.tlog.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    Subtree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from ordergate.protocols.tlog.nodes import Nodes, range_root, reads_of, subtrees, tile_data
from ordergate.protocols.tlog.note import OpenedNote, open_note, sign_note
from ordergate.protocols.tlog.proof import TlogProof, Verified, verify_proof
from ordergate.protocols.tlog.tiles import (
    ENTRIES,
    MAX_ENTRY_SIZE,
    TILE_WIDTH,
    Tile,
    decode_bundle,
    encode_bundle,
    entry_bundles,
    hash_tiles,
)

__all__ = [
    "EMPTY_ROOT",
    "ENTRIES",
    "HASH_SIZE",
    "MAX_ENTRY_SIZE",
    "TILE_WIDTH",
    "Checkpoint",
    "FormatError",
    "Frontier",
    "Node",
    "Nodes",
    "OpenedNote",
    "ProofError",
    "SignatureError",
    "Signer",
    "Subtree",
    "Tile",
    "TlogError",
    "TlogProof",
    "TreeBuilder",
    "Verified",
    "Verifier",
    "consistency_proof",
    "decode_bundle",
    "encode_bundle",
    "entry_bundles",
    "hash_tiles",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "open_note",
    "range_root",
    "reads_of",
    "sign_note",
    "subtrees",
    "tile_data",
    "tree_root",
    "verify_consistency",
    "verify_inclusion",
    "verify_proof",
]
