"""What a NATS server has of a journal, read as any reader would and compared with the journal and its book."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from ordergate.adapters.nats import Connection, NatsError
from ordergate.adapters.nats.buckets import values_in
from ordergate.adapters.nats.streams import info, pull
from ordergate.adapters.outlets.nats.dialects import Render
from ordergate.adapters.outlets.nats.letters import Letter
from ordergate.adapters.outlets.nats.positions import BucketMark, PositionValue, key_of
from ordergate.application.entry import Entry, decode
from ordergate.application.naming import LogName
from ordergate.application.ports.journal import JournalReader
from ordergate.application.telling import Teller
from ordergate.application.touching import touched_positions
from ordergate.domain.money import text

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_AT_ONCE: Final = 500
_WAIT_S: Final = 10.0
_FIRST: Final = 10
_ID: Final = "Nats-Msg-Id"
_MARK: Final = "ordergate.v1.positions."


class Message(Struct, frozen=True):
    """As a stream has it; `id` is empty where it has none."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    id: str


@asynccontextmanager
async def asking(what: str) -> AsyncIterator[None]:
    """Meanwhile what the library raises says what could not be had. Raises NatsError."""
    from nats.errors import Error

    try:
        yield
    except (Error, OSError, TimeoutError) as error:
        raise NatsError(f"{what} cannot be read: {str(error) or type(error).__name__}") from error


async def stream_of(connection: Connection, name: str) -> list[Message]:
    """All messages of a stream; none where there is no such stream. Raises NatsError."""
    context = await connection.stream()
    from nats.js.api import AckPolicy, ConsumerConfig

    found = await info(context, name)
    if found is None or not found.state.messages:
        return []
    read: list[Message] = []
    async with asking(f"stream {name}"):
        reader = await pull(context, name, ConsumerConfig(ack_policy=AckPolicy.NONE))
        while len(read) < found.state.messages:
            batch = await reader.fetch(min(_AT_ONCE, found.state.messages - len(read)), timeout=_WAIT_S)
            read += map(_message, batch)
        await reader.unsubscribe()
    return read


def _message(message: "Msg") -> Message:
    headers = message.headers or {}
    return Message(message.subject, message.data, headers, headers.get(_ID, ""))


async def bucket_of(connection: Connection, name: str) -> tuple[dict[str, PositionValue], BucketMark | None]:
    """The positions of a bucket by key, and how far it says that it is. Raises NatsError."""
    context = await connection.stream()
    async with asking(f"bucket {name}"):
        raw = await values_in(context, name)
    marks = [msgspec.json.decode(data, type=BucketMark) for key, data in raw.items() if key.startswith(_MARK)]
    values = {
        key: msgspec.json.decode(data, type=PositionValue)
        for key, data in raw.items()
        if not key.startswith(_MARK)
    }
    return values, next(iter(marks), None)


async def entries_of(reader: JournalReader, size: int) -> list[Entry]:
    """The first `size` entries."""
    read: list[Entry] = []
    while len(read) < size:
        lines = await reader.lines(len(read), min(_AT_ONCE, size - len(read)))
        read += [decode(line.data, index) for index, line in enumerate(lines, len(read))]
    return read


async def letters_of(
    reader: JournalReader, entries: Sequence[Entry], name: LogName, dialects: Sequence[Render]
) -> list[Letter]:
    """What is to be published of the entries."""
    told = await Teller(reader).tell(entries)
    return [letter for one in told for render in dialects for letter in render(one, name)]


def compare_messages(came: Sequence[Message], wanted: Sequence[Letter]) -> dict[str, Any]:
    """By subject, each id counted once; and the ids that are missing, of nothing in the journal, or say otherwise."""
    by_id: dict[str, Message] = {}
    for message in came:
        by_id.setdefault(message.id, message)
    due = {letter.id: letter for letter in wanted}
    wrong = {
        "missing": [one for one in due if one not in by_id],
        "foreign": [one for one in by_id if one not in due],
        "different": [one.id for one in came if one.id in due and not _same(one, due[one.id])],
    }
    count, journal = Counter(one.subject for one in by_id.values()), Counter(one.subject for one in wanted)
    dialect = {letter.subject: str(letter.chain[0]) for letter in wanted}
    subjects = [
        *dict.fromkeys(sorted(dialect, key=lambda one: (dialect[one], one))),
        *sorted(count - journal),
    ]
    return {
        "agrees": not any(wrong.values()),
        "messages": len(came),
        "repeated": len(came) - len(by_id),
        "subjects": [
            {
                "dialect": dialect.get(one),
                "subject": one,
                "messages": count[one],
                "journal": journal[one],
            }
            for one in dict.fromkeys(subjects)
        ],
        **{kind: {"count": len(ids), "first": ids[:_FIRST]} for kind, ids in wrong.items()},
    }


def _same(message: Message, letter: Letter) -> bool:
    return (message.subject, message.data) == (letter.subject, letter.payload)


async def compare_positions(
    reader: JournalReader,
    entries: Iterable[Entry],
    name: LogName,
    bucket: Mapping[str, PositionValue],
    mark: BucketMark | None,
) -> dict[str, Any]:
    """The bucket's beside the book's: quantity, average price, and the entry of the journal at which they stand."""
    instruments = {row.symbol: row for row in await reader.select("instruments")}
    changed: dict[str, int] = {}
    end = -1
    for entry in entries:
        changed |= {key_of(*key): entry.index for key in touched_positions(entry)}
        end = entry.index
    rows: list[dict[str, Any]] = []
    for position in await reader.select("positions"):
        key = key_of(position.fund_id, position.symbol)
        average = position.average_price(instruments[position.symbol].contract_size)
        there = bucket.get(key)
        rows.append(
            {
                "key": key,
                "quantity": None if there is None else text(there.quantity),
                "avg_price": None if there is None or there.avg_price is None else text(there.avg_price),
                "index": None if there is None else there.index,
                "book_quantity": text(position.quantity),
                "book_avg_price": None if average is None else text(average),
                "changed_at": changed.get(key),
                "agrees": there is not None
                and (there.log, there.journal) == (name.log, name.journal)
                and (there.quantity, there.avg_price) == (position.quantity, average)
                and changed.get(key, 0) <= there.index <= end,
            }
        )
    foreign = sorted(set(bucket) - {row["key"] for row in rows})
    whole = mark == BucketMark(name.log, name.journal, end)
    return {
        "agrees": whole and not foreign and all(row["agrees"] for row in rows),
        "index": None if mark is None else mark.index,
        "journal_index": end,
        "rows": rows,
        "foreign": foreign,
    }
