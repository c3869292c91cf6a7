"""The archive's records: the entry's own bytes, the order as it stood, and what is left out where there is no room."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

import jsonschema_rs
import pytest
from msgspec import Raw
from msgspec.structs import replace

from ordergate.application.archiving import (
    LEAST_ROOM,
    SMALLER,
    Archivist,
    KeyBy,
    Record,
    as_archived,
    fitted,
    schema,
    without,
    written,
)
from ordergate.application.entry import LARGEST, Entry, encode
from ordergate.application.ports.journal import Batch, Line
from ordergate.domain.orders.events import SignalRefused
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import Mark, OrderType, RequestKind, Side, State, TimeInForce
from ordergate.protocols.tlog import leaf_hash
from tests.journals.older import busy

LOG = "test.example/journal"
AT = datetime(2026, 1, 5, tzinfo=UTC)


async def _archived(key: KeyBy = KeyBy.SYMBOL, size: int = 400):
    journal = await busy(size)
    lines = await journal.lines(0, size)
    return lines, await Archivist(journal, LOG, key).archive(0, lines)


def test_a_record_has_the_entrys_own_bytes() -> None:
    lines, archived = asyncio.run(_archived())
    for index, (line, one) in enumerate(zip(lines, archived, strict=True)):
        value = written(one.record)
        shown = json.loads(value)
        assert shown["id"] == f"{LOG}/{index}"
        assert line.data in value
        assert shown["entry"] == json.loads(line.data)
        assert shown["leaf_hash"] == sha256(b"\0" + line.data).hexdigest()
        assert (shown["kind"], shown["time"]) == (line.kind, shown["entry"]["time"])


def test_the_order_is_as_the_entry_left_it() -> None:
    _lines, archived = asyncio.run(_archived())
    states: dict[str, str] = {}
    told = 0
    for one in archived:
        record = one.record
        if record.order is None:
            continue
        told += 1
        assert record.before == states.get(record.order.order_id)
        states[record.order.order_id] = record.order.state
    assert told > 100


@pytest.mark.parametrize(("key", "field"), [("symbol", "symbol"), ("order", "order_id"), ("fund", "fund_id")])
def test_records_of_one_thing_have_one_key(key: str, field: str) -> None:
    _lines, archived = asyncio.run(_archived(KeyBy(key)))
    for one in archived:
        if one.record.order is not None:
            assert one.key == getattr(one.record.order, field)
    assert any(one.key == LOG for one in archived), "what has none goes under the log"


def test_version_1_is_what_it_was() -> None:
    """Whoever wrote it can be compared with; another form is another version beside it."""
    order = Order(
        order_id="o-1",
        fund_id="f",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(100),
        order_type=OrderType.LIMIT,
        tif=TimeInForce.DAY,
        broker="paper",
        state=State.PARTIALLY_FILLED,
        created_at=AT,
        updated_at=AT,
        limit_price=Decimal("180.50"),
        filled_quantity=Decimal(40),
        filled_value=Decimal("7220.00"),
        marks=(Mark.DONE_FOR_DAY,),
        requests=(Request(number=1, kind=RequestKind.SUBMIT, client_id="o-1.1"),),
    )
    record = Record(
        v=1,
        id="l/7",
        log="l",
        index=7,
        kind="OrderFilled/1",
        time=AT,
        leaf_hash="0" * 64,
        entry=Raw(b'{"index":7}'),
        order=as_archived(order),
        before=State.SUBMITTED,
    )
    assert written(record).decode() == (
        '{"v":1,"id":"l/7","log":"l","index":7,"kind":"OrderFilled/1","time":"2026-01-05T00:00:00Z","leaf_hash":"'
        + "0" * 64
        + '","entry":{"index":7},"order":{"order_id":"o-1","fund_id":"f","symbol":"AAPL","side":"buy","quantity":"100",'
        '"order_type":"limit","tif":"day","broker":"paper","state":"PARTIALLY_FILLED","version":1,"created_at":'
        '"2026-01-05T00:00:00Z","updated_at":"2026-01-05T00:00:00Z","filled_quantity":"40","leaves_quantity":"0",'
        '"filled_value":"7220.00","average_price":"180.5","limit_price":"180.50","marks":["done_for_day"]},'
        '"before":"SUBMITTED"}'
    )


def test_every_record_is_as_its_schema_says() -> None:
    validator = jsonschema_rs.validator_for(schema())
    _lines, archived = asyncio.run(_archived())
    for one in archived:
        for left_out in SMALLER:
            validator.validate(json.loads(written(without(one.record, left_out))))
    shown = json.loads(written(archived[0].record))
    assert not validator.is_valid(shown | {"v": 2})
    assert not validator.is_valid(shown | {"entry": "text"})


def test_what_comes_again_is_the_same() -> None:
    async def run() -> None:
        journal = await busy(400)
        archivist = Archivist(journal, LOG)
        once = await archivist.archive(0, await journal.lines(0, 400))
        for first, count in ((100, 200), (100, 200), (0, 400), (399, 1)):
            lines = await journal.lines(first, count)
            assert await archivist.archive(first, lines) == once[first : first + count]

    asyncio.run(run())


def test_what_is_too_large_is_left_out_and_says_so() -> None:
    async def run() -> None:
        journal = await busy(200)
        (one,) = await Archivist(journal, LOG).archive(150, await journal.lines(150, 1))
        assert one.record.order is not None
        heavy = replace(one.record, payload="x" * 500_000, payload_sha256="0" * 64)
        assert fitted(heavy, 1_000_000) == written(heavy)
        lighter = json.loads(fitted(heavy, LEAST_ROOM))
        assert lighter["left_out"] == ["payload"]
        assert "payload" not in lighter
        assert lighter["payload_sha256"] == "0" * 64
        assert "order" in lighter
        long = replace(heavy, order=replace(heavy.order, thesis="y" * 200_000))
        lightest = json.loads(fitted(long, LEAST_ROOM))
        assert lightest["left_out"] == ["payload", "order"]
        assert lightest["entry"] == json.loads(bytes(heavy.entry))

    asyncio.run(run())


def test_the_largest_entry_fits_where_nothing_else_does() -> None:
    assert LARGEST * 2 <= LEAST_ROOM


def test_nothing_is_said_to_be_left_out_that_was_not_there() -> None:
    _lines, archived = asyncio.run(_archived(size=50))
    bare = next(one.record for one in archived if one.record.order is None)
    assert without(bare, ("payload", "order")) == bare


def test_a_payload_from_beside_the_journal_is_in_the_record() -> None:
    async def run() -> None:
        journal = await busy(20)
        size = (await journal.head()).size
        entry = Entry(
            index=size,
            time=AT,
            actor="a",
            principal="p",
            source="s",
            event=SignalRefused(signal_id="s", symbol="AAPL", code="c", reason="r"),
            raw="z" * 70_000,
        )
        made = encode(entry)
        assert made.payloads
        line = Line(made.data, leaf_hash(made.data), made.kind, None)
        await journal.commit(Batch(first=size, lines=[line], rows={}, checkpoint="c", payloads=made.payloads))
        archivist = Archivist(journal, LOG)
        (one,) = await archivist.archive(size, [line])
        assert one.record.payload == "z" * 70_000
        assert one.record.payload_sha256 == sha256(b"z" * 70_000).hexdigest()

    asyncio.run(run())
