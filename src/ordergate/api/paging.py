"""Pages of lists: an opaque token says behind which key the next one begins, and for which filters."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ordergate.api.problems import DoorCode, failure
from ordergate.domain.errors import quoted

LARGEST_PAGE: Final = 500
USUAL_PAGE: Final = 100


def token_of(table: str, where: Mapping[str, Any], key: tuple[str, ...]) -> str:
    """The token of the page behind the row with that key."""
    content = msgspec.json.encode([_filters(table, where), *key])
    return urlsafe_b64encode(content).decode().rstrip("=")


def key_of(token: str, table: str, where: Mapping[str, Any], length: int) -> tuple[str, ...]:
    """The key behind which a page begins.

    Raises:
        Failure: no token of ours, or one of a list with other filters.
    """
    try:
        padded = token + "=" * (-len(token) % 4)
        filters, *key = msgspec.json.decode(urlsafe_b64decode(padded), type=list[str])
    except (Error, ValueError, msgspec.DecodeError):
        raise failure(
            400, DoorCode.BAD_PAGE_TOKEN, "is no token that this service gave out", parameter="page_token"
        ) from None
    if filters != _filters(table, where) or len(key) != length:
        detail = "was given out with other filters: repeat them, or begin without a token"
        raise failure(400, DoorCode.BAD_PAGE_TOKEN, detail, parameter="page_token")
    return tuple(key)


def _filters(table: str, where: Mapping[str, Any]) -> str:
    content = msgspec.json.encode([table, sorted((n, v) for n, v in where.items() if v is not None)])
    return hashlib.sha256(content).hexdigest()[:16]


def limit_of(given: str | None) -> int:
    """How many items a page has at most.

    Raises:
        Failure: it is none of 1 to 500.
    """
    if given is None:
        return USUAL_PAGE
    if not (given.isascii() and given.isdecimal() and len(given) <= 3 and 1 <= int(given) <= LARGEST_PAGE):
        raise failure(
            400,
            DoorCode.BAD_PARAMETER,
            f"{quoted(given)} is not a number from 1 to {LARGEST_PAGE}",
            parameter="limit",
        )
    return int(given)
