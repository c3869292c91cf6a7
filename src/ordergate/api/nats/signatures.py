"""The risk service's word on a signal: a signature over the message's bytes, in a header.

`Ordergate-Signature: hmac-sha256=HEX`, under a shared secret, or `ed25519=BASE64`, by its private key. A signature that
does not hold, or that nobody here can check, is refused even where none is needed.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from ordergate.application.ports.secrets import Held, Secret

SIGNATURE: Final = "Ordergate-Signature"
HMAC, ED25519 = "hmac-sha256", "ed25519"


class Verifier(Struct, frozen=True, kw_only=True):
    """Who must have signed.

    Attributes:
        secret: of HMAC; None where there is none.
        public_key: of Ed25519; None where there is none.
        needed: whether an unsigned message is refused.
    """

    secret: Held | None = None
    public_key: Ed25519PublicKey | None = None
    needed: bool = False

    def wrong(self, data: bytes, headers: Mapping[str, str] | None) -> str | None:
        """Why a message is not to be trusted; None where it may be."""
        given = [value for name, value in (headers or {}).items() if name.lower() == SIGNATURE.lower()]
        if not given:
            return f"has no header {SIGNATURE}, and only signed ones are taken" if self.needed else None
        if len(given) > 1:
            return f"has several headers {SIGNATURE}: one is taken"
        if self.secret is None and self.public_key is None:
            return (
                "is signed, and no key is configured here to check that: write hmac_key_secret or ed25519_key"
            )
        kind, _, value = given[0].partition("=")
        if kind == HMAC and self.secret is not None:
            holds = any(_holds_hmac(secret, data, value) for secret in self.secret.accepted)
        elif kind == ED25519 and self.public_key is not None:
            holds = _holds_ed25519(self.public_key, data, value)
        else:
            known = [n for n, key in ((HMAC, self.secret), (ED25519, self.public_key)) if key is not None]
            return f"is signed with {kind[:32]!r}, and the key here is for {' or '.join(known)}"
        return None if holds else "has a signature that does not hold for these bytes"


def public_key_of(text: str) -> Ed25519PublicKey:
    """The public key from the base64 of its 32 bytes.

    Raises:
        ValueError: it is none.
    """
    try:
        raw = base64.b64decode(text, validate=True)
        return Ed25519PublicKey.from_public_bytes(raw)
    except (binascii.Error, ValueError):
        raise ValueError("is not the base64 of the 32 bytes of a public key") from None


def _holds_hmac(secret: Secret, data: bytes, value: str) -> bool:
    right = hmac.new(secret.reveal().encode(), data, hashlib.sha256).hexdigest()
    return hmac.compare_digest(right.encode(), value.lower().encode())


def _holds_ed25519(key: Ed25519PublicKey, data: bytes, value: str) -> bool:
    try:
        key.verify(base64.b64decode(value, validate=True), data)
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True
