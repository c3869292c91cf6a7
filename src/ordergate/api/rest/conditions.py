"""Conditions: which version of a thing its caller has seen."""

import re
from typing import Final

from ordergate.api.problems import DoorCode, Failure, failure
from ordergate.domain.errors import quoted

_ETAG: Final = re.compile(r'"([0-9]{1,9})"')


def version_of(header: str | None) -> int | None:
    """The version that stands in If-Match; None where any will do.

    Raises:
        Failure: the header is missing, or is no entity tag.
    """
    if header is None:
        raise missing()
    if header == "*":
        return None
    match = _ETAG.fullmatch(header)
    if match is None:
        detail = f'{quoted(header)} is not one entity tag, such as "3", and not *'
        raise failure(400, DoorCode.BAD_PARAMETER, detail, parameter="If-Match")
    return int(match[1])


def missing() -> Failure:
    """What is answered where the header is needed and left out."""
    detail = 'say which version you have seen: If-Match with its ETag, such as "3", or *'
    return failure(428, DoorCode.IF_MATCH_MISSING, detail, parameter="If-Match")
