"""Base64 and decimals in the one spelling that the C2SP documents allow.

Strict on purpose: where two spellings mean the same, a byte of a signed file could be changed unnoticed.
"""

import base64
import binascii
import re
from typing import Final

from ordergate.protocols.tlog.errors import FormatError

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
MAX_SIZE: Final = 2**63 - 1


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """The bytes that `encode_base64` spells as `text`.

    Raises:
        FormatError: other characters, missing padding, or unused bits that are not zero.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError(f"{_shown(text)} is not base64") from None
    if encode_base64(data) != text:
        raise FormatError(f"{_shown(text)} is not canonical base64")
    return data


def decode_decimal(text: str) -> int:
    """A number from 0 to 2**63 - 1: ASCII digits, no sign, no leading zero.

    Raises:
        FormatError: anything else.
    """
    if not _DECIMAL.fullmatch(text) or (number := int(text)) > MAX_SIZE:
        raise FormatError(f"{_shown(text)} is not a decimal from 0 to {MAX_SIZE} without leading zeros")
    return number


def _shown(text: str) -> str:
    return repr(text if len(text) <= 64 else text[:64] + "…")
