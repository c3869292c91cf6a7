"""How the audit reads a journal: in pieces, saying how far it is, and suspecting what it reads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from ordergate.application.entry import Entry, decode
from ordergate.application.ports.journal import JournalReader, Line
from ordergate.domain.errors import AuditError, Code, NotFound, StoreError, quoted

Progress = Callable[[int, int], None]
"""Called with how many entries are done, and of how many."""

AT_ONCE: Final = 1_000
_TURN: Final = 100


async def chunks(
    reader: JournalReader, size: int, progress: Progress | None = None
) -> AsyncIterator[tuple[int, list[Line]]]:
    """The first `size` lines in pieces, as `chunks_from`."""
    async for piece in chunks_from(reader, 0, size, progress):
        yield piece


async def chunks_from(
    reader: JournalReader, start: int, size: int, progress: Progress | None = None
) -> AsyncIterator[tuple[int, list[Line]]]:
    """The lines from `start` up to `size` in pieces, each with the index of its first line.

    Raises:
        AuditError: a line is missing at the end of a piece, or cannot be read.
    """
    for first in range(start, size, AT_ONCE):
        count = min(AT_ONCE, size - first)
        lines = await _lines(reader, first, count)
        yield first, lines
        if len(lines) != count:
            raise _missing(first + len(lines))
        if progress is not None:
            progress(first + count, size)


async def _lines(reader: JournalReader, first: int, count: int) -> list[Line]:
    try:
        return await reader.lines(first, count)
    except StoreError as error:
        if count == 1:
            raise AuditError(f"entry {first} cannot be read: {error}", first) from error
        return [line for index in range(first, first + count) for line in await _lines(reader, index, 1)]


def read_entry(line: Line, index: int) -> Entry:
    """The entry of line `index`.

    Raises:
        AuditError: it cannot be read, or is another one.
    """
    try:
        entry = decode(line.data, index)
    except (TypeError, UnicodeDecodeError) as error:
        raise AuditError(f"entry {index} cannot be read: {error}", index) from error
    if entry.index != index:
        raise AuditError(f"where entry {index} should be stands entry {entry.index}", index)
    return entry


async def let_others(done: int) -> None:
    """Lets the gate work now and then, while much is read that is there already."""
    if done % _TURN == _TURN - 1:
        await asyncio.sleep(0)


async def lines_of(reader: JournalReader, order_id: str) -> list[tuple[int, Line]]:
    """The lines about an order, each with its index.

    Raises:
        NotFound: there are none.
        AuditError: one that the index names is missing.
    """
    indices = await reader.indices(order_id)
    if not indices:
        raise NotFound(Code.ORDER_NOT_FOUND, f"there is no order {quoted(order_id)}", "#/order_id")
    found: list[tuple[int, Line]] = []
    for index in indices:
        await let_others(len(found))
        lines = await _lines(reader, index, 1)
        if not lines:
            raise _missing(index)
        found.append((index, lines[0]))
    return found


def _missing(index: int) -> AuditError:
    return AuditError(f"entry {index} is missing", index)
