"""What became of a break: who raised, assigned, adjusted and resolved it, and when."""

from typing import Final

from ordergate.application.audit.reading import chunks_from, let_others, read_entry
from ordergate.application.audit.story import Transition, transitions
from ordergate.application.ports.journal import JournalReader
from ordergate.domain.errors import Code, NotFound, quoted
from ordergate.domain.recon.events import BREAK_EVENTS, PositionAdjusted

PREFIX: Final = "brk-"
"""The name of a break is this and the index of the entry that raised it."""


async def break_story(reader: JournalReader, break_id: str) -> list[Transition]:
    """Every entry about a break, oldest first.

    Raises:
        NotFound: there is no such break.
        AuditError: an entry cannot be read.
    """
    number = break_id.removeprefix(PREFIX)
    first = int(number) if break_id.startswith(PREFIX) and number.isascii() and number.isdecimal() else None
    size = (await reader.head()).size
    told: list[Transition] = []
    if first is None or first >= size:
        raise _missing(break_id)
    needle = f'"{break_id}"'.encode()
    async for start, lines in chunks_from(reader, first, size):
        for done, line in enumerate(lines):
            await let_others(done)
            if needle in line.data:
                event = (entry := read_entry(line, start + done)).event
                of_break = isinstance(event, BREAK_EVENTS) and event.item.break_id == break_id
                if of_break or (isinstance(event, PositionAdjusted) and event.break_id == break_id):
                    told += transitions(entry, None)
        if not told:
            break
    if not told or told[0].index != first:
        raise _missing(break_id)
    return told


def _missing(break_id: str) -> NotFound:
    return NotFound(Code.BREAK_NOT_FOUND, f"there is no break {quoted(break_id)}", "#/break_id")
