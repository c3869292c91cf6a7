"""Appending, undo and restart, and reading roots, proofs and tiles back from the nodes that were stored."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.protocols.tlog import (
    ENTRIES,
    Node,
    ProofError,
    Tile,
    TreeBuilder,
    consistency_proof,
    hash_tiles,
    inclusion_proof,
    range_root,
    reads_of,
    subtrees,
    tile_data,
    verify_consistency,
    verify_inclusion,
)

from .reference import LEAVES, Store, filled, mth, path, subproof

BOUNDARIES = [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, 65_793, 70_000]


@pytest.fixture(scope="module")
def store() -> Store:
    return filled(70_000)[1]


def test_only_every_256th_entry_completes_a_node() -> None:
    builder, completed = TreeBuilder(), {}
    for i, leaf in enumerate(LEAVES[:65_536]):
        if nodes := builder.append(leaf):
            completed[i] = nodes
    assert list(completed) == list(range(255, 65_536, 256))
    assert completed[255] == [Node(1, 0, mth(0, 256))]
    assert completed[511] == [Node(1, 1, mth(256, 512))]
    assert completed[65_535] == [Node(1, 255, mth(65_280, 65_536)), Node(2, 0, mth(0, 65_536))]


def test_nodes_are_the_hashes_of_the_tiles_below(store: Store) -> None:
    assert [len(row) for row in store.rows] == [70_000, 273, 1]
    for level, row in enumerate(store.rows):
        assert row == [mth(n << 8 * level, (n + 1) << 8 * level) for n in range(len(row))]


@pytest.mark.parametrize("size", BOUNDARIES)
def test_restart_at_a_boundary(store: Store, size: int) -> None:
    store.read = 0
    builder = TreeBuilder.load(size, store.nodes)
    assert (builder.size, builder.root()) == (size, mth(0, size))
    assert range_root(store.nodes, 0, size) == mth(0, size)
    assert store.read <= 2 * 255 * 3
    completed = [node for leaf in LEAVES[size : size + 300] for node in builder.append(leaf)]
    assert completed == [node for node in stored_nodes(store) if size < last_entry(node) <= size + 300]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 700), st.sampled_from(["keep", "undo", "restart"])), max_size=8))
def test_undo_and_restart_leave_no_trace(batches: list[tuple[int, str]]) -> None:
    builder, store = TreeBuilder(), Store()
    for length, then in batches:
        start, snapshot = builder.size, builder.snapshot()
        for leaf in (
            LEAVES[start + 1 : start + 1 + length] if then == "undo" else LEAVES[start : start + length]
        ):
            store.add(leaf, builder.append(leaf))
        if then == "undo":
            builder.restore(snapshot)
            store.cut(start)
            builder.append(LEAVES[0])
            builder.restore(snapshot)
        if then == "restart":
            builder = TreeBuilder.load(builder.size, store.nodes)
    never_restarted, reference = filled(builder.size)
    assert builder.root() == never_restarted.root() == mth(0, builder.size)
    assert [row for row in store.rows if row] == [row for row in reference.rows if row]


@pytest.mark.parametrize("size", BOUNDARIES)
def test_inclusion_proofs_from_stored_nodes(store: Store, size: int) -> None:
    near = {i + d for i in (0, 1, size // 2, size, 255, 256, 65_535, 65_536) for d in (-1, 0, 1)}
    for index in sorted(i for i in near if 0 <= i < size):
        store.read = 0
        proof = inclusion_proof(index, size, subtrees(store.nodes))
        assert store.read <= 2 * 255 * 3
        assert proof == path(index, 0, size)
        verify_inclusion(index, size, LEAVES[index], proof, mth(0, size))


@pytest.mark.parametrize("new", BOUNDARIES)
def test_consistency_proofs_from_stored_nodes(store: Store, new: int) -> None:
    for old in sorted({o for b in BOUNDARIES for o in (b - 1, b, b + 1) if 0 < o <= new}):
        store.read = 0
        proof = consistency_proof(old, new, subtrees(store.nodes))
        assert store.read <= 2 * 255 * 3
        assert proof == subproof(old, 0, new, True)
        verify_consistency(old, new, mth(0, old), mth(0, new), proof)


def test_a_proof_can_be_had_from_nodes_fetched_beforehand(store: Store) -> None:
    reads = reads_of(lambda nodes: inclusion_proof(66_000, 70_000, subtrees(nodes)))
    fetched = {read: store.nodes(*read) for read in reads}
    proof = inclusion_proof(66_000, 70_000, subtrees(lambda *read: fetched[read]))
    assert proof == path(66_000, 0, 70_000)


def test_tiles_are_slices_of_the_nodes(store: Store) -> None:
    for tile in hash_tiles(70_000):
        assert tile_data(store.nodes, tile) == b"".join(store.rows[tile.level][tile.first :][: tile.width])
    assert tile_data(store.nodes, Tile(2, 0, 1)) == mth(0, 65_536)


def test_nodes_that_are_not_stored_are_missed(store: Store) -> None:
    with pytest.raises(ProofError, match="112 nodes of level 0 are needed from 70000 on, the store has 0"):
        range_root(store.nodes, 70_000, 70_112)
    with pytest.raises(ProofError, match="the store has 0"):
        tile_data(store.nodes, Tile(3, 0, 1))
    with pytest.raises(ProofError, match="the store has"):
        TreeBuilder.load(70_001, store.nodes)


def test_ranges_that_no_proof_has_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="does not begin at a multiple of 256"):
        range_root(store.nodes, 1, 300)
    with pytest.raises(ValueError, match="made of entries"):
        tile_data(store.nodes, Tile(ENTRIES, 0))


def test_the_empty_log() -> None:
    assert TreeBuilder.load(0, Store().nodes).root() == TreeBuilder().root() == mth(0, 0)
    assert range_root(Store().nodes, 0, 0) == mth(0, 0)


def stored_nodes(store: Store) -> list[Node]:
    nodes = [
        Node(level, n, node) for level, row in enumerate(store.rows) if level for n, node in enumerate(row)
    ]
    return sorted(nodes, key=lambda node: (last_entry(node), node.level))


def last_entry(node: Node) -> int:
    return (node.n + 1) << 8 * node.level
