"""Ed25519 keys with a name, as signed notes use them: https://c2sp.org/signed-note (v1.0.0), RFC 8032."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ordergate.protocols.tlog.encoding import decode_base64, encode_base64
from ordergate.protocols.tlog.errors import FormatError

KEY_SIZE: Final = 32
KEY_NAME: Final = re.compile(r"[^\s+\x00-\x1f]+")
SIGNATURE_PREFIX: Final = "— "

_ED25519: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key and the name it signs under.

    Raises:
        FormatError: no name or one with a space, plus or control character; a key that has not 32 bytes.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not KEY_NAME.fullmatch(self.name):
            raise FormatError(f"{self.name!r} is not a key name: it has no space, plus or control character")
        if len(self.public_key) != KEY_SIZE:
            raise FormatError(f"an Ed25519 public key has {KEY_SIZE} bytes, not {len(self.public_key)}")

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """The verifier of a vkey, `<name>+hex(key id)+base64(type || public key)`.

        Raises:
            FormatError: not a vkey, not one of an Ed25519 key, or its key id is another key's.
        """
        name, _, rest = vkey.partition("+")
        _, _, key = rest.partition("+")
        data = decode_base64(key)
        if data[:1] != _ED25519:
            raise FormatError(f"{vkey!r} is not the vkey of an Ed25519 key (signature type 0x01)")
        verifier = cls(name, data[1:])
        if verifier.vkey != vkey:
            raise FormatError(f"{vkey!r} is not a vkey: for that name and key it is {verifier.vkey!r}")
        return verifier

    @property
    def vkey(self) -> str:
        """What is given to others so that they can verify."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(_ED25519 + self.public_key)}"

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart; no protection, only a label."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:4]

    def verify(self, text: str, signature: bytes) -> bool:
        """Whether this key made the 64-byte signature of the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A private key and its name.

    Args:
        name: the log's origin, for a log.
        seed: the 32 secret bytes of RFC 8032 section 5.1.5.
    """

    __slots__ = ("_key", "verifier")

    def __init__(self, name: str, seed: bytes) -> None:
        if len(seed) != KEY_SIZE:
            raise FormatError(f"an Ed25519 seed has {KEY_SIZE} bytes, not {len(seed)}")
        self._key: Final = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier: Final = Verifier(name, self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer({self.verifier.vkey!r})"

    @property
    def name(self) -> str:
        """The name it signs under."""
        return self.verifier.name

    def sign(self, text: str) -> str:
        """The signature line for a note's text."""
        signature = self._key.sign(text.encode())
        return f"{SIGNATURE_PREFIX}{self.name} {encode_base64(self.verifier.key_id + signature)}\n"
