"""Tree computations over a journal that is read asynchronously."""

from collections.abc import Callable
from typing import TypeVar

from ordergate.application.ports.journal import JournalReader
from ordergate.domain.errors import AuditError
from ordergate.protocols.tlog import ProofError, TreeBuilder
from ordergate.protocols.tlog.nodes import Nodes, reads_of

T = TypeVar("T")


async def with_nodes(reader: JournalReader, ask: Callable[[Nodes], T]) -> T:
    """`ask` of a tree whose nodes are in the journal: what it reads is fetched first.

    Raises:
        AuditError: the journal does not hold them all.
    """
    try:
        hashes = {read: await reader.nodes(*read) for read in reads_of(ask)}
        return ask(lambda level, first, count: hashes[level, first, count])
    except ProofError as error:
        raise AuditError(f"the journal has a gap: {error}: run ordergate audit verify") from error


async def load_tree(reader: JournalReader, size: int) -> TreeBuilder:
    """The growing end of the tree over the first `size` lines."""
    return await with_nodes(reader, lambda nodes: TreeBuilder.load(size, nodes))
