"""Where the service answers over gRPC, and where gates are that are asked over it."""

import re
from typing import Annotated, Final

from msgspec import Meta, Struct

_TARGET: Final = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")


class GrpcSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`port` beside the address of `server.host`; left out, there is no gRPC."""

    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None


def is_target(given: str) -> bool:
    """Whether that is a host with a port, such as 127.0.0.1:50052."""
    match = _TARGET.fullmatch(given)
    return match is not None and 1 <= int(match[1]) <= 65_535
