"""Checkpoints: a log's signed word on its size and root. https://c2sp.org/tlog-checkpoint (v1.0.0).

Three lines: origin, size, root. Extension lines are neither written nor accepted: the document advises
against them, since nobody who watches the log can check what they say. The signing key's name is the origin.
"""

from dataclasses import dataclass
from typing import Self

from ordergate.protocols.tlog.encoding import MAX_SIZE, decode_base64, decode_decimal, encode_base64
from ordergate.protocols.tlog.errors import FormatError, SignatureError
from ordergate.protocols.tlog.keys import Signer, Verifier
from ordergate.protocols.tlog.merkle import EMPTY_ROOT, HASH_SIZE
from ordergate.protocols.tlog.note import open_note, sign_note


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says it holds.

    Attributes:
        origin: name of the log, a URL without scheme such as `oms.example/audit/main`.
        size: number of entries.
        root: root of the tree over them, 32 bytes.

    Raises:
        FormatError: a value that no log can have.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or any(character < " " for character in self.origin):
            raise FormatError(f"{self.origin!r} is not an origin: it takes one line of text")
        if not 0 <= self.size <= MAX_SIZE:
            raise FormatError(f"a log has 0 to {MAX_SIZE} entries, not {self.size}")
        if len(self.root) != HASH_SIZE:
            raise FormatError(f"a root has {HASH_SIZE} bytes, not {len(self.root)}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise FormatError(f"the root of an empty log is {EMPTY_ROOT.hex()}, not {self.root.hex()}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint that a note's text states; trust it only from a note that was opened.

        Raises:
            FormatError: not exactly the three lines.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise FormatError(f"a checkpoint is three lines (origin, size, root), this is {text[:128]!r}")
        return cls(lines[0], decode_decimal(lines[1]), decode_base64(lines[2]))

    def encode(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    def sign(self, signer: Signer) -> bytes:
        """The checkpoint as a note signed by the log itself.

        A log must never sign two checkpoints of which neither follows from the other; that is on the caller.

        Raises:
            ValueError: the key is named otherwise than the log.
        """
        if signer.name != self.origin:
            raise ValueError(f"key {signer.name!r} cannot sign for log {self.origin!r}: names must be equal")
        return sign_note(self.encode(), signer)


def open_checkpoint(note: bytes, *verifiers: Verifier) -> Checkpoint:
    """The checkpoint in a note, signed by a known key of the log it speaks for.

    Raises:
        FormatError: not a note, or not one of a checkpoint.
        SignatureError: a known key's signature is wrong, or no known key named as the origin has signed.
    """
    opened = open_note(note, *verifiers)
    checkpoint = Checkpoint.parse(opened.text)
    if checkpoint.origin not in {verifier.name for verifier in opened.signed_by}:
        raise SignatureError(f"the checkpoint of {checkpoint.origin!r} has no known signature of that name")
    return checkpoint
