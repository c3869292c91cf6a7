"""Did what left one shard come to the other, as it was, and nothing else? Two logs that hold prove it together."""

from collections.abc import Mapping
from typing import Any

from ordergate.application.audit.reading import chunks, read_entry
from ordergate.application.entry import Entry
from ordergate.application.nodes import with_nodes
from ordergate.application.ports.journal import JournalReader
from ordergate.domain.errors import AuditError
from ordergate.domain.moves import Holding
from ordergate.domain.moving import FundArrived, FundLeft, FundOpened, KeysArrived
from ordergate.protocols.tlog.encoding import encode_base64
from ordergate.protocols.tlog.nodes import range_root

_TAGS = tuple(str(kind.__struct_config__.tag) for kind in (FundArrived, KeysArrived, FundOpened))


async def check_moves(logs: Mapping[str, JournalReader]) -> int:
    """Checks every arrival against the log that it came from, as far as that is among these.

    Args:
        logs: journals that were verified, each by its origin.

    Returns:
        How many parts of funds were compared.

    Raises:
        AuditError: an arrival is not what left, or names an end that the other log never had.
    """
    compared = 0
    for origin, reader in logs.items():
        for entry in await _arrivals(reader):
            event: Any = entry.event
            source = logs.get(event.end.origin)
            if source is not None:
                await _check_end(source, entry)
            if source is not None and isinstance(event, FundArrived):
                await _check_part(source, entry, event, origin)
                compared += 1
    return compared


async def _arrivals(reader: JournalReader) -> list[Entry]:
    size = (await reader.head()).size
    return [
        read_entry(line, index)
        async for first, lines in chunks(reader, size)
        for index, line in enumerate(lines, first)
        if line.kind in _TAGS
    ]


async def _check_end(source: JournalReader, entry: Entry) -> None:
    event: Any = entry.event
    end = event.end
    if (await source.head()).size < end.size:
        raise _wrong(entry, f"log {end.origin} is shorter than the {end.size} entries that it names")
    root = await with_nodes(source, lambda nodes: range_root(nodes, 0, end.size))
    if encode_base64(root) != end.root:
        raise _wrong(entry, f"{end.root} was never the root of log {end.origin} over {end.size} entries")


async def _check_part(source: JournalReader, entry: Entry, event: FundArrived, origin: str) -> None:
    lines = await source.lines(event.index, 1) if event.index < event.end.size else []
    left = read_entry(lines[0], event.index).event if lines else None
    if not isinstance(left, FundLeft):
        raise _wrong(entry, f"entry {event.index} of log {event.end.origin} says of no fund that it left")
    told, here = (left.fund_id, left.origin, left.number), (event.fund_id, origin, event.number)
    if (told, _as_it_was(left)) != (here, _as_it_was(event)) or _held(left.holdings) != _held(event.holdings):
        raise _wrong(entry, f"is not what left log {event.end.origin} in its entry {event.index}")


def _as_it_was(said: FundLeft | FundArrived) -> tuple[Any, ...]:
    """What is the same to the letter on both sides."""
    return said.fund, said.balances, said.strategies, said.volumes, said.runs, said.at_brokers


def _held(holdings: tuple[Holding, ...]) -> list[Any]:
    """What is the same on both sides: lots have other numbers, and what was realized stayed behind."""
    return [
        (
            holding.position.symbol,
            holding.position.quantity,
            holding.position.cost,
            [(lot.lot_id, lot.quantity, lot.remaining, lot.price, lot.opened_at) for lot in holding.lots],
        )
        for holding in holdings
    ]


def _wrong(entry: Entry, detail: str) -> AuditError:
    return AuditError(f"entry {entry.index}: {detail}", entry.index)
