"""An entry of the journal: one event, who caused it, and its bytes.

The bytes are JSON with fields in a fixed order and defaults left out; they are made once, and it is they that
are hashed, stored, streamed and exported.
"""

import hashlib
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from ordergate.domain.errors import AuditError
from ordergate.domain.orders.events import AnyEvent, BreakRaised, OrderEvent

LARGEST: Final = 65_535
"""Bytes of an entry: the length prefix of an entry bundle has 16 bits (C2SP tlog-tiles)."""


class Origin(Struct, frozen=True, kw_only=True):
    """Who is behind an input.

    Attributes:
        actor: who acts: a strategy's executor, a person, a broker, ordergate itself.
        principal: as whom the door knows them.
        source: the door.
        request: the door's id of the request.
    """

    actor: str = "ordergate"
    principal: str = "local"
    source: str = "engine"
    request: str | None = None


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands in the journal.

    Attributes:
        cursor: of the broker's stream, as far as the report behind this entry had come.
        raw: the payload from outside, as it came.
        raw_sha256: its hash, where it did not fit and stands beside the journal.
    """

    index: int
    time: datetime
    actor: str
    principal: str
    source: str
    event: AnyEvent
    request: str | None = None
    broker: str | None = None
    cursor: str | None = None
    raw: str | None = None
    raw_sha256: str | None = None

    @property
    def order_id(self) -> str | None:
        """The order that it is about."""
        if isinstance(self.event, OrderEvent):
            return self.event.order_id
        return self.event.item.order_id if isinstance(self.event, BreakRaised) else None


_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")
_DECODER: Final = msgspec.json.Decoder(Entry)


def kind_of(event: AnyEvent) -> str:
    """The tag of an event, such as `OrderFilled/1`."""
    return str(type(event).__struct_config__.tag)


def encode(entry: Entry) -> tuple[bytes, dict[str, bytes]]:
    """The entry's bytes, and the payload to keep beside it by its SHA-256 where it is too large."""
    data = _ENCODER.encode(entry)
    if len(data) <= LARGEST or entry.raw is None:
        return data, {}
    payload = entry.raw.encode()
    digest = hashlib.sha256(payload).hexdigest()
    return _ENCODER.encode(msgspec.structs.replace(entry, raw=None, raw_sha256=digest)), {digest: payload}


def decode(data: bytes, index: int) -> Entry:
    """The entry from its bytes.

    Raises:
        AuditError: the bytes are no entry of this version.
    """
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise AuditError(f"entry {index} cannot be read: {error}", index) from None
