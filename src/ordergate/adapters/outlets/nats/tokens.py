"""Names as tokens of subjects and keys: reversible, and legal in both.

Letters, digits, `-` and `_` stand for themselves. Every other byte of the name, as UTF-8, is `=` and two hexadecimal
digits: `BTC/USDT` is `BTC=2FUSDT`, `BRK.B` is `BRK=2EB`. The empty name is `=` alone. Messages have the name itself.
"""

import re
from typing import Final

_OTHERS: Final = re.compile(rb"[^A-Za-z0-9_-]")
_ESCAPED: Final = re.compile(rb"=([0-9A-F]{2})")
_EMPTY: Final = "="


def token(name: str) -> str:
    """The name as one token."""
    return _OTHERS.sub(lambda found: b"=%02X" % found[0][0], name.encode()).decode() or _EMPTY


def name_of(token: str) -> str:
    """The name that a token stands for."""
    if token == _EMPTY:
        return ""
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), token.encode()).decode()
