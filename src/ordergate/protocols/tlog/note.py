"""Signed notes: https://c2sp.org/signed-note (v1.0.0).

A note is text, an empty line, and lines `— <key name> base64(key id || signature)`. The text counts only once
a key that the reader knows has signed it. Signatures of others are ignored; a wrong one of a known key spoils
the note.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ordergate.protocols.tlog.encoding import decode_base64
from ordergate.protocols.tlog.errors import FormatError, SignatureError
from ordergate.protocols.tlog.keys import KEY_NAME, SIGNATURE_PREFIX, Signer, Verifier

MAX_SIGNATURES: Final = 100
"""The document asks for at least 16 and for some limit; Go's sumdb/note has this one."""

_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """The text of a note, and the keys that were found to have signed it: at least one."""

    text: str
    signed_by: tuple[Verifier, ...]


def sign_note(text: str, *signers: Signer) -> bytes:
    """A note with one signature for every signer.

    Raises:
        FormatError: the text does not end with a newline, or has another control character.
        ValueError: nobody signs.
    """
    if not text.endswith("\n") or _CONTROL.search(text):
        raise FormatError(
            f"{text[:64]!r} cannot be signed: it needs a last newline and no control characters"
        )
    if not signers:
        raise ValueError("a note is signed by at least one signer")
    return f"{text}\n{''.join(signer.sign(text) for signer in signers)}".encode()


def open_note(note: bytes, *verifiers: Verifier) -> OpenedNote:
    """The text of a note that at least one of the verifiers' keys has signed.

    Raises:
        FormatError: not a note.
        SignatureError: a known key's signature is wrong, or no known key has signed.
    """
    text, lines = _split(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    signed_by = dict[Verifier, None]()
    for name, key_id, signature in _signatures(lines):
        if verifier := known.get((name, key_id)):
            if not verifier.verify(text, signature):
                raise SignatureError(f"the signature of {name} ({key_id.hex()}) is wrong")
            signed_by[verifier] = None
    if not signed_by:
        wanted = ", ".join(verifier.vkey for verifier in verifiers)
        raise SignatureError(f"the note is signed by none of the known keys: {wanted or 'there are none'}")
    return OpenedNote(text, tuple(signed_by))


def _split(note: bytes) -> tuple[str, list[str]]:
    try:
        decoded = note.decode()
    except UnicodeDecodeError:
        raise FormatError("a note is UTF-8 text, this is not") from None
    if _CONTROL.search(decoded):
        raise FormatError("a note has no control characters but newlines, this has others")
    text, separator, signatures = decoded.rpartition("\n\n")
    *lines, end = signatures.split("\n")
    if not separator or not lines or end:
        raise FormatError("a note is text, an empty line and signature lines, each with its newline")
    if len(lines) > MAX_SIGNATURES:
        raise FormatError(f"a note has at most {MAX_SIGNATURES} signatures, this has {len(lines)}")
    return text + "\n", lines


def _signatures(lines: list[str]) -> Iterator[tuple[str, bytes, bytes]]:
    for line in lines:
        name, _, encoded = line.removeprefix(SIGNATURE_PREFIX).partition(" ")
        data = decode_base64(encoded)
        if not line.startswith(SIGNATURE_PREFIX) or not KEY_NAME.fullmatch(name) or len(data) <= 4:
            raise FormatError(f"{line[:128]!r} is not a signature line")
        yield name, data[:4], data[4:]
