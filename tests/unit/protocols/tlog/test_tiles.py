"""Tile paths, the tiles of a tree, and entry bundles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.protocols.tlog import (
    ENTRIES,
    FormatError,
    Tile,
    decode_bundle,
    encode_bundle,
    entry_bundles,
    hash_tiles,
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 999), "tile/0/999"),
        (Tile(1, 1000, 1), "tile/1/x001/000.p/1"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(63, 5, 255), "tile/63/005.p/255"),
        (Tile(ENTRIES, 1_234_067, 17), "tile/entries/x001/x234/067.p/17"),
    ],
)
def test_path(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


@given(st.builds(Tile, st.integers(ENTRIES, 63), st.integers(0, 2**55), st.integers(1, 256)))
def test_path_round_trip(tile: Tile) -> None:
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/8/0/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/entries/../000",
        "tile/0/" + "x001/" * 7 + "000",
    ],
)
def test_bad_path(path: str) -> None:
    with pytest.raises(FormatError):
        Tile.parse(path)


@pytest.mark.parametrize(
    ("level", "index", "width"), [(-2, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)]
)
def test_there_is_no_such_tile(level: int, index: int, width: int) -> None:
    with pytest.raises(FormatError):
        Tile(level, index, width)


def test_tiles_of_the_documents_examples() -> None:
    assert [*hash_tiles(256)] == [Tile(0, 0), Tile(1, 0, 1)]
    tiles = [*hash_tiles(70_000)]
    assert [t for t in tiles if t.level == 0] == [*(Tile(0, n) for n in range(273)), Tile(0, 273, 112)]
    assert [t for t in tiles if t.level > 0] == [Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537])
def test_tiles_hold_every_node_once(size: int) -> None:
    for level in range(4):
        nodes = [t.first + i for t in hash_tiles(size) if t.level == level for i in range(t.width)]
        assert nodes == [*range(size >> 8 * level)]
    assert [(t.index, t.width) for t in entry_bundles(size)] == [
        (t.index, t.width) for t in hash_tiles(size) if t.level == 0
    ]


@given(st.integers(0, 140_000), st.integers(0, 140_000))
def test_tiles_since_are_those_that_were_not_there(size: int, since: int) -> None:
    size, since = max(size, since), min(size, since)
    before = {*hash_tiles(since)}
    assert [*hash_tiles(size, since)] == [tile for tile in hash_tiles(size) if tile not in before]
    before = {*entry_bundles(since)}
    assert [*entry_bundles(size, since)] == [tile for tile in entry_bundles(size) if tile not in before]


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=256))
def test_bundle_round_trip(entries: list[bytes]) -> None:
    bundle = encode_bundle(entries)
    assert len(bundle) == sum(2 + len(entry) for entry in entries)
    assert decode_bundle(bundle, len(entries)) == entries


def test_bundle_is_length_and_entry() -> None:
    assert encode_bundle([b"", b"abc"]) == b"\x00\x00\x00\x03abc"
    assert decode_bundle(encode_bundle([b"x" * 65_535]), 1) == [b"x" * 65_535]
    assert decode_bundle(encode_bundle([b"x"] * 256)) == [b"x"] * 256


@pytest.mark.parametrize("entries", [[b"x" * 65_536], [], [b""] * 257], ids=["too long", "none", "too many"])
def test_what_does_not_fit_a_bundle(entries: list[bytes]) -> None:
    with pytest.raises(FormatError):
        encode_bundle(entries)


@pytest.mark.parametrize("change", [b"\x00", b"\x00\x00", b"\x00\x01", b"\x00\x01a", b"a"])
def test_trailing_bytes(change: bytes) -> None:
    with pytest.raises(FormatError):
        decode_bundle(encode_bundle([b"abc", b"de"]) + change, 2)


def test_cut_bundle() -> None:
    bundle = encode_bundle([b"abc", b"de"])
    for end in range(len(bundle)):
        with pytest.raises(FormatError):
            decode_bundle(bundle[:end], 2)
