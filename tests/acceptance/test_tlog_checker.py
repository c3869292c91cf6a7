"""What we write satisfies a checker that shares no code with us; damage, forks and rollbacks do not."""

import random
import shutil
from pathlib import Path

import pytest
from tests.acceptance import tlog_checker

from ordergate.protocols.tlog import (
    Checkpoint,
    Signer,
    TreeBuilder,
    encode_bundle,
    entry_bundles,
    hash_tiles,
    leaf_hash,
    tile_data,
)

pytestmark = pytest.mark.slow

LOG = Signer("oms.example/audit/fund-a", bytes(range(32)))
ENTRIES = [b"entry-%d" % i for i in range(66_000)]


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    binary = tlog_checker.build(tmp_path_factory.mktemp("go"))
    if binary is None:
        pytest.skip(str(tlog_checker.why_not()))
    return binary


@pytest.fixture
def vkey(tmp_path: Path) -> Path:
    path = tmp_path / "log.vkey"
    path.write_text(LOG.verifier.vkey + "\n")
    return path


def write_log(folder: Path, entries: list[bytes], since: int = 0) -> None:
    """Publish a log, or only what an earlier publication of `since` entries lacks."""
    builder, rows = TreeBuilder(), [list[bytes](), [], [], []]
    for entry in entries:
        leaf = leaf_hash(entry)
        rows[0].append(leaf)
        for level, _, node in builder.append(leaf):
            rows[level].append(node)

    def put(path: str, content: bytes) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)

    for tile in entry_bundles(len(entries), since):
        put(tile.path, encode_bundle(entries[tile.first : tile.first + tile.width]))
    for tile in hash_tiles(len(entries), since):
        put(tile.path, tile_data(lambda level, first, count: rows[level][first : first + count], tile))
    put("checkpoint", Checkpoint(LOG.name, builder.size, builder.root()).sign(LOG))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 255, 256, 257, 1000, 65_535, 65_536, 65_537])
def test_accepts_what_we_write(checker: Path, vkey: Path, tmp_path: Path, size: int) -> None:
    write_log(tmp_path / "log", ENTRIES[:size])
    accepted, said = tlog_checker.check(checker, tmp_path / "log", vkey)
    assert accepted, said
    assert said.startswith(f"ok {size} ")
    assert said.split()[2] in (tmp_path / "log/checkpoint").read_text()


def test_accepts_a_log_that_grows(checker: Path, vkey: Path, tmp_path: Path) -> None:
    before = 0
    for size in (0, 1, 100, 256, 300, 700, 1000, 65_800):
        write_log(tmp_path / "log", ENTRIES[:size], since=before)
        old = shutil.copy(tmp_path / "log/checkpoint", tmp_path / f"{size}.checkpoint")
        for checkpoint in (old, tmp_path / f"{before}.checkpoint", tmp_path / "0.checkpoint"):
            accepted, said = tlog_checker.check(checker, tmp_path / "log", vkey, Path(checkpoint))
            assert accepted, said
        before = size


@pytest.mark.parametrize("seed", range(30))
def test_refuses_a_changed_byte(checker: Path, vkey: Path, tmp_path: Path, seed: int) -> None:
    at_random = random.Random(seed)
    write_log(tmp_path / "log", ENTRIES[:1000])
    files = sorted(path for path in (tmp_path / "log").rglob("*") if path.is_file())
    path = at_random.choice(files)
    content = bytearray(path.read_bytes())
    content[at_random.randrange(len(content))] ^= at_random.randrange(1, 256)
    path.write_bytes(content)
    accepted, said = tlog_checker.check(checker, tmp_path / "log", vkey)
    assert not accepted, said


def test_refuses_every_changed_bit_of_the_checkpoint(checker: Path, vkey: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "log", ENTRIES[:3])
    checkpoint = tmp_path / "log/checkpoint"
    good = checkpoint.read_bytes()
    for i in range(len(good)):
        checkpoint.write_bytes(good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :])
        assert not tlog_checker.check(checker, tmp_path / "log", vkey)[0]


def test_refuses_missing_and_strange_files(checker: Path, vkey: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_log(log, ENTRIES[:1000])
    for path in sorted(path for path in log.rglob("*") if path.is_file()):
        content = path.read_bytes()
        path.unlink()
        assert not tlog_checker.check(checker, log, vkey)[0]
        for wrong in (content[:-1], content + b"\x00", content + content, b""):
            path.write_bytes(wrong)
            assert not tlog_checker.check(checker, log, vkey)[0]
        path.write_bytes(content)
    (log / "tile/data").mkdir()
    (log / "tile/data/000").write_bytes(b"")
    assert not tlog_checker.check(checker, log, vkey)[0]


def test_refuses_rewritten_history_and_rollback(checker: Path, vkey: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "log", ENTRIES[:1000])
    write_log(tmp_path / "fork", [*ENTRIES[:500], b"another", *ENTRIES[501:1100]])
    write_log(tmp_path / "short", ENTRIES[:999])
    for name, why in (("fork", "does not continue"), ("short", "rolled back")):
        assert tlog_checker.check(checker, tmp_path / name, vkey)[0]
        accepted, said = tlog_checker.check(checker, tmp_path / name, vkey, tmp_path / "log/checkpoint")
        assert not accepted
        assert why in said


def test_refuses_another_log(checker: Path, vkey: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "log", ENTRIES[:5])
    vkey.write_text(Signer(LOG.name, b"x" * 32).verifier.vkey)
    assert not tlog_checker.check(checker, tmp_path / "log", vkey)[0]
