"""Signed notes and their keys."""

import pickle
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

import pytest

from ordergate.protocols.tlog import FormatError, SignatureError, Signer, Verifier, open_note, sign_note

# The example of https://c2sp.org/signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""".encode()
FOO = Verifier.parse(VKEY)
TEXT = "This is an example message.\n"

ALICE = Signer("log.example/alice", b"a" * 32)
BOB = Signer("log.example/bob", b"b" * 32)


def test_the_documents_example() -> None:
    assert FOO.vkey == VKEY
    assert FOO.key_id.hex() == "530d903a"
    opened = open_note(NOTE, FOO)
    assert (opened.text, opened.signed_by) == (TEXT, (FOO,))


def test_golden_vkey() -> None:
    signer = Signer("oms.example/audit/fund-a", bytes(range(32)))
    assert (
        signer.verifier.vkey
        == "oms.example/audit/fund-a+3f9aaae2+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    )
    assert Verifier.parse(signer.verifier.vkey) == signer.verifier


def test_every_changed_byte_is_refused() -> None:
    for i in range(len(NOTE)):
        for bit in range(8):
            changed = NOTE[:i] + bytes([NOTE[i] ^ 1 << bit]) + NOTE[i + 1 :]
            with pytest.raises((FormatError, SignatureError)):
                open_note(changed, FOO)


@pytest.mark.parametrize("text", ["a\n", "\n", "a\n\nb\n", "a\n\n", "— a b\n", "sera\u2028però\x7f\n"])
def test_what_is_signed_can_be_opened(text: str) -> None:
    opened = open_note(sign_note(text, ALICE, BOB), BOB.verifier, ALICE.verifier)
    assert opened.text == text
    assert opened.signed_by == (ALICE.verifier, BOB.verifier)


def test_unknown_signatures_are_ignored() -> None:
    note = sign_note("a\n", BOB, ALICE)
    assert open_note(note, ALICE.verifier).signed_by == (ALICE.verifier,)
    with pytest.raises(SignatureError, match="none of the known keys"):
        open_note(note, FOO)
    with pytest.raises(SignatureError, match="there are none"):
        open_note(note)


def test_a_key_is_known_by_name_and_id_together() -> None:
    same_name = Signer(ALICE.name, b"c" * 32)
    note = sign_note("a\n", same_name, ALICE)
    assert open_note(note, ALICE.verifier).signed_by == (ALICE.verifier,)
    line = sign_note("b\n", ALICE).split("— ".encode())[1].replace(ALICE.name.encode(), b"other")
    assert open_note(sign_note("a\n", ALICE) + "— ".encode() + line, ALICE.verifier).text == "a\n"


def test_a_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    wrong = "— ".encode() + sign_note("b\n", ALICE).split("— ".encode())[1]
    with pytest.raises(SignatureError, match=r"the signature of log\.example/alice"):
        open_note(sign_note("a\n", ALICE, BOB) + wrong, ALICE.verifier, BOB.verifier)
    assert open_note(sign_note("a\n", BOB) + wrong, BOB.verifier).text == "a\n"


def test_how_many_signatures() -> None:
    signers = [Signer(f"witness.example/{i}", bytes([i]) * 32) for i in range(101)]
    assert len(open_note(sign_note("a\n", *signers[:100]), *(s.verifier for s in signers)).signed_by) == 100
    with pytest.raises(FormatError, match="at most 100 signatures, this has 101"):
        open_note(sign_note("a\n", *signers), signers[0].verifier)


def test_one_key_counts_once() -> None:
    assert open_note(sign_note("a\n", ALICE, ALICE), ALICE.verifier).signed_by == (ALICE.verifier,)


@pytest.mark.parametrize(
    "change",
    [
        lambda note: b"",
        lambda note: b"\n\n",
        lambda note: note[:-1],
        lambda note: note + b"\n",
        lambda note: note.replace(b"\n\n", b"\n"),
        lambda note: note.replace(b"a\n", b"a\r\n", 1),
        lambda note: note.replace(b"a\n", b"\x00\n", 1),
        lambda note: note.replace(b"a\n", b"a\t\n", 1),
        lambda note: note.replace(b"a\n", b"\xff\n", 1),
        lambda note: note.replace("— ".encode(), b"- "),
        lambda note: note.replace(b"=\n", b"\n"),
        lambda note: note + "— x AAAA\n".encode(),
        lambda note: note + "— x AAAAAA==\n".encode(),
        lambda note: note + "— x+y AAAAAAA=\n".encode(),
        lambda note: note + "—  AAAAAAA=\n".encode(),
        lambda note: note + "— x AAAAAAB=\n".encode(),
        lambda note: note + "— x  AAAAAAA=\n".encode(),
        lambda note: note + "— x\u00a0y AAAAAAA=\n".encode(),
    ],
)
def test_what_is_not_a_note(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(FormatError):
        open_note(change(sign_note("a\n", ALICE)), ALICE.verifier)


def test_the_notes_above_differ_from_a_good_one_only_there() -> None:
    assert open_note(sign_note("a\n", ALICE) + "— x AAAAAAA=\n".encode(), ALICE.verifier).text == "a\n"


@pytest.mark.parametrize("text", ["", "a", "a\r\n", "a\x00\n", "\ta\n"])
def test_what_cannot_be_signed(text: str) -> None:
    with pytest.raises(FormatError):
        sign_note(text, ALICE)


def test_somebody_must_sign() -> None:
    with pytest.raises(ValueError, match="at least one signer"):
        sign_note("a\n")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\u2003b", "a\nb", "a\x00b", "a\x7f b"])
def test_bad_key_name(name: str) -> None:
    with pytest.raises(FormatError):
        Signer(name, b"a" * 32)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("530d903a", "530D903A"),
        VKEY.replace("foo", "bar"),
        VKEY.replace("+AekyeR", "+BOkyeR"),
        VKEY + "=",
        VKEY + "\n",
        VKEY[:-4],
        VKEY[:-1] + "l",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_bad_vkey(vkey: str) -> None:
    with pytest.raises(FormatError):
        Verifier.parse(vkey)


def test_vkey_of_another_signature_type() -> None:
    key = b"\x04" + FOO.public_key
    key_id = sha256(b"witness.example\n" + key).digest()[:4]
    vkey = f"witness.example+{key_id.hex()}+{b64encode(key).decode()}"
    with pytest.raises(FormatError, match="not the vkey of an Ed25519 key"):
        Verifier.parse(vkey)


@pytest.mark.parametrize("key", [b"", b"k" * 31, b"k" * 33])
def test_bad_public_key(key: bytes) -> None:
    with pytest.raises(FormatError, match=f"has 32 bytes, not {len(key)}"):
        Verifier("log.example/alice", key)


@pytest.mark.parametrize("seed", [b"", b"a" * 31, b"a" * 64])
def test_bad_seed(seed: bytes) -> None:
    with pytest.raises(FormatError, match="32 bytes") as caught:
        Signer("log.example/alice", seed)
    assert "aaa" not in str(caught.value)


def test_a_signer_shows_no_secret() -> None:
    seed = bytes(range(100, 132))
    signer = Signer("log.example/carol", seed)
    shown = repr(signer) + str(signer) + repr(signer._key)
    assert not any(secret in shown for secret in (seed.hex(), seed.decode("ascii", "replace"), repr(seed)))
    with pytest.raises(TypeError):
        pickle.dumps(signer)
