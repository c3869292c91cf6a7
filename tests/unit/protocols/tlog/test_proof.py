"""`.tlog-proof` files verify offline, and not once a byte of them is changed."""

import pytest

from ordergate.protocols.tlog import (
    Checkpoint,
    FormatError,
    ProofError,
    SignatureError,
    Signer,
    TlogError,
    TlogProof,
    Verified,
    inclusion_proof,
    verify_proof,
)

from .reference import ENTRIES, mth

LOG = Signer("oms.example/audit/fund-a", bytes(range(32)))


def proof_of(index: int, size: int, extra: bytes = b"") -> bytes:
    signed = Checkpoint(LOG.name, size, mth(0, size)).sign(LOG)
    return TlogProof(index, tuple(inclusion_proof(index, size, mth)), signed, extra).encode()


def test_golden_proof() -> None:
    assert proof_of(4, 5).decode() == (
        "c2sp.org/tlog-proof@v1\n"
        "index 4\n"
        "JWueiCXl03CkrgBdCQHqKRl34pJ/XPjj5yZg3QlRnts=\n"
        "\n"
        "oms.example/audit/fund-a\n"
        "5\n"
        "GqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n"
        "\n"
        "— oms.example/audit/fund-a P5qq4la2z+TFpA/aTJbgFlUDX5cOxdiebEc0op61EAvv5bQROB0QvsjD1zV9AwyE36NMff8r"
        "Rqvpl7rUIpY1RxuCiAI=\n"
    )


@pytest.mark.parametrize(
    ("index", "size"), [(0, 1), (0, 2), (4, 5), (254, 255), (0, 257), (256, 257), (777, 1000)]
)
@pytest.mark.parametrize("extra", [b"", b"\x00anything\xff"])
def test_round_trip(index: int, size: int, extra: bytes) -> None:
    data = proof_of(index, size, extra)
    parsed = TlogProof.parse(data)
    assert (parsed.index, parsed.extra) == (index, extra)
    assert parsed.encode() == data
    checkpoint = Checkpoint(LOG.name, size, mth(0, size))
    assert verify_proof(data, ENTRIES[index], LOG.verifier) == Verified(index, checkpoint)


def test_another_entry_or_another_log() -> None:
    data = proof_of(4, 9)
    with pytest.raises(ProofError):
        verify_proof(data, ENTRIES[5], LOG.verifier)
    with pytest.raises(SignatureError):
        verify_proof(data, ENTRIES[4], Signer(LOG.name, b"x" * 32).verifier)


def test_every_changed_byte_is_refused() -> None:
    data = proof_of(4, 9)
    for i in range(len(data)):
        for bit in range(8):
            with pytest.raises(TlogError):
                verify_proof(data[:i] + bytes([data[i] ^ 1 << bit]) + data[i + 1 :], ENTRIES[4], LOG.verifier)


def test_every_line_is_needed() -> None:
    lines = proof_of(4, 9).splitlines(keepends=True)
    for i in range(len(lines)):
        doubled = [lines[i], lines[i]] if i < len(lines) - 1 else []  # a signature may stand there twice
        for wrong in ([], doubled, [b"\n", lines[i]]):
            with pytest.raises(TlogError):
                verify_proof(b"".join([*lines[:i], *wrong, *lines[i + 1 :]]), ENTRIES[4], LOG.verifier)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"c2sp.org/tlog-proof@v1\n\n",
        b"c2sp.org/tlog-proof@v2\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n",
        b"c2sp.org/tlog-proof@v1\nindex 00\n\n",
        b"c2sp.org/tlog-proof@v1\nindex -1\n\n",
        b"c2sp.org/tlog-proof@v1\nindex \n\n",
        b"c2sp.org/tlog-proof@v1\nextra\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nextra eA\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\nextra eA==\n\n",
        b"c2sp.org/tlog-proof@v1\r\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nindex \xd9\xa0\n\n",
    ],
)
def test_what_is_not_a_proof(head: bytes) -> None:
    with pytest.raises(FormatError):
        TlogProof.parse(head)
