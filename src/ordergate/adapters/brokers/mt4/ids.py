"""Names of requests in the terminal.

A `ref` is a client id, with `#2` and so on for the further steps of an order that closes several positions, and `~2`
and so on for a later attempt: a ref that was sealed is refused for ever, so what is proven not to have been done is
sent under the next one. The comment and the magic number are what the broker keeps of a ref, and may change.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from ordergate.adapters.brokers.mt4.wire import id_of
from ordergate.domain.identifiers import is_made_here

_MAGIC_BITS: Final = 31
_OF_AN_ID: Final = 16
LONGEST_REF: Final = 64
_MADE_HERE: Final = "ord-"
_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_OF_A_TIME: Final = 10
"""The digits of an id that ordergate made that say when, in milliseconds."""
_LAST_MS: Final = 253_402_300_800_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def step_ref(client_id: str, step: int) -> str:
    """Of one step of an order; the first is 1."""
    return client_id if step == 1 else f"{client_id}#{step}"


def attempt_ref(ref: str, attempt: int) -> str:
    """Of a repeated attempt; the first is 1."""
    return ref if attempt == 1 else f"{ref}~{attempt}"


def once_ref(client_id: str, generation: int, sequence: int) -> str:
    """Of a request that may be done twice without harm, and is never answered with what an earlier one was."""
    return f"{client_id}~{generation}.{sequence}"


def client_of(ref: str) -> str:
    """The client id that a ref is of."""
    return ref.partition("~")[0].partition("#")[0]


def is_first(ref: str) -> bool:
    """Whether it is of the first step."""
    return "#" not in ref


def magic_of(ref: str) -> int:
    """Above zero, at most 31 bits: 0 is what orders have that were made by hand."""
    return int.from_bytes(hashlib.sha256(ref.encode()).digest()[:4], "big") >> (32 - _MAGIC_BITS) or 1


def comment_of(ref: str) -> str:
    """19 characters of the 31 that the terminal keeps: what a server adds at the end leaves them as they are."""
    return f"og-{id_of(ref)[:_OF_AN_ID]}"


def made_at(client_id: str) -> datetime | None:
    """When ordergate made the order's id, which has that time in it; None of any other."""
    text = client_id.partition(".")[0].removeprefix(_MADE_HERE)
    if not is_made_here(client_id) or len(text) < _OF_A_TIME:
        return None
    ms = 0
    for digit in text[:_OF_A_TIME]:
        ms = ms * len(_DIGITS) + _DIGITS.index(digit)
    return _EPOCH + timedelta(milliseconds=ms) if ms < _LAST_MS else None
