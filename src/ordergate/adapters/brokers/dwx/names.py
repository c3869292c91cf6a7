"""Our name of an order in what the terminal keeps of one: a magic number of 31 bits, and a comment.

The comment is the order's own name where that fits, else a part of its hash; a server may cut it, or add to it.
"""

import re
from base64 import b32encode
from hashlib import sha256
from typing import Final

from ordergate.domain.identifiers import order_id_of

_OURS: Final = re.compile(r"ord-([0-9A-Za-z]{26})")
_ENOUGH: Final = 12
"""Characters of a comment that was cut, beside the magic number, that still name one order."""


def magic_of(client_id: str) -> int:
    """From 1 to 2**31 - 1: the expert advisor cuts more off. The same for each request of an order."""
    return int.from_bytes(_hash(client_id)[:4]) >> 1 or 1


def comment_of(client_id: str) -> str:
    """At most 26 letters, digits and `#`."""
    ours = _OURS.fullmatch(order_id_of(client_id))
    return ours[1] if ours else f"#{b32encode(_hash(client_id)[4:12]).decode()[:13]}"


def names(comment: str, ours: str) -> bool:
    """Whether a comment at the terminal is that one of ours, perhaps with something added, or cut."""
    return comment.startswith(ours) or (len(comment) >= _ENOUGH and ours.startswith(comment))


def _hash(client_id: str) -> bytes:
    return sha256(order_id_of(client_id).encode()).digest()
