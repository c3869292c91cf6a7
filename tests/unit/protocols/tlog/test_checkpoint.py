"""Checkpoints: three lines, signed under the log's own name."""

import pytest

from ordergate.protocols.tlog import (
    EMPTY_ROOT,
    Checkpoint,
    FormatError,
    SignatureError,
    Signer,
    open_checkpoint,
    sign_note,
)

from .reference import mth

LOG = Signer("oms.example/audit/fund-a", bytes(range(32)))
WITNESS = Signer("witness.example", b"w" * 32)
CHECKPOINT = Checkpoint(LOG.name, 5, mth(0, 5))
GOLDEN_SIGNATURE = (
    "P5qq4la2z+TFpA/aTJbgFlUDX5cOxdiebEc0op61EAvv5bQROB0QvsjD1zV9AwyE36NMff8rRqvpl7rUIpY1RxuCiAI="
)
GOLDEN = f"""oms.example/audit/fund-a
5
GqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=

— oms.example/audit/fund-a {GOLDEN_SIGNATURE}
""".encode()


def test_golden_checkpoint() -> None:
    assert CHECKPOINT.sign(LOG) == GOLDEN
    assert open_checkpoint(GOLDEN, LOG.verifier) == CHECKPOINT


def test_the_documents_example() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    checkpoint = Checkpoint.parse(text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.encode() == text


def test_the_largest_log_and_the_strangest_origin() -> None:
    checkpoint = Checkpoint("Go's – sum database", 2**63 - 1, b"r" * 32)
    assert Checkpoint.parse(checkpoint.encode()) == checkpoint


def test_the_empty_log() -> None:
    empty = Checkpoint(LOG.name, 0, EMPTY_ROOT)
    assert open_checkpoint(empty.sign(LOG), LOG.verifier) == empty


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, b"r" * 32),
        ("a\nb", 1, b"r" * 32),
        ("a\x00", 1, b"r" * 32),
        ("a", -1, b"r" * 32),
        ("a", 2**63, b"r" * 32),
        ("a", 1, b"r" * 31),
        ("a", 0, b"r" * 32),
    ],
)
def test_no_log_says_that(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(FormatError):
        Checkpoint(origin, size, root)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n5\n",
        "log\n5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=",
        "log\n5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\nextension\n",
        "log\n5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n\n",
        "log\n05\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n",
        "log\n+5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n",
        "log\n٥\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n",
        "log\n9223372036854775808\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n",
        "log\n" + "9" * 5000 + "\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n",
        "log\n5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCx=\n",
        "log\n5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw\n",
        "log\n5\nGqaN\n",
    ],
)
def test_what_is_not_a_checkpoint(text: str) -> None:
    with pytest.raises(FormatError):
        Checkpoint.parse(text)
    if text.endswith("\n"):
        with pytest.raises(FormatError):
            open_checkpoint(sign_note(text, Signer("log", b"l" * 32)), Signer("log", b"l" * 32).verifier)


def test_the_log_itself_must_have_signed() -> None:
    note = sign_note(CHECKPOINT.encode(), LOG, WITNESS)
    assert open_checkpoint(note, LOG.verifier, WITNESS.verifier) == CHECKPOINT
    with pytest.raises(SignatureError, match="no known signature of that name"):
        open_checkpoint(note, WITNESS.verifier)


def test_a_log_signs_for_itself_only() -> None:
    with pytest.raises(ValueError, match="names must be equal"):
        CHECKPOINT.sign(WITNESS)


def test_a_new_key_of_the_same_name_takes_over() -> None:
    new = Signer(LOG.name, b"n" * 32)
    assert open_checkpoint(CHECKPOINT.sign(new), LOG.verifier, new.verifier) == CHECKPOINT
    with pytest.raises(SignatureError):
        open_checkpoint(CHECKPOINT.sign(new), LOG.verifier)
