"""`.tlog-proof` files: a receipt for one entry that verifies offline. https://c2sp.org/tlog-proof

The file is text, its hashes an inclusion proof with the leaf's sibling first:

    c2sp.org/tlog-proof@v1
    extra <base64>              (if there is any)
    index <decimal>
    <base64 hash>               (none or more)

    <signed checkpoint>
"""

from dataclasses import dataclass
from typing import Final, Self

from ordergate.protocols.tlog.checkpoint import Checkpoint, open_checkpoint
from ordergate.protocols.tlog.encoding import decode_base64, decode_decimal, encode_base64
from ordergate.protocols.tlog.errors import FormatError
from ordergate.protocols.tlog.keys import Verifier
from ordergate.protocols.tlog.merkle import leaf_hash, verify_inclusion

HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class TlogProof:
    """The parts of a proof; nothing here has been verified.

    Attributes:
        index: number of the entry in the log.
        hashes: inclusion proof, the leaf's sibling first.
        checkpoint: the signed note, verbatim.
        extra: data for the application, which nothing vouches for; none if empty.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def encode(self) -> bytes:
        """The content of the file."""
        lines = [HEADER]
        if self.extra:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines += [f"index {self.index}", *map(encode_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The parts of a proof file.

        Raises:
            FormatError: not a proof file; its checkpoint is looked at only when it is verified.
        """
        head, separator, checkpoint = data.partition(b"\n\n")
        try:
            header, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise FormatError("the head of a proof is ASCII text, this is not") from None
        if header != HEADER or not separator:
            raise FormatError(f"a proof begins with {HEADER!r} and has an empty line before its checkpoint")
        extra = _take("extra ", lines)
        index = _take("index ", lines)
        if index is None or extra == "":
            raise FormatError("a proof has a line 'index <number>', before it 'extra <base64>' or nothing")
        hashes = tuple(decode_base64(line) for line in lines)
        return cls(decode_decimal(index), hashes, checkpoint, decode_base64(extra or ""))


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verified proof shows: the entry is number `index` of the log at that checkpoint."""

    index: int
    checkpoint: Checkpoint


def verify_proof(data: bytes, entry: bytes, *verifiers: Verifier) -> Verified:
    """Check a proof file for an entry, given only the log's public key.

    Raises:
        FormatError: not a proof file, or its checkpoint is none.
        SignatureError: the checkpoint is not signed by one of the verifiers, or not with the log's name.
        ProofError: the entry is not where the proof says.
    """
    proof = TlogProof.parse(data)
    checkpoint = open_checkpoint(proof.checkpoint, *verifiers)
    verify_inclusion(proof.index, checkpoint.size, leaf_hash(entry), proof.hashes, checkpoint.root)
    return Verified(proof.index, checkpoint)


def _take(label: str, lines: list[str]) -> str | None:
    return lines.pop(0).removeprefix(label) if lines and lines[0].startswith(label) else None
