"""An entry of the journal: one event, who caused it, and its bytes.

The bytes are JSON with fields in a fixed order and defaults left out; they are made once, and it is they that
are hashed, stored, streamed and exported.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ordergate.domain.contingencies.events import CloseCut, ProtectionFailed
from ordergate.domain.errors import AuditError, Code, Invalid
from ordergate.domain.events import AnyEvent
from ordergate.domain.orders.events import OrderEvent
from ordergate.domain.recon.events import BREAK_EVENTS

LARGEST: Final = 65_535
"""Bytes of an entry: the length prefix of an entry bundle has 16 bits (C2SP tlog-tiles)."""


class Origin(Struct, frozen=True, gc=False, kw_only=True):
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


class Entry(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
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
        if isinstance(self.event, (OrderEvent, ProtectionFailed, CloseCut)):
            return self.event.order_id
        return self.event.item.order_id if isinstance(self.event, BREAK_EVENTS) else None


_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")
_DECODER: Final = msgspec.json.Decoder(Entry)
_NO_PAYLOADS: Final[Mapping[str, bytes]] = {}


_KINDS: Final = {event: str(event.__struct_config__.tag) for event in get_args(AnyEvent)}


def kind_of(event: AnyEvent) -> str:
    """The tag of an event, such as `OrderFilled/1`."""
    return _KINDS[type(event)]


class Encoded(Struct, frozen=True, gc=False):
    """An entry as it is written: made once, and used for hash, store and streams.

    Attributes:
        payloads: by SHA-256, what did not fit into the entry.
    """

    data: bytes
    kind: str
    order_id: str | None
    payloads: Mapping[str, bytes]


def encode(entry: Entry) -> Encoded:
    """The entry's bytes, and the payload to keep beside it where it is too large.

    Raises:
        Invalid: it holds text that is no Unicode, or is too large even without its payload.
    """
    try:
        data, payloads = _ENCODER.encode(entry), _NO_PAYLOADS
        if len(data) > LARGEST and entry.raw is not None:
            payload = entry.raw.encode()
            digest = hashlib.sha256(payload).hexdigest()
            data = _ENCODER.encode(replace(entry, raw=None, raw_sha256=digest))
            payloads = {digest: payload}
    except UnicodeEncodeError as error:
        raise Invalid(Code.BAD_VALUE, f"holds text that is no Unicode: {error.reason}") from None
    if len(data) > LARGEST:
        raise Invalid(Code.BAD_VALUE, f"makes an entry of {len(data)} bytes; at most {LARGEST} can be kept")
    return Encoded(data, kind_of(entry.event), entry.order_id, payloads)


def decode(data: bytes, index: int) -> Entry:
    """The entry from its bytes.

    Raises:
        AuditError: the bytes are no entry of this version.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AuditError(f"entry {index} cannot be read: {error}", index) from None
