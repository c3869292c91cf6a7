"""Where a journal ends: what its last checkpoint signs, and that nothing is stored beyond that."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from ordergate.application.ports.journal import Head, JournalReader
from ordergate.domain.errors import AuditError
from ordergate.protocols.tlog import Checkpoint, TlogError, Verifier, open_checkpoint

LEVELS: Final = range(1, 8)
"""Levels of inner nodes that a log of less than 2**63 entries can have."""

_FAR: Final = 2**62
_Read = Callable[[int, int], Awaitable[list[Any]]]


async def find_end(
    reader: JournalReader, verifier: Verifier | None, expected: Head | None = None
) -> tuple[Checkpoint | None, AuditError | None]:
    """What the last checkpoint signs (None for an empty journal), and what is wrong beyond it.

    Args:
        expected: the journal's end, where it is not the stored one.

    Raises:
        AuditError: the checkpoint cannot be read, or is not signed by that key.
    """
    head = expected or await reader.head()
    while True:
        end = _open_head(head, verifier)
        beyond = await _beyond(reader, head.size)
        again = expected or await reader.head()
        if again == head:
            return end, beyond
        head = again  # a writer went on meanwhile, and what lay beyond is its


def open_signed(note: str, verifier: Verifier | None, name: str) -> Checkpoint:
    """The checkpoint in a note; without a verifier, whoever signed it.

    Raises:
        AuditError: it cannot be read, or is not signed by that key.
    """
    try:
        if verifier is None:
            return Checkpoint.parse(note.partition("\n\n")[0] + "\n")
        return open_checkpoint(note.encode(errors="surrogatepass"), verifier)
    except TlogError as error:
        raise AuditError(f"{name} cannot be trusted: {error}") from error


def signs(head: Head, verifier: Verifier) -> bool:
    """Whether that key has signed the last checkpoint."""
    try:
        open_signed(head.checkpoint, verifier, "the last checkpoint")
    except AuditError:
        return False
    return True


def _open_head(head: Head, verifier: Verifier | None) -> Checkpoint | None:
    if not head.size and not head.checkpoint:
        return None
    end = open_signed(head.checkpoint, verifier, "the last checkpoint")
    if end.size != head.size:
        raise AuditError(
            f"the last checkpoint is over {end.size} entries, the log is said to have {head.size}"
        )
    return end


async def _beyond(reader: JournalReader, size: int) -> AuditError | None:
    if await reader.lines(-_FAR, _FAR):
        return AuditError("there are lines before entry 0")
    if await _any(reader.lines, size):
        return AuditError(f"there are lines beyond the last checkpoint, which is over {size} entries", size)
    for level in LEVELS:
        if await _strays(reader, level, size >> 8 * level):
            return AuditError(f"level {level} has nodes that a tree of {size} entries does not have")
    return None


async def _strays(reader: JournalReader, level: int, count: int) -> bool:
    def read(first: int, most: int) -> Awaitable[list[bytes]]:
        return reader.nodes(level, first, most)

    return bool(await read(-_FAR, _FAR)) or await _any(read, count)


async def _any(read: _Read, first: int) -> bool:
    """Whether there is anything from `first` on; never reads much more than lies before the first find."""
    width = 1
    while first < _FAR:
        if await read(first, width):
            return True
        first, width = first + width, width * 2
    return False
