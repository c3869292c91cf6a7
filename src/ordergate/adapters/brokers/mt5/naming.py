"""What an order of ours bears at the terminal: a magic and a comment, both made from its client id.

The magic is a hash that nothing rewrites; the comment can be read back, where the server has not cut or overwritten it.
Only both together, or a magic that we know, make an order ours: other programs use small numbers.
"""

import hashlib
import re
from typing import Final

from ordergate.domain.identifiers import is_made_here

_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_READABLE: Final = re.compile(rf"([{_DIGITS}]{{26}})\.([{_DIGITS}]{{1,2}})")
_MADE: Final = re.compile(rf"ord-([{_DIGITS}]{{26}})\.([0-9]+)")
_BITS: Final = 62


def magic_of(client_id: str) -> int:
    """62 bits of the client id's SHA-256: positive in every integer that MetaTrader keeps it in."""
    return int.from_bytes(hashlib.sha256(client_id.encode()).digest()[:8], "big") >> (64 - _BITS)


def comment_of(client_id: str) -> str:
    """At most 29 characters of ASCII: an id made here can be read back, of another it is the magic in other digits."""
    made = _MADE.fullmatch(client_id)
    if made is None or not is_made_here(client_id):
        return f"#{_base32(magic_of(client_id)).rjust(13, '0')}"
    return f"{made[1]}.{_base32(int(made[2]))}"


def client_id_in(comment: str, magic: int) -> str | None:
    """The client id that an order's comment names, if its magic is of that id; None where it names none."""
    found = _READABLE.fullmatch(comment)
    if found is None:
        return None
    client_id = f"ord-{found[1]}.{_number(found[2])}"
    return client_id if magic_of(client_id) == magic else None


def _base32(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * len(_DIGITS) + _DIGITS.index(digit)
    return number


def step_id(client_id: str, step: int) -> str:
    """What the journal knows one step of an order as; the first is 1."""
    return client_id if step == 1 else f"{client_id}#{step}"


def attempt_id(id_: str, attempt: int) -> str:
    """What the journal knows a repeated attempt as, after others that were proven never to have been sent."""
    return id_ if attempt == 1 else f"{id_}~{attempt}"


def client_id_of(journal_id: str) -> str:
    """The client id of what the journal knows, whatever its step and attempt."""
    return journal_id.partition("~")[0].partition("#")[0]
