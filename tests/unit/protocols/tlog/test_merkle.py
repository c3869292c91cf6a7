"""Hashes, roots and proofs against published vectors and against the RFC's own recursion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.protocols.tlog import (
    EMPTY_ROOT,
    Frontier,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

from .reference import ENTRIES, LEAVES, mth, mutations, path, subproof

EXHAUSTIVE = 70

# Certificate Transparency's example tree, sizes 0 to 8: transparency-dev/merkle, testonly/constants.go.
PUBLISHED_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
PUBLISHED_LEAVES += ["606162636465666768696a6b6c6d6e6f"]
PUBLISHED_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

# Of the entries entry-0, entry-1, ...; the checker under tests/acceptance, in Go, comes to the same.
GOLDEN_ROOTS = {
    1: "40766b2033429026f53d54502679a839706b4741f8dcaf3a8bba5f41b5ffe075",
    2: "2f27a5082c1d42afa488ac350a9fc4390c084f54f71ecdff859e98db8429b479",
    3: "a64bf26e09128f6fe2fe6f8b2d8c801e166b57c047a7cd9b2b809e7a96a2f1cb",
    5: "1aa68d3074905a581f84cbbd0f753794904fd80451bc4c13e69d9a53bc59502c",
    255: "45da9f374748e17a372f71c00422b12e2bf96842f1f61c5740fe494e4becff0f",
    256: "f85f4ead34080710b4d1e808301543aaab81aa04deb88599350dc26a4f2f58de",
    257: "918b1cec64f317c76e3cf55c0536841c039eff06772ebb8828ce7c176028b5ac",
    1000: "d03d63b772af99019817ee3e018286d36a26161bdb5bfe8228e92c02abe9115d",
}


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in PUBLISHED_LEAVES[:size]]
    assert tree_root(leaves).hex() == PUBLISHED_ROOTS[size]


@pytest.mark.parametrize(("size", "root"), GOLDEN_ROOTS.items())
def test_golden_roots(size: int, root: str) -> None:
    assert tree_root([leaf_hash(entry) for entry in ENTRIES[:size]]).hex() == root


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=600))
def test_frontier_equals_tree_root(leaves: list[bytes]) -> None:
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert (frontier.size, frontier.root()) == (len(leaves), tree_root(leaves))


@pytest.mark.parametrize("size", [*range(EXHAUSTIVE), 255, 256, 257, 65_535, 65_536, 65_537])
def test_frontier_goes_on_from_stored_hashes(size: int) -> None:
    loaded = Frontier.load(size, mth)
    copied = loaded.copy()
    loaded.append(LEAVES[size])
    assert copied.root() == mth(0, size) == tree_root(LEAVES[:size])
    assert loaded.root() == mth(0, size + 1)


def test_frontier_needs_one_peak_for_every_one_bit() -> None:
    with pytest.raises(ValueError, match="1 peaks do not make a tree of size 3"):
        Frontier(3, [EMPTY_ROOT])
    with pytest.raises(ValueError, match="size -1"):
        Frontier(-1, [EMPTY_ROOT])


@pytest.mark.parametrize("size", range(1, EXHAUSTIVE + 1))
def test_every_inclusion_proof(size: int) -> None:
    root = mth(0, size)
    for index in range(size):
        proof = inclusion_proof(index, size, mth)
        assert proof == path(index, 0, size)
        verify_inclusion(index, size, LEAVES[index], proof, root)
        for other in {*range(size + 1)} - {index}:
            assert refuses_inclusion(other, size, LEAVES[index], proof, root)
        for damaged in mutations(proof):
            assert refuses_inclusion(index, size, LEAVES[index], damaged, root)
        assert refuses_inclusion(index, size, LEAVES[index + 1], proof, root)
        assert refuses_inclusion(index, size, LEAVES[index], proof, mth(0, size + 1))
        assert refuses_inclusion(-1 - index, size, LEAVES[index], proof, root)


@pytest.mark.parametrize("new", range(1, EXHAUSTIVE + 1))
def test_every_consistency_proof(new: int) -> None:
    new_root = mth(0, new)
    for old in range(1, new + 1):
        old_root, proof = mth(0, old), consistency_proof(old, new, mth)
        assert proof == subproof(old, 0, new, True)
        verify_consistency(old, new, old_root, new_root, proof)
        for other in {*range(new + 2)} - {old}:
            assert refuses_consistency(other, new, old_root, new_root, proof)
        for damaged in mutations(proof):
            assert refuses_consistency(old, new, old_root, new_root, damaged)
        assert refuses_consistency(old, new, mth(0, old + 1), new_root, proof)
        assert refuses_consistency(old, new, old_root, mth(0, new + 1), proof)
        assert old == new or refuses_consistency(old, new, new_root, old_root, proof)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (6, 5), (-1, 5)])
def test_no_proof_from_the_empty_or_to_a_smaller_tree(old: int, new: int) -> None:
    with pytest.raises(ProofError, match=f"from size {old} to size {new}"):
        consistency_proof(old, new, mth)
    assert refuses_consistency(old, new, mth(0, max(old, 0)), mth(0, new), [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_no_proof_of_an_entry_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ProofError, match=f"no entry {index} in a tree of size {size}"):
        inclusion_proof(index, size, mth)


def refuses_inclusion(index: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> bool:
    try:
        verify_inclusion(index, size, leaf, proof, root)
    except ProofError:
        return True
    return False


def refuses_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> bool:
    try:
        verify_consistency(old, new, old_root, new_root, proof)
    except ProofError:
        return True
    return False
