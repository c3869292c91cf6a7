"""Refusing what is no whole journal: a copy that was cut off, or is still under way."""

from ordergate.application.ports.journal import UNFINISHED, Head
from ordergate.domain.errors import StoreError


def check_whole(head: Head, shown: object) -> None:
    """Raises StoreError where a copy has not been finished."""
    if head.checkpoint == UNFINISHED:
        raise StoreError(
            f"{shown} holds the first {head.size} entries of an unfinished copy: run `ordergate copy` again"
        )
