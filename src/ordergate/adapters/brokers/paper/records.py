"""Reports as the venue keeps them: a gap-free sequence of JSON bodies.

A report's cursor and its own text depend on the delivery and are no part of the body.
"""

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ordergate.domain.errors import StoreError
from ordergate.domain.orders.reports import (
    Acknowledged,
    AnyReport,
    Confirmed,
    Ended,
    Executed,
    Marked,
    Replaced,
    RequestRefused,
)

_KINDS: Final[dict[str, msgspec.json.Decoder[AnyReport]]] = {
    kind.__name__: msgspec.json.Decoder(kind)
    for kind in (Acknowledged, Confirmed, Ended, Executed, Marked, Replaced, RequestRefused)
}
_encode: Final = msgspec.json.Encoder().encode


class Record(Struct, frozen=True, gc=False):
    """A committed report with its place in the venue's sequence; `report.raw` is its body."""

    sequence: int
    report: AnyReport


def with_raw(report: AnyReport) -> AnyReport:
    """The report carrying its own JSON text."""
    return replace(report, raw=_encode(report).decode())


def decode(kind: str, body: str) -> AnyReport:
    """A kept report.

    Raises:
        StoreError: the file has something that this version did not write.
    """
    decoder = _KINDS.get(kind)
    if decoder is None:
        raise StoreError(f"the paper venue's file has a report of kind {kind!r}: it is of another version")
    try:
        return replace(decoder.decode(body), raw=body)
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"the paper venue's file has a {kind} report that cannot be read: {error}"
        ) from error
