"""The archive's records: each entry of the journal with its order as it stood, as one JSON document.

What is written is versioned by `v`: how version 1 is made of an entry never changes, so that whoever has the journal
can make every record again, to the byte, and compare. A change of `Order` changes no record.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from ordergate.application.entry import decode, kind_of
from ordergate.application.ports.journal import JournalReader, Line
from ordergate.application.telling import Teller, Told
from ordergate.domain.algos.terms import AlgoTerms
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import OperationTerms
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import Mark, OrderType, Protection, Side, State, TimeInForce

LEAST_ROOM: Final = 131_072
"""Bytes that a record may always have: an entry, which is at most half as long, fits with all that is said of it."""

Moment = Annotated[datetime, Meta(tz=True)]


class ArchivedOrder(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An order as an entry left it. Decimals are text; what is None is left out.

    Attributes:
        filled_value: the sum of quantity x price over the executions that count.
        average_price: of those, to 10 places.
        client_id: of the last accepted submit or replace, as the broker knows it.
        reference_price: what the risk gate measured it at.
    """

    order_id: str
    fund_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    tif: TimeInForce
    broker: str
    state: State
    version: int
    created_at: Moment
    updated_at: Moment
    filled_quantity: Decimal
    leaves_quantity: Decimal
    filled_value: Decimal
    average_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    cash_quantity: Decimal | None = None
    strategy_id: str | None = None
    order_manager: str | None = None
    actor: str | None = None
    idempotency_key: str | None = None
    signal_id: str | None = None
    retry_of: str | None = None
    parent_order_id: str | None = None
    thesis: str | None = None
    entry_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    expires_at: Moment | None = None
    arrival_bid: Decimal | None = None
    arrival_ask: Decimal | None = None
    client_id: str | None = None
    broker_order_id: str | None = None
    accepted_at: Moment | None = None
    submitted_at: Moment | None = None
    acknowledged_at: Moment | None = None
    filled_at: Moment | None = None
    ended_at: Moment | None = None
    marks: tuple[Mark, ...] = ()
    reason_code: str | None = None
    reason: str | None = None
    reference_price: Decimal | None = None
    lots: tuple[str, ...] | None = None
    max_slippage_bps: Decimal | None = None
    max_slippage_pips: Decimal | None = None
    protect: Protection | None = None
    slice: int | None = None
    algo: AlgoTerms | None = None
    operation: Operation = Operation.SPOT_TRADE
    terms: OperationTerms | None = None
    route: tuple[str, ...] | None = None


Part = Literal["payload", "order"]


class Record(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One entry of a journal, in the archive.

    Attributes:
        v: the version of the record's form.
        id: `log` and `index`: who reads the archive counts each id once.
        log: the origin of the journal.
        kind: of the entry's event, such as OrderFilled/1.
        leaf_hash: SHA-256 of a zero byte and the entry's bytes, in hex: its leaf in the journal's Merkle tree.
        entry: the entry's own bytes, exactly as they are hashed and stand in the journal.
        order: the order that it is about, as it stood right after; left out where it is about none.
        before: the state that the order had.
        payload_sha256: of what came from outside, where that was too large for the entry.
        payload: that itself.
        left_out: what was too large for a message of the topic, and stands in the journal.
    """

    v: Literal[1]
    id: str
    log: str
    index: int
    kind: str
    time: Moment
    leaf_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    entry: Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
    order: ArchivedOrder | None = None
    before: State | None = None
    payload_sha256: str | None = None
    payload: str | None = None
    left_out: tuple[Part, ...] = ()


class KeyBy(StrEnum):
    """What the records of one key have in common; they stay in order."""

    SYMBOL = "symbol"
    ORDER = "order"
    FUND = "fund"


class Archived(Struct, frozen=True, gc=False):
    """A record, and what it is put under."""

    key: str
    record: Record


SMALLER: Final[Sequence[tuple[Part, ...]]] = ((), ("payload",), ("payload", "order"))
"""What is left out, first of all nothing, until a record fits."""

_ENCODE: Final = msgspec.json.Encoder(decimal_format="string").encode
_FIELDS: Final = ArchivedOrder.__struct_fields__
_KEYS: Final[Mapping[KeyBy, str]] = {
    KeyBy.SYMBOL: "symbol",
    KeyBy.ORDER: "order_id",
    KeyBy.FUND: "fund_id",
}


class Archivist:
    """Makes the records of one journal; a reader of its own each."""

    def __init__(self, reader: JournalReader, log: str, key: KeyBy = KeyBy.SYMBOL) -> None:
        self._reader, self._log, self._key = reader, log, key
        self._teller = Teller(reader)

    async def archive(self, first: int, lines: Sequence[Line]) -> list[Archived]:
        """The records of lines from index `first` on, whole.

        Raises:
            StoreError: the journal cannot be read.
            AuditError: an entry cannot be read by this version.
        """
        told = await self._teller.tell([decode(line.data, index) for index, line in enumerate(lines, first)])
        return [await self._archived(one, line) for one, line in zip(told, lines, strict=True)]

    async def _archived(self, told: Told, line: Line) -> Archived:
        entry, payload = told.entry, None
        if entry.raw_sha256 is not None:
            kept = await self._reader.payload(entry.raw_sha256)
            payload = None if kept is None else kept.decode(errors="replace")
        record = Record(
            v=1,
            id=f"{self._log}/{entry.index}",
            log=self._log,
            index=entry.index,
            kind=kind_of(entry.event),
            time=entry.time,
            leaf_hash=line.hash.hex(),
            entry=Raw(line.data),
            order=None if told.order is None else as_archived(told.order),
            before=told.before,
            payload_sha256=entry.raw_sha256,
            payload=payload,
        )
        return Archived(key_of(told, self._key, self._log), record)


def as_archived(order: Order) -> ArchivedOrder:
    """The order, in version 1 of the record."""
    return ArchivedOrder(**{name: getattr(order, name) for name in _FIELDS})


def key_of(told: Told, by: KeyBy, log: str) -> str:
    """What a record is put under; an entry that has no such thing goes under the log's origin."""
    name = _KEYS[by]
    found: Any = getattr(told.order if told.order is not None else told.entry.event, name, None)
    return found if isinstance(found, str) and found else log


def without(record: Record, left_out: tuple[Part, ...]) -> Record:
    """The record without some of its parts; it says which it had."""
    had = tuple(part for part in left_out if getattr(record, part) is not None)
    return replace(record, left_out=had, **dict.fromkeys(had)) if had else record


def written(record: Record) -> bytes:
    """Its bytes."""
    return _ENCODE(record)


def schema() -> dict[str, Any]:
    """The JSON Schema of a record."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ordergate archive record, version 1",
    }
    return head | msgspec.json.schema(Record)


def fitted(record: Record, room: int) -> bytes:
    """Its bytes, with nothing left out that need not be.

    Args:
        room: at least `LEAST_ROOM` bytes.
    """
    for left_out in SMALLER[:-1]:
        if len(value := written(without(record, left_out))) <= room:
            return value
    return written(without(record, SMALLER[-1]))
